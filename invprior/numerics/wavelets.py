"""Separable 2-D wavelet transforms of tensors, decimated and undecimated, differentiable.

Both wrap around at the borders, which keeps them exact. With an orthogonal filter the decimated
transform is an orthonormal basis and the undecimated one a Parseval frame, for every image size. A
side of odd length is split into an even part and its last sample, which passes unchanged into the
lowpass band.

Source: Mallat, A Wavelet Tour of Signal Processing, 3rd ed., sections 7.3, 7.5 and 5.2.2. The taps
are those of PyWavelets.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pywt
import torch
from torch import Tensor

from invprior.errors import OptionError, did_you_mean
from invprior.numerics.linalg import spectral_norm


@dataclass(frozen=True)
class Filters:
    """The taps of a wavelet, as correlation filters of one even length.

    Attributes:
        analysis: lowpass and highpass taps that take a signal to its coefficients.
        synthesis: lowpass and highpass taps whose adjoint takes them back; equal to `analysis`
            when the wavelet is orthogonal.
    """

    # Tuples are hashable, which `cache` needs.
    analysis: tuple[tuple[float, ...], tuple[float, ...]]
    synthesis: tuple[tuple[float, ...], tuple[float, ...]]

    @property
    def orthogonal(self) -> bool:
        """True when the decimated transform is orthonormal."""
        return self.analysis == self.synthesis

    @property
    def length(self) -> int:
        """Number of taps."""
        return len(self.analysis[0])


@cache
def load_filters(name: str) -> Filters:
    """Look up a wavelet of PyWavelets by name.

    Raises:
        OptionError: there is no such discrete wavelet, or its taps do not reconstruct perfectly.
    """
    names = pywt.wavelist(kind="discrete")
    if name not in names:
        raise OptionError(
            f'There is no discrete wavelet "{name}"{did_you_mean(name, names)}. '
            f"The families are {', '.join(pywt.families())}; haar, db4, sym8 and bior4.4 are usual."
        )
    wavelet = pywt.Wavelet(name)
    analysis = np.array([wavelet.dec_lo[::-1], wavelet.dec_hi[::-1]])
    synthesis = np.array([wavelet.rec_lo, wavelet.rec_hi])
    if wavelet.orthogonal:
        synthesis = analysis
    # Perfect reconstruction needs biorthogonal taps, which dmey's truncated ones are not.
    for shift in range(0, analysis.shape[1], 2):
        product = analysis[:, shift:] @ synthesis[:, : analysis.shape[1] - shift].T
        if np.abs(product - (shift == 0) * np.eye(2)).max() > 1e-8:
            raise OptionError(
                f'The wavelet "{name}" does not reconstruct exactly: its taps approximate an '
                "infinite filter. Choose another, such as sym8."
            )

    def taps(filters: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
        low, high = (tuple(float(tap) for tap in row) for row in filters)
        return low, high

    return Filters(taps(analysis), taps(synthesis))


Taps = list[tuple[int, float]]  # (offset, tap)


@dataclass(frozen=True)
class WaveletTransform:
    """A linear transform of images (..., H, W) to a lowpass band and a list of details.

    The list begins with the finest level. A level has three bands: highpass along the width, along
    the height, and along both. Where only one axis has that many levels, it has one band, highpass
    along this axis.

    Args:
        filters: the wavelet's taps.
        levels: number of scales along the height and along the width, at least 0.
        undecimated: whether every shift is kept, scaled so that orthogonal filters give a Parseval
            frame. Otherwise each level halves the width and the height of its bands.
    """

    filters: Filters
    levels: tuple[int, int]
    undecimated: bool = False

    def analysis(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the coefficients of images."""
        details: list[Tensor] = []
        for level in range(max(self.levels)):
            axes = self._axes(level)
            if len(axes) == 1:
                x, high = self._split(x, level, *axes)
                details.append(high)
                continue
            low, high = self._split(x, level, -2)
            x, horizontal = self._split(low, level, -1)
            details += (horizontal, *self._split(high, level, -1))
        return x, details

    def synthesis(self, low: Tensor, details: list[Tensor]) -> Tensor:
        """Return the images of coefficients; a left inverse of `analysis`."""
        return self._merge_levels(low, details, self.filters.synthesis)

    def adjoint(self, low: Tensor, details: list[Tensor]) -> Tensor:
        """Apply the adjoint of `analysis`; with orthogonal filters it is `synthesis`."""
        return self._merge_levels(low, details, self.filters.analysis)

    def norm(self) -> float:
        """Return an upper bound on the spectral norm of `analysis`."""
        return 1.0 if self.filters.orthogonal else _norm(self)

    def noise_gains(self) -> list[float]:
        """Return the deviation of unit white noise in each undecimated band, with orthogonal filters."""
        gains: list[float] = []
        for level in range(1, max(self.levels) + 1):
            # Each axis and level averages over twice as many samples.
            halvings = sum(min(level, most) for most in self.levels) / 2
            gains += [0.5**halvings] * (2 ** len(self._axes(level - 1)) - 1)
        return gains

    def _axes(self, level: int) -> list[int]:
        return [dim for dim, most in zip((-2, -1), self.levels, strict=True) if level < most]

    def _split(self, x: Tensor, level: int, dim: int) -> tuple[Tensor, Tensor]:
        low, high = self.filters.analysis
        if self.undecimated:
            # sqrt(1/2) per axis and level makes the redundant bands a Parseval frame.
            both = _filter(x, dim, *(_taps(taps, 2**level, 0.5**0.5) for taps in (low, high)))
            return both[0], both[1]
        # Even and odd samples are filtered apart (polyphase), so no result is computed in vain.
        pairs = x.shape[dim] // 2
        sums = [
            _filter(
                _every_other(x, dim, phase, pairs), dim, *(_phase(t, phase) for t in (low, high))
            )
            for phase in (0, 1)
        ]
        rest = x.narrow(dim, 2 * pairs, x.shape[dim] % 2)
        return torch.cat((sums[0][0] + sums[1][0], rest), dim), sums[0][1] + sums[1][1]

    def _merge(
        self,
        low: Tensor,
        high: Tensor,
        filters: tuple[tuple[float, ...], ...],
        level: int,
        dim: int,
    ) -> Tensor:
        if self.undecimated:
            taps = [_mirrored(_taps(t, 2**level, 0.5**0.5)) for t in filters]
            return _filter(low, dim, taps[0])[0] + _filter(high, dim, taps[1])[0]
        pairs = high.shape[dim]
        rest = low.narrow(dim, pairs, low.shape[dim] - pairs)
        phases = [[_mirrored(_phase(taps, phase)) for phase in (0, 1)] for taps in filters]
        from_low = _filter(low.narrow(dim, 0, pairs), dim, *phases[0])
        from_high = _filter(high, dim, *phases[1])
        axis = low.dim() + dim
        both = torch.stack(
            [a + b for a, b in zip(from_low, from_high, strict=True)], axis + 1
        ).flatten(axis, axis + 1)
        return torch.cat((both, rest), dim)

    def _merge_levels(
        self, low: Tensor, details: list[Tensor], filters: tuple[tuple[float, ...], ...]
    ) -> Tensor:
        rest = list(details)
        for level in reversed(range(max(self.levels))):
            axes = self._axes(level)
            if len(axes) == 1:
                low = self._merge(low, rest.pop(), filters, level, *axes)
                continue
            diagonal, vertical, horizontal = rest.pop(), rest.pop(), rest.pop()
            low = self._merge(
                self._merge(low, horizontal, filters, level, -1),
                self._merge(vertical, diagonal, filters, level, -1),
                filters,
                level,
                -2,
            )
        return low


