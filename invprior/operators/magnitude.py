"""Magnitudes without phases, as detectors of light and X-rays measure them: phase retrieval."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from invprior.errors import IncompatibleError, OptionError
from invprior.numerics.tensors import Constant
from invprior.operators.base import LinearOperator, Operator, Recipe, Shape

_MASKS = 4
_ENOUGH = 3
_OPEN = (
    "magnitudes without coded diffraction by three masks or more may leave the image open: the result may be another "
    "image with the same magnitudes; compare the results of several initial estimates (x0)"
)
_STEPS = 60  # of the power method
_BRIGHT = 9.0  # times the mean of y^2, above which a measurement says little of the direction of x


class Magnitude(Operator):
    """The magnitudes of a linear operator's measurements, y = |B x|; not linear.

    Without `of`, B is coded diffraction: random phase masks, each followed by an orthonormal Fourier transform,
    (C, H, W) to (C, masks, H, W). The image is real. x and -x have the same magnitudes; the initial estimate, found by
    the spectral method, has a positive mean, and so has what solvers find from it.

    Args:
        of: B, whose images may be real, such as fourier(acceleration=2), matrix or radon.
        masks: number of random masks, 4 if it is absent; for coded diffraction only. Fewer than 3 leave the image open.
        seed: seed of the masks.

    Raises:
        OptionError: both of and masks are given.
        IncompatibleError: B is not linear.

    Sources: Candes, Li and Soltanolkotabi 2015, "Phase retrieval via Wirtinger flow", IEEE Transactions on Information
    Theory 61; Chen and Candes 2015, for the truncation of the spectral method.
    """

    measurement_axes = 4
    measures_pictures = False

    def __init__(
        self,
        image_shape: Shape,
        *,
        of: Recipe | None = None,
        masks: Annotated[int, Ge(1)] | None = None,
        seed: Annotated[int, Ge(0)] = 0,
    ) -> None:
        if of is not None and masks is not None:
            raise OptionError("magnitude must be given of or masks, not both. Leave out one.")
        inner = (
            Diffraction(image_shape, masks=masks or _MASKS, seed=seed)
            if of is None
            else of(image_shape)
        )
        if not isinstance(inner, LinearOperator):
            raise IncompatibleError(
                f"The option of magnitude must be a linear operator; {type(inner).__name__} is not one. Name another."
            )
        super().__init__(image_shape, inner.measurement_shape)
        self.of, self.masks, self.seed = of, masks, seed
        self.inner = inner
        if of is not None or (masks or _MASKS) < _ENOUGH:
            self.notes = (*inner.notes, _OPEN)

    @classmethod
    def image_shape_for(
        cls,
        measurement_shape: Shape,
        *,
        of: Recipe | None = None,
        masks: int | None = None,
        seed: object = 0,
    ) -> Shape:
        """Return the shape of x of the inner operator."""
        if of is not None:
            return of.image_shape_for(measurement_shape)
        channels, count, height, width = measurement_shape
        if count != (masks or _MASKS):
            raise OptionError(
                f"The option masks of magnitude must be the number of masks of the measurement, {count}; got "
                f"{masks or _MASKS}. Give masks={count}, or check the order (channels, masks, height, width)."
            )
        return (channels, height, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return |B x|; its derivative where B x = 0 is taken as 0."""
        return self.inner(x).abs()

    @property
    def observation_mask(self) -> Tensor | None:
        """That of the inner operator."""
        return self.inner.observation_mask

    def noise_view(self, y: Tensor) -> None:
        """Return None: magnitudes of neighbours need not be alike."""
        return

    def estimate(self, y: Tensor) -> Tensor:
        """Return the spectral estimate: the leading eigenvector of B^H diag(y^2) B over real images, scaled to fit y.

        Measurements far above the mean are left out, as single ones would decide alone. The sign is that of a
        positive mean.

        Args:
            y: magnitudes, (1, *measurement_shape).
        """
        weight = y.square()
        weight = weight * (weight <= _BRIGHT * weight.mean())
        v = y.new_ones(1, *self.image_shape)
        with torch.no_grad():
            for _ in range(_STEPS):
                found = self.inner.adjoint(weight * self.inner(v))
                v = found.real if found.is_complex() else found
                v = v / torch.linalg.vector_norm(v).clamp_min(torch.finfo(v.dtype).tiny)
            response = self(v)
            scale = (response * y).sum() / response.square().sum().clamp_min(
                torch.finfo(v.dtype).tiny
            )
        return v * scale * (-1.0 if float(v.sum()) < 0 else 1.0)


class Diffraction(LinearOperator):
    """Coded diffraction: random phase masks, each followed by an orthonormal Fourier transform.

    Args:
        masks: number of masks.
        seed: their seed.
    """

    measurement_axes = 4

    def __init__(self, image_shape: Shape, *, masks: int, seed: int) -> None:
        channels, height, width = image_shape
        super().__init__(image_shape, (channels, masks, height, width))
        self.masks, self.seed = masks, seed
        # Drawn on the CPU, so that a seed gives the same masks on every device.
        generator = torch.Generator().manual_seed(seed)
        angles = torch.rand(masks, height, width, generator=generator, dtype=torch.float64)
        self._masks = Constant(torch.polar(torch.ones_like(angles), 2 * math.pi * angles))

    def forward(self, x: Tensor) -> Tensor:
        """Return the complex waves at the detector, (B, C, H, W) to (B, C, masks, H, W)."""
        waves: Tensor = torch.fft.fft2(x[:, :, None] * self._masks.like(x), norm="ortho")
        return waves

    def adjoint(self, y: Tensor) -> Tensor:
        """Return the sum of the waves at the masks with the phases taken back; complex."""
        waves: Tensor = torch.fft.ifft2(y, norm="ortho") * self._masks.like(y.real).conj()
        return waves.sum(2)

    def norm(self) -> float:
        """Return the root of the number of masks."""
        return math.sqrt(self.masks)
