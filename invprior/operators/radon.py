"""Projections of an object along parallel rays, as in computed tomography."""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path
from typing import Annotated, NamedTuple

import torch
from annotated_types import Ge
from torch import Tensor

from invprior.errors import IncompatibleError, MeasurementError, OptionError
from invprior.io.arrays import read_numbers
from invprior.numerics.linalg import perron_norm
from invprior.numerics.tensors import apply_linear
from invprior.operators.base import LinearOperator, Shape
from invprior.operators.sizes import check_size, size_needed, square_side

Length = Annotated[int, Ge(1)]
_BINS = 3  # of the detector, at most, that the shadow of a pixel touches: it is at most sqrt(2) bins wide
_MARGIN = 2  # bins beyond each end of the detector, for shadows that miss it
_AT_ONCE = 2**21  # products of a pixel and an angle in memory


class _Shadows(NamedTuple):
    """Where the pixels fall, for one device and precision.

    Attributes:
        places: the first bin that a pixel touches at an angle, (angles, pixels), counted through all rows.
        shares: the area of the pixel in this bin and the next ones, (_BINS, angles, pixels).
    """

    places: Tensor
    shares: Tensor


class Radon(LinearOperator):
    """The sinogram of a parallel beam: (C, H, W) to (C, angles, bins), each value the area integral over a strip.

    Pixels are unit squares and the bins of the detector are as wide as pixels. A value is the sum over the pixels of
    their intensity times the area that they share with the bin's strip. The projection at angle 0 sums the columns. The
    geometry is that of `skimage.transform.radon`, whose sinograms are the transpose of these.

    A run keeps tables of 20 bytes for each pixel and angle in single precision.

    Args:
        angles: number of angles, evenly spaced from 0 to 180 degrees, without 180.
        theta: the angles in degrees, instead of their number: a list, or a .npy or text file.
        circle: the object lies inside the circle in a square image. The detector has as many bins as a row has pixels,
            and pixels outside of the circle do not count. Otherwise it has sqrt(2) times the longer side, rounded up.
        size: height and width of the image; only a measurement of an image that is not square needs it.
    """

    measures_pictures = False

    def __init__(
        self,
        image_shape: Shape,
        *,
        angles: Length = 180,
        theta: tuple[float, ...] | str | Path | None = None,
        circle: bool = False,
        size: tuple[Length, Length] | None = None,
    ) -> None:
        channels, height, width = image_shape
        check_size("radon", size, (height, width))
        if 1 in (height, width):
            raise IncompatibleError(
                f"radon projects images; got {height} x {width}, a signal. Use another operator, such as matrix with "
                "the system's matrix."
            )
        if circle and height != width:
            raise OptionError(
                f"The option circle of radon needs a square image; got {height} x {width}. Crop it, or leave out "
                "circle."
            )
        degrees = _degrees(angles, theta)
        bins = width if circle else _bins(max(height, width))
        super().__init__(image_shape, (channels, len(degrees), bins))
        self.angles, self.theta, self.circle, self.size = angles, theta, circle, size
        self._radians = torch.deg2rad(degrees)
        self._shadows: dict[tuple[torch.device, torch.dtype], _Shadows] = {}

    @classmethod
    def image_shape_for(
        cls,
        measurement_shape: Shape,
        *,
        angles: int = 180,
        theta: tuple[float, ...] | str | Path | None = None,
        circle: bool = False,
        size: tuple[int, int] | None = None,
    ) -> Shape:
        """Return `size`, or the square image of this sinogram.

        Raises:
            MeasurementError: it has another number of rows than there are angles.
            OptionError: no square image has such a sinogram.
        """
        channels, rows, bins = measurement_shape
        count = len(_degrees(angles, theta))
        if rows != count:
            hint = " Transpose it, as those of scikit-image must be." if bins == count else ""
            raise MeasurementError(
                f"The measurement of radon must have a row for each of its {count} angles; it has {rows} rows of "
                f"{bins} values.{hint} Give the number of angles, as in radon:angles={rows}."
            )
        if size is not None:
            return (channels, *size)
        side = bins if circle else square_side(bins / math.sqrt(2), lambda n: _bins(n) == bins)
        if side is None:
            raise size_needed("radon", f"{bins} bins")
        return (channels, side, side)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sinograms: (B, C, H, W) to (B, C, angles, bins)."""
        return apply_linear(self._project, self._spread, x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Spread each value over the pixels of its strip, by their shares; the exact adjoint."""
        return apply_linear(self._spread, self._project, y)

    def _project(self, x: Tensor) -> Tensor:
        table = self._shadows_like(x)
        flat = x.reshape(-1, 1, table.places.shape[1])
        wide = x.new_zeros(len(flat), len(table.places) * self._row)
        for part in self._chunks:
            for later, shares in enumerate(table.shares):
                index = (table.places[part] + later).flatten().expand(len(flat), -1)
                wide.scatter_add_(1, index, (flat * shares[part]).flatten(1))
        y = wide.view(*x.shape[:-2], -1, self._row)
        return y[..., _MARGIN:-_MARGIN].contiguous()

    def _spread(self, y: Tensor) -> Tensor:
        table = self._shadows_like(y)
        wide = torch.nn.functional.pad(y, (_MARGIN, _MARGIN)).reshape(-1, y.shape[-2] * self._row)
        x = y.new_zeros(len(wide), table.places.shape[1])
        for part in self._chunks:
            for later, shares in enumerate(table.shares):
                index = table.places[part] + later
                x += (wide[:, index] * shares[part]).sum(1)
        return x.view(*y.shape[:-2], *self.image_shape[-2:])

    @property
    def _row(self) -> int:
        return self.measurement_shape[-1] + 2 * _MARGIN

    @property
    def _chunks(self) -> list[slice]:
        """Angles at a time, so that products of all pixels and angles need little memory."""
        rows, step = (
            self.measurement_shape[-2],
            max(_AT_ONCE // math.prod(self.image_shape[-2:]), 1),
        )
        return [slice(start, start + step) for start in range(0, rows, step)]

    def norm(self) -> float:
        """Return an upper bound, close since all entries of A are at least 0."""
        return self._norm

    @cached_property
    def _norm(self) -> float:
        # Channels do not mix.
        one = Radon(
            (1, *self.image_shape[-2:]), angles=self.angles, theta=self.theta, circle=self.circle
        )
        like = torch.zeros(1, *one.image_shape, dtype=torch.float64)
        with torch.no_grad():
            return perron_norm(one.normal, like)

    @torch.inference_mode(False)
    def _shadows_like(self, x: Tensor) -> _Shadows:
        key = (x.device, x.dtype)
        if key not in self._shadows:
            tables = [self._shadow(float(angle)) for angle in self._radians]
            places = [first + row * self._row for row, (first, _) in enumerate(tables)]
            self._shadows[key] = _Shadows(
                torch.stack(places).to(x.device),
                torch.stack([shares.to(x.dtype) for _, shares in tables], 1).to(x.device),
            )
        return self._shadows[key]

    def _shadow(self, angle: float) -> tuple[Tensor, Tensor]:
        """Return the first bin and the shares of each pixel at an angle, (pixels,) and (_BINS, pixels)."""
        height, width = self.image_shape[-2:]
        bins = self.measurement_shape[-1]
        down = (torch.arange(height, dtype=torch.float64) - height // 2)[:, None]
        across = torch.arange(width, dtype=torch.float64) - width // 2
        cosine, sine = math.cos(angle), math.sin(angle)
        place = (across * cosine - down * sine).flatten() + bins // 2 + _MARGIN
        # The shadow of a square is a trapezium: the convolution of two boxes, as wide as its projected sides.
        wide, narrow = sorted((abs(cosine), abs(sine)), reverse=True)
        first = (place - (wide + narrow) / 2 + 0.5 - 1e-12).floor().clamp(0, self._row - _BINS)
        edges = first - 0.5 - place + torch.arange(_BINS + 1, dtype=torch.float64)[:, None]
        shares = _area(edges, wide, narrow).diff(dim=0)
        if self.circle:
            radius = (down**2 + across**2).sqrt().flatten()
            shares = shares * (radius <= width // 2)
        return first.long(), shares


def _area(t: Tensor, wide: float, narrow: float) -> Tensor:
    """Return the part of a pixel's shadow that lies left of t, measured from its centre."""
    rest = ((wide + narrow) / 2 - t.abs()).clamp_min(0.0)  # from the nearer end
    # Within `narrow` of an end the height rises linearly to 1 / wide.
    ramp = torch.minimum(rest, torch.full_like(rest, narrow))
    left = (ramp.square() / (2 * narrow) if narrow > 1e-9 else 0 * ramp) + (rest - ramp)
    left = left / wide
    return torch.where(t < 0, left, 1 - left)


def _bins(side: int) -> int:
    return math.ceil(math.sqrt(2) * side)


def _degrees(angles: int, theta: tuple[float, ...] | str | Path | None) -> Tensor:
    if theta is None:
        return torch.arange(angles, dtype=torch.float64) * (180.0 / angles)
    given = read_numbers(theta) if isinstance(theta, str | Path) else theta
    degrees = torch.as_tensor(given, dtype=torch.float64).flatten()
    if not len(degrees) or not bool(degrees.isfinite().all()):
        raise OptionError(
            f"The theta of radon must be one or more finite angles in degrees; got {given!r:.60}."
        )
    return degrees