def fitting_levels(
    filters: Filters, height: int, width: int, levels: int | None
) -> tuple[int, int]:
    """Return the numbers of levels along the height and along the width of an image.

    Each is at most the number of halvings of that side down to one sample. So an image of one row
    or one column is transformed along its length.

    Args:
        filters: the wavelet's taps.
        height: of the image, in pixels.
        width: of the image, in pixels.
        levels: the number that the user asks for. None means 4, or fewer where the filter, widened
            to the scale of the level, does not fit.
    """

    def along(side: int) -> int:
        if levels is not None:
            return min(levels, (side - 1).bit_length())
        return max(min(4, (side // filters.length).bit_length()), min(1, side - 1))

    return along(height), along(width)


def _taps(taps: tuple[float, ...], dilation: int = 1, scale: float = 1.0) -> Taps:
    first = 1 - len(taps) // 2  # PyWavelets' alignment in its mode "periodization"
    return [(dilation * (first + i), scale * tap) for i, tap in enumerate(taps) if tap != 0.0]


def _phase(taps: tuple[float, ...], phase: int) -> Taps:
    """Return the taps on even (0) or odd (1) samples, with offsets counted in pairs of samples."""
    return [(offset // 2, tap) for offset, tap in _taps(taps) if offset % 2 == phase]


def _mirrored(taps: Taps) -> Taps:
    # Correlation with mirrored taps is the adjoint of correlation.
    return [(-offset, tap) for offset, tap in taps]


def _every_other(x: Tensor, dim: int, phase: int, pairs: int) -> Tensor:
    both: Tensor = x.narrow(dim, 0, 2 * pairs).unflatten(dim, (pairs, 2))
    return both.select(x.dim() + dim + 1, phase)


def _filter(x: Tensor, dim: int, *filters: Taps) -> list[Tensor]:
    """Correlate x, periodic along `dim`, with filters: the sums of tap * x[k + offset]."""
    n = x.shape[dim]
    offsets = [offset for taps in filters for offset, _ in taps]
    first, last = min(offsets, default=0), max(offsets, default=0)
    # One wrapped copy serves all filters; each tap is then a plain slice of it.
    wrapped = x.index_select(dim, torch.arange(first, n + last, device=x.device) % n)
    results = []
    # Sums of shifted slices keep x's dtype and device, and autograd passes through them.
    for taps in filters:
        result = torch.zeros_like(x)
        for offset, tap in taps:
            result = result.add_(wrapped.narrow(dim, offset - first, n), alpha=tap)
        results.append(result)
    return results


def soft_threshold(band: Tensor, threshold: float | Tensor) -> Tensor:
    """Reduce the magnitudes of coefficients by a positive threshold, down to 0; a tensor of thresholds broadcasts."""
    if band.is_complex():
        sizes = band.abs().clamp_min(torch.finfo(band.dtype).tiny)
        return band * (1.0 - threshold / sizes).clamp_min(0.0)
    if isinstance(threshold, Tensor):  # which softshrink does not take
        return band - torch.minimum(torch.maximum(band, -threshold), threshold)
    return torch.nn.functional.softshrink(band, threshold)


@cache
def _norm(transform: WaveletTransform) -> float:
    """Measure the norm on an image of one size, on which it hardly depends."""

    def normal(x: Tensor) -> Tensor:
        return transform.adjoint(*transform.analysis(x))

    height, width = (max(32, min(256, 4 * 2**n)) if n else 1 for n in transform.levels)
    return spectral_norm(normal, torch.zeros(1, 1, height, width))
