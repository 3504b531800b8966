"""Operators that are wrong in some cases only: a precision, a size, a batch, a border, the second call."""

import torch

from invprior.operators.base import LinearOperator
from invprior.testing import check
from tests.testing.planted import assert_caught, planted
from tests.testing.test_faulty_operators import Doubling


class InPlaceInFloat32(Doubling):
    def adjoint(self, y):
        return y.float().mul_(2).to(y.dtype)  # `float` copies any other dtype


class RandomMask(Doubling):
    """Its mask is drawn from global random state."""

    def __init__(self, image_shape):
        super().__init__(image_shape)
        self.register_buffer("mask", (self.drawn() < 0.5).double())

    def drawn(self):
        return torch.rand(self.image_shape)

    def forward(self, x):
        return self.mask * x

    def adjoint(self, y):
        return self.mask * y

    def norm(self):
        return 1.0


class UnseededMask(RandomMask):
    def drawn(self):
        source = torch.Generator()
        source.seed()
        return torch.rand(self.image_shape, generator=source)


class SetsTheDtype(Doubling):
    def forward(self, x):
        torch.set_default_dtype(x.dtype)
        return 2 * x


class RecordsGradients(Doubling):
    def forward(self, x):
        torch.set_grad_enabled(True)
        return 2 * x


class MixesLargeBatches(Doubling):
    def forward(self, x):
        return 2 * x if len(x) < 3 else 2 * x + 0.01 * (x - x.flip(0))


class TakesTwoImages(Doubling):
    def adjoint(self, y):
        return 2 * y[:2]


class WrongOnLargeImages(Doubling):
    def adjoint(self, y):
        return 2 * y if y.shape[-1] < 100 else 1.9 * y


class WrongOnLongImages(Doubling):
    def adjoint(self, y):
        return 2 * y if max(y.shape[-2:]) < 500 else 2 * y.roll(1, -1)


class KeepsTheFirst(Doubling):
    """Divides by the largest value of the first images that it sees."""

    scale = None

    def forward(self, x):
        self.scale = self.scale or float(x.detach().max())
        return 2 * x / self.scale

    def adjoint(self, y):
        return 2 * y / (self.scale or 1.0)

    def norm(self):
        return 100.0


class Averages(Doubling):
    """Adds a part of the image before, if it has the same shape."""

    last = None

    def forward(self, x):
        before, self.last = self.last, x
        same = before is not None and before.shape == x.shape
        return 2 * x + 0.01 * before if same else 2 * x

    def solve_damped(self, rhs, damping):
        return rhs / (4 + damping)


class Rotates(LinearOperator):
    """The adjoint has another boundary than A."""

    def forward(self, x):
        return x.roll(1, -1)

    def adjoint(self, y):
        back = y.roll(-1, -1)
        return torch.cat([back[..., :-1], torch.zeros_like(back[..., :1])], -1)

    def norm(self):
        return 1.0


class SlightlyScaled(Doubling):
    def adjoint(self, y):
        return 2.0008 * y


class AddsAConstant(Doubling):
    def forward(self, x):
        return 2 * x + 0.1


class Rounds(Doubling):
    """It computes in half precision inside."""

    def forward(self, x):
        return (2 * x).half().to(x.dtype)


class OnePixelMore(Doubling):
    @property
    def observation_mask(self):
        mask = torch.zeros(1, self.image_shape[-1], dtype=torch.bool)
        mask[..., 1:] = True
        return mask


class MaskOfAnotherSize(Doubling):
    @property
    def observation_mask(self):
        return torch.ones(self.image_shape[-1] + 1, dtype=torch.bool)


class NotSymmetric(Doubling):
    def normal(self, x):
        return 4 * x + 0.01 * x.roll(1, -1)


class NormOfTheImage(Doubling):
    """Its norm is that of one image alone."""

    def norm(self):
        return 1.9


class NegativeNorm(Doubling):
    def norm(self):
        return -2.0


class IgnoresDamping(Doubling):
    def solve_damped(self, rhs, damping):
        return rhs / 4


class Truncates(Doubling):
    def forward(self, x):
        return 2 * x.clamp(0, 1)


class IgnoresChannels(Doubling):
    """The second channel enters the first."""

    def forward(self, x):
        return 2 * x.mean(1, keepdim=True).expand_as(x)


@planted(
    (InPlaceInFloat32, "input-untouched", "adjoint changes its input in place in float32"),
    (RandomMask, "rebuilt", r"its constructor uses global random state \(torch's\)"),
    (UnseededMask, "rebuilt", "built again from the same options: a part of it is random without a seed"),
    (SetsTheDtype, "repeatable", "forward changes torch's default dtype for the whole program"),
    (RecordsGradients, "repeatable", "forward changes whether torch records gradients"),
    (MixesLargeBatches, "batch-apart", "forward mixes the batch"),
    (TakesTwoImages, "batch-apart", "adjoint of 5 images returns 2"),
    (WrongOnLargeImages, "adjoint", "for images of 137 x 144, .* the adjoint is scaled by 0.95, should be 1"),
    (WrongOnLongImages, "adjoint", "for images of 520 x 36, .* shifted, 0 pixels down and 1 to the right"),
    (KeepsTheFirst, "repeatable", "forward remembers earlier calls"),
    (Averages, "repeatable", "forward gives another result when called again"),
    (Rotates, "adjoint", "wrong within 3 pixels of the border alone"),
    (SlightlyScaled, "adjoint", r"scaled by 1 \+0.0004, should be 1"),
    (AddsAConstant, "adjoint", "A itself is not linear"),
    (Rounds, "linearity", "A"),
    (OnePixelMore, "observation-mask", r"A\(x\) is not 0 where observation_mask is False"),
    (MaskOfAnotherSize, "observation-mask", "does not broadcast to y"),
    (NotSymmetric, "normal", r"normal\(x\), compared with adjoint\(A\(x\)\), is off by"),
    (NormOfTheImage, "norm", r"norm\(\) is 1.9, but A stretches an image by 2"),
    (NegativeNorm, "norm", r"norm\(\) is -2, but A stretches an image by 2"),
    (IgnoresDamping, "solve-damped", "its residual is|it solves with a damping of"),
    (Truncates, "linearity", "it is not linear"),
    (IgnoresChannels, "adjoint", "another operator's"),
)  # fmt: skip
def test_is_caught(obj, name, text):
    assert_caught(obj, name, text)


def test_state_that_leaks_is_not_told_as_a_mixed_batch():
    failures = check(Averages).failures
    assert "repeatable" in failures
    assert "mixes" not in " ".join(failures.values())


class Steep(LinearOperator):
    """Singular values from 0.01 to 51, without a fault; the default solves by conjugate gradients."""

    def _gains(self, x):
        n = x[0].numel()
        return torch.logspace(-2, 1.7076, n, dtype=torch.float64).to(x).view(x.shape[1:])

    def forward(self, x):
        return self._gains(x) * x

    adjoint = forward


def test_a_steep_operator_passes():
    assert 50.9 < Steep((1, 30, 32)).norm() < 52
    report = check(Steep)
    assert report.ok, str(report)
