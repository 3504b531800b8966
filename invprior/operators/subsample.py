"""Some coefficients of an orthogonal transform, as a single-pixel camera measures them."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor

from invprior.errors import IncompatibleError
from invprior.numerics.hadamard import hadamard, sequency
from invprior.numerics.spectral import dct, idct
from invprior.numerics.tensors import apply_linear
from invprior.operators.base import LinearOperator, Shape
from invprior.operators.sizes import check_size, size_needed, square_side

Count = Annotated[int, Ge(0)]
Length = Annotated[int, Ge(1)]
Fraction = Annotated[float, Gt(0), Le(1)]


class Subsample(LinearOperator):
    """A part of the coefficients of an orthonormal transform: (C, H, W) to (C, m), with m = keep H W.

    A single-pixel camera measures them one after the other, each as the light through one pattern of the transform.
    The coefficients come in ascending order of their frequency. The mean of the image is always among them.

    Args:
        transform: hadamard, whose patterns are 1 and -1 and which needs sides that are powers of two, or dct, cosines.
        keep: fraction of the coefficients that are measured.
        low: fraction of these that take the lowest frequencies; the others are drawn at random.
        seed: seed of this draw.
        size: height and width of the image, [1, N] for a signal; only a measurement of an image that is not square
            needs it.

    Source: Duarte et al. 2008, "Single-pixel imaging via compressive sampling", IEEE Signal Processing Magazine 25.
    """

    measurement_axes = 2
    places: Tensor

    def __init__(
        self,
        image_shape: Shape,
        *,
        transform: Literal["hadamard", "dct"] = "hadamard",
        keep: Fraction = 0.25,
        low: Annotated[float, Ge(0), Le(1)] = 0.5,
        seed: Count = 0,
        size: tuple[Length, Length] | None = None,
    ) -> None:
        channels, height, width = image_shape
        check_size("subsample", size, (height, width))
        if transform == "hadamard" and (height & (height - 1) or width & (width - 1)):
            raise IncompatibleError(
                f"The Hadamard transform of subsample needs sides that are powers of two; got {height} x {width}. Crop "
                "the image, or use subsample:transform=dct."
            )
        places = _drawn(
            _frequencies(transform, height, width), _count(keep, height, width), low, seed
        )
        super().__init__(image_shape, (channels, len(places)))
        self.transform, self.keep, self.low, self.seed, self.size = transform, keep, low, seed, size
        # Not persistent: the options make it again.
        self.register_buffer("places", places, persistent=False)

    @classmethod
    def image_shape_for(
        cls,
        measurement_shape: Shape,
        *,
        transform: object = "hadamard",
        keep: float = 0.25,
        low: object = 0.5,
        seed: object = 0,
        size: tuple[int, int] | None = None,
    ) -> Shape:
        """Return `size`, or the square image that has so many measurements.

        Raises:
            OptionError: there is none.
        """
        channels, count = measurement_shape
        if size is not None:
            return (channels, *size)
        side = square_side(math.sqrt(count / keep), lambda n: _count(keep, n, n) == count)
        if side is None:
            raise size_needed("subsample", f"{count} values with keep={keep:g}")
        return (channels, side, side)

    def noise_view(self, y: Tensor) -> Tensor:
        """Return the upper half of the frequencies, where images have least."""
        return y[..., y.shape[-1] // 2 :]

    def forward(self, x: Tensor) -> Tensor:
        """Return the measured coefficients: (B, C, H, W) to (B, C, m)."""
        return apply_linear(self._measure, self._back, x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Transform back, with 0 for the coefficients that are not measured."""
        return apply_linear(self._back, self._measure, y)

    def _measure(self, x: Tensor) -> Tensor:
        return self._coefficients(x).flatten(-2)[..., self.places]

    def _back(self, y: Tensor) -> Tensor:
        height, width = self.image_shape[-2:]
        full = y.new_zeros(*y.shape[:-1], height * width)
        full[..., self.places] = y
        return self._image(full.unflatten(-1, (height, width)))

    def _coefficients(self, x: Tensor) -> Tensor:
        one = hadamard if self.transform == "hadamard" else dct
        return one(one(x, -1), -2)

    def _image(self, coefficients: Tensor) -> Tensor:
        one = hadamard if self.transform == "hadamard" else idct
        return one(one(coefficients, -2), -1)

    @property
    def direct(self) -> bool:
        """Always true."""
        return True

    def solve_damped(self, rhs: Tensor, damping: float) -> Tensor:
        """Divide each coefficient by the damping, plus 1 where it is measured."""
        return apply_linear(
            lambda x: self._damped(x, damping), lambda x: self._damped(x, damping), rhs
        )

    def _damped(self, rhs: Tensor, damping: float) -> Tensor:
        height, width = self.image_shape[-2:]
        energy = rhs.new_full((height * width,), damping)
        energy[self.places] += 1.0
        return self._image(self._coefficients(rhs) / energy.view(height, width))

    def norm(self) -> float:
        """Return 1."""
        return 1.0


def _count(keep: float, height: int, width: int) -> int:
    return max(round(keep * height * width), 1)


def _frequencies(transform: str, height: int, width: int) -> Tensor:
    """Return the frequency of each coefficient, flattened: the sum along both axes, each as a fraction of its side."""
    rows, columns = (
        (sequency(n) if transform == "hadamard" else torch.arange(n)).double() / n
        for n in (height, width)
    )
    return (rows[:, None] + columns).flatten()


def _drawn(frequencies: Tensor, count: int, low: float, seed: int) -> Tensor:
    """Return the places of the coefficients that are measured, by ascending frequency."""
    order = frequencies.argsort(stable=True)
    lowest = max(round(low * count), 1)  # the mean at least
    rest = order[lowest:]
    # Drawn on the CPU, so that a seed gives the same coefficients on every device.
    drawn = rest[torch.randperm(len(rest), generator=torch.Generator().manual_seed(seed))]
    places = torch.cat([order[:lowest], drawn[: count - lowest]])
    return places[frequencies[places].argsort(stable=True)]
