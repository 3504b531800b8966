"""Which operators measure images."""

import pytest
import torch

from invprior.operators.base import LinearOperator
from invprior.operators.blur import Blur
from invprior.operators.downsample import Downsample
from invprior.operators.imaging import measures_images
from invprior.operators.inpaint import Inpaint
from invprior.operators.masked import Masked

SHAPE = (1, 32, 40)
LIKE = torch.zeros(1)


class Spectrum(LinearOperator):
    """Real and imaginary part of the spectrum, side by side: an image's shape, and no image."""

    def __init__(self, image_shape):
        super().__init__(image_shape, (2, *image_shape[1:]))

    def forward(self, x):
        f = torch.fft.fftshift(torch.fft.fft2(x, norm="ortho"), dim=(-2, -1))
        return torch.cat([f.real, f.imag], 1)


class Angles(LinearOperator):
    """Sums along lines, as a scanner measures them; a row of y for each angle."""

    def __init__(self, image_shape):
        _, height, width = image_shape
        self.size = width
        super().__init__(image_shape, (1, 30, width))
        y, x = torch.meshgrid(
            torch.arange(height) - height / 2, torch.arange(width) - width / 2, indexing="ij"
        )
        angles = torch.linspace(0, torch.pi, 30)[:, None, None]
        at = angles.cos() * x + angles.sin() * y + width / 2
        at = at.flatten(1).clamp(0, width - 2)
        self.register_buffer("bins", at.long())
        self.register_buffer("share", at - at.floor())

    def forward(self, x):
        values = x.flatten(1)[:, None]
        bins = self.bins.expand(len(x), -1, -1)
        sums = x.new_zeros(len(x), 30, self.size)
        sums = sums.scatter_add(2, bins, values * (1 - self.share))
        return sums.scatter_add(2, bins + 1, values * self.share)[:, None]


class Wobbly(LinearOperator):
    """A local operator that does not say so, of twice the size."""

    def __init__(self, image_shape):
        channels, height, width = image_shape
        super().__init__(image_shape, (channels, 2 * height, 2 * width))

    def forward(self, x):
        return x.repeat_interleave(2, -1).repeat_interleave(2, -2).roll(1, -1)


def images(shape=SHAPE):
    blur = Blur(shape, sigma=2.0)
    small = Downsample(shape, factor=2)
    masked = Masked(blur, torch.ones(1, *shape, dtype=torch.bool))
    return [
        blur,
        small,
        Inpaint(shape, keep=0.5),
        masked,
        Wobbly(shape),
        small @ blur,
        Wobbly((1, 1, 40)),
    ]


@pytest.mark.parametrize("operator", images(), ids=lambda o: type(o).__name__)
def test_an_image(operator):
    assert measures_images(operator, LIKE)


@pytest.mark.parametrize("kind", [Spectrum, Angles])
def test_no_image(kind):
    operator = kind(SHAPE)
    assert not measures_images(operator, LIKE)
    known = torch.rand(1, *operator.measurement_shape) < 0.5
    assert not measures_images(Masked(operator, known), LIKE)
    assert not measures_images(operator @ Blur(SHAPE, sigma=1.0), LIKE)
