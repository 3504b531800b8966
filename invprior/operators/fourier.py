"""Undersampled Fourier coefficients of an image, as coils measure them in magnetic resonance imaging (MRI)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor

from invprior.errors import MeasurementError, OptionError
from invprior.io.arrays import known_pixels, read_mask, read_numbers
from invprior.numerics.sampling import Pattern, sampling_mask
from invprior.numerics.tensors import Constant, apply_linear
from invprior.operators.base import LinearOperator, Shape

_ACCELERATION = 4.0  # of a simulation that is told nothing
_NOISE_ROWS = 8  # an estimate of the noise takes fewer for samples of a smooth signal


class Fourier(LinearOperator):
    """The sampled part of the orthonormal 2-D Fourier transform: (C, H, W) to (C, coils, H, W), 0 where not sampled.

    The image is complex, also where a real one is given. The zero frequency is at [H // 2, W // 2] of y and of the
    mask. With several coils each measures the image times its sensitivity (SENSE). A file holds y as (coils, H, W), or
    as (H, W) for one coil.

    Give mask or acceleration; without both, a simulation takes an acceleration of 4, and a measurement is refused.

    Args:
        mask: file of the sampling mask, (H, W), an image, .npy or .npz; in Python also a tensor. A frequency is sampled
            where the mask exceeds half of its range.
        acceleration: the number of frequencies over that of samples; 1 samples all.
        centre: fraction of the columns at the centre that are all sampled; with points, of the width and the height.
        pattern: which other samples are taken. uniform: equally spaced columns. random: columns drawn at random, denser
            near the centre. points: single frequencies drawn likewise, as with two directions of phase encoding.
        seed: seed of the draw.
        coils: file of the coils' sensitivity maps, (coils, H, W), complex or real, .npy or .npz; in Python also a
            tensor. One coil of sensitivity 1 when absent.

    Sources: Pruessmann et al. 1999, "SENSE"; Lustig, Donoho and Pauly 2007, "Sparse MRI", for variable density.
    """

    takes_complex = True
    complex_images = True
    measurement_axes = 4
    measures_pictures = False
    sampled: Tensor

    def __init__(
        self,
        image_shape: Shape,
        *,
        mask: str | Path | Tensor | None = None,
        acceleration: Annotated[float, Ge(1)] | None = None,
        centre: Annotated[float, Gt(0), Lt(1)] = 0.08,
        pattern: Pattern = "random",
        seed: Annotated[int, Ge(0)] = 0,
        coils: str | Path | Tensor | None = None,
    ) -> None:
        channels, height, width = image_shape
        if mask is not None and acceleration is not None:
            raise OptionError(
                "fourier must be given mask or acceleration, not both. Leave out one."
            )
        if mask is not None:
            sampled = _given_mask(mask, (height, width))
        else:
            rate = _ACCELERATION if acceleration is None else acceleration
            sampled = sampling_mask(height, width, rate, centre, pattern, seed)
        maps = None if coils is None else _maps(coils)
        if maps is not None and tuple(maps.shape[1:]) != (height, width):
            raise MeasurementError(
                f"The coils of fourier must be maps of the image's size, {height} x {width}; their shape is "
                f"{tuple(maps.shape)} (coils, height, width)."
            )
        super().__init__(image_shape, (channels, 1 if maps is None else len(maps), height, width))
        self.mask, self.acceleration, self.centre = mask, acceleration, centre
        self.pattern, self.seed, self.coils = pattern, seed, coils
        # Not persistent: the options make it again.
        self.register_buffer("sampled", sampled[None, None, None], persistent=False)
        self._maps = None if maps is None else Constant(maps)
        if not sampled[height // 2, width // 2]:
            self.notes = (
                "the sampling mask leaves out the zero frequency, which it must have at its centre: check that the "
                "mask is not shifted or inverted",
            )

    @classmethod
    def image_shape_for(
        cls,
        measurement_shape: Shape,
        *,
        mask: object = None,
        acceleration: object = None,
        centre: object = 0.08,
        pattern: object = "random",
        seed: object = 0,
        coils: str | Path | Tensor | None = None,
    ) -> Shape:
        """Return the shape without the coils.

        Raises:
            OptionError: neither mask nor acceleration is given.
            MeasurementError: the number of coils differs.
        """
        if mask is None and acceleration is None:
            raise OptionError(
                "fourier on a measurement must be given mask or acceleration; got neither. Give the file of the "
                "sampling mask, as in fourier:mask=mask.npy, or acceleration=1 if all frequencies are sampled."
            )
        channels, found, height, width = measurement_shape
        expected = 1 if coils is None else len(_maps(coils))
        if found != expected:
            raise MeasurementError(
                f"The measurement of fourier must have {expected} {'coil' if expected == 1 else 'coils'}, as its "
                f"option coils says; got {found}, from the shape {measurement_shape} (channels, coils, height, width). "
                "Give the file of the sensitivity maps, as in fourier:coils=maps.npy."
            )
        return (channels, height, width)

    @property
    def observation_mask(self) -> Tensor:
        """True where a frequency is sampled, boolean, (1, 1, 1, H, W)."""
        return self.sampled

    def noise_view(self, y: Tensor) -> Tensor:
        """Return the quarter of the samples of highest frequency, where images have least: (1, rows, length)."""
        height, width = y.shape[-2:]
        down = (torch.arange(height) - height // 2).abs() / height
        across = (torch.arange(width) - width // 2).abs() / width
        # By the frequency along each axis apart, as a mask of columns may reach far along one of them only.
        places = self.sampled[0, 0, 0].cpu().flatten().nonzero()[:, 0]
        radius = (down[:, None].square() + across.square()).flatten()[places]
        length = max(len(places) // 4 // _NOISE_ROWS, 1)
        outer = places[radius.argsort(descending=True, stable=True)[: length * _NOISE_ROWS]]
        values = y.flatten(-2)[..., outer.to(y.device)]
        return values.reshape(1, -1, min(length, values.shape[-1]))

    def forward(self, x: Tensor) -> Tensor:
        """Return the sampled coefficients of each coil: (B, C, H, W) to (B, C, coils, H, W), complex."""
        return apply_linear(self._measure, self._back, x.to(x.dtype.to_complex()))

    def adjoint(self, y: Tensor) -> Tensor:
        """Return the zero-filled images, combined with the conjugate sensitivities: to (B, C, H, W), complex."""
        return apply_linear(self._back, self._measure, y.to(y.dtype.to_complex()))

    def _measure(self, x: Tensor) -> Tensor:
        images = x.unsqueeze(2)
        if self._maps is not None:
            images = images * self._maps.like(x)
        return _fft(images) * self.sampled

    def _back(self, y: Tensor) -> Tensor:
        images = _ifft(y * self.sampled)
        if self._maps is not None:
            images = images * self._maps.like(y).conj()
        return images.sum(2)

    @property
    def direct(self) -> bool:
        """Whether there is one coil of sensitivity 1, whose A^H A is diagonal in the Fourier basis."""
        return self._maps is None

    def solve_damped(self, rhs: Tensor, damping: float) -> Tensor:
        """Divide each coefficient by the damping, plus 1 where it is sampled; with coils by conjugate gradients."""
        if not self.direct:
            return super().solve_damped(rhs, damping)

        def solve(z: Tensor) -> Tensor:
            return _ifft(_fft(z) / (self.sampled[0, 0] + damping))

        return apply_linear(solve, solve, rhs.to(rhs.dtype.to_complex()))

    def norm(self) -> float:
        """Return the largest root of the sum of squared sensitivities, a bound; 1 for one coil of sensitivity 1."""
        if self._maps is None:
            return 1.0
        return math.sqrt(float(self._maps.master.abs().square().sum(0).max())) * (1.0 + 1e-6)


def _fft(x: Tensor) -> Tensor:
    """Return the centred orthonormal transform of the last two dimensions."""
    x = torch.fft.ifftshift(x, (-2, -1))
    y: Tensor = torch.fft.fftshift(torch.fft.fft2(x, norm="ortho"), (-2, -1))
    return y


def _ifft(y: Tensor) -> Tensor:
    y = torch.fft.ifftshift(y, (-2, -1))
    x: Tensor = torch.fft.fftshift(torch.fft.ifft2(y, norm="ortho"), (-2, -1))
    return x


def _given_mask(mask: str | Path | Tensor, size: tuple[int, int]) -> Tensor:
    if isinstance(mask, Tensor):
        known = known_pixels(mask, "The mask", integers=not mask.is_floating_point())
    else:
        known, _ = read_mask(mask)
    if tuple(known.shape) != size:
        raise MeasurementError(
            f"The mask of fourier must have the image's size, {size[0]} x {size[1]} (height x width); its shape is "
            f"{tuple(known.shape)}."
        )
    return known


def _maps(coils: str | Path | Tensor) -> Tensor:
    """Return the sensitivity maps, (coils, H, W), complex128.

    Raises:
        MeasurementError: they have another shape, or are not finite.
    """
    given = coils if isinstance(coils, Tensor) else torch.from_numpy(read_numbers(coils))
    maps = given.detach().cpu().to(torch.complex128)
    maps = maps[None] if maps.dim() == 2 else maps
    if maps.dim() != 3 or maps.numel() == 0 or not bool(maps.isfinite().all()):
        raise MeasurementError(
            "The coils of fourier must be finite sensitivity maps of the shape (coils, height, width); got "
            f"{tuple(given.shape)}{'' if bool(maps.isfinite().all()) else ' with NaN or infinity'}."
        )
    return maps
