"""Wavelet shrinkage."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from invprior.denoisers.base import Denoiser
from invprior.numerics.opponent import from_opponent, to_opponent
from invprior.numerics.wavelets import (
    Filters,
    WaveletTransform,
    fitting_levels,
    load_filters,
    soft_threshold,
)


@dataclass(frozen=True, kw_only=True)
class WaveletDenoiser(Denoiser):
    """Soft thresholding of wavelet details, averaged over all shifts of the image.

    Colour images are shrunk in luma and chroma axes, and complex coefficients by their moduli.

    Args:
        wavelet: name of an orthogonal or biorthogonal wavelet of PyWavelets.
        levels: number of scales along each axis, at most as many as it can be halved; when absent,
            4 or as many as fit the image.
        threshold: threshold of all bands, in multiples of the noise level. When absent, BayesShrink
            chooses one for each band and channel.

    Source: Chang, Yu and Vetterli 2000, "Adaptive wavelet thresholding for image denoising and
    compression", equations 13 to 16 (BayesShrink); Coifman and Donoho 1995 (the average over
    shifts, here by the undecimated transform).
    """

    takes_complex = True
    wavelet: str = "haar"
    levels: Annotated[int, Ge(1)] | None = None
    threshold: Annotated[float, Gt(0)] | None = None

    def __post_init__(self) -> None:
        load_filters(self.wavelet)  # refuses an unknown name before a run

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        """Remove noise of standard deviation sigma."""
        filters = load_filters(self.wavelet)
        levels = fitting_levels(filters, x.shape[-2], x.shape[-1], self.levels)
        transform = WaveletTransform(filters, levels, undecimated=True)
        low, details = transform.analysis(to_opponent(x))
        # Complex noise has sigma in both parts, so its root mean square is larger.
        level = sigma * 2**0.5 if x.is_complex() else sigma
        noise = [level * gain for gain in _noise_gains(filters, levels)]
        shrunk = [self._shrink(band, level) for band, level in zip(details, noise, strict=True)]
        return from_opponent(transform.synthesis(low, shrunk))

    def _shrink(self, band: Tensor, noise: float) -> Tensor:
        if self.threshold is not None:
            return soft_threshold(band, self.threshold * noise)
        energy = band.abs().square().mean((-2, -1), keepdim=True)
        # The signal's deviation; where a band is all noise, `tiny` makes the threshold huge.
        signal = (energy - noise**2).clamp_min(torch.finfo(band.dtype).tiny).sqrt()
        return soft_threshold(band, noise**2 / signal)


@cache
def _noise_gains(filters: Filters, levels: tuple[int, int]) -> tuple[float, ...]:
    """Return the standard deviation of unit white noise in each undecimated band.

    With an orthogonal wavelet it is 2^-j at level j of both axes. With a biorthogonal one it is the
    norm of the band's response to an impulse.
    """
    transform = WaveletTransform(filters, levels, undecimated=True)
    if filters.orthogonal:
        return tuple(transform.noise_gains())
    # Wide enough for the response not to wrap around.
    height, width = (2**n * filters.length if n else 1 for n in levels)
    impulse = torch.zeros(1, 1, height, width, dtype=torch.float64)
    impulse[..., height // 2, width // 2] = 1.0
    _, details = transform.analysis(impulse)
    return tuple(float(torch.linalg.vector_norm(band)) for band in details)
