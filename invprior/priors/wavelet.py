"""The sparsity of wavelet coefficients as a prior."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from annotated_types import Ge
from torch import Tensor

from invprior.errors import IncompatibleError, OptionError
from invprior.numerics.linalg import dot
from invprior.numerics.opponent import from_opponent, to_opponent
from invprior.numerics.wavelets import (
    WaveletTransform,
    fitting_levels,
    load_filters,
    soft_threshold,
)
from invprior.problem.functionals import Penalty, Proximable


class Wavelet(Penalty, Proximable):
    """R(x) = ||details of W x||_1: natural images have few large wavelet coefficients.

    The lowpass band is not penalised. Colour images are taken in luma and chroma axes. Complex images
    have complex coefficients, whose moduli count. With an orthogonal wavelet the prox is exact in one
    pass, by thresholding. With a biorthogonal wavelet or translation invariance the l1 prox has no
    closed form. Its dual is then iterated until the energy is within 1e-4 of the minimum, relatively.

    Args:
        wavelet: name of an orthogonal or biorthogonal wavelet of PyWavelets, such as haar, db4, sym8
            or bior4.4.
        levels: number of scales along each axis, at most as many as it can be halved; when absent,
            4 or as many as fit the image.
        kind: l1 sums magnitudes. l0 counts coefficients that are not zero. It keeps edges sharper,
            has no gradient, and needs an orthogonal wavelet without translation invariance.
        translation_invariant: whether R is averaged over all shifts of the image. The images are
            better and without blocks, and the prox takes hundreds of times longer.

    Source: Donoho and Johnstone 1994, "Ideal spatial adaptation by wavelet shrinkage". The average
    over shifts is from Coifman and Donoho 1995, "Translation-invariant de-noising".
    """

    takes_complex = True
    default_weight: float = 15.0
    offset_invariant = True
    degree = 1.0

    def __init__(
        self,
        *,
        wavelet: str = "db4",
        levels: Annotated[int, Ge(1)] | None = None,
        kind: Literal["l1", "l0"] = "l1",
        translation_invariant: bool = False,
    ) -> None:
        super().__init__()
        self.wavelet = wavelet
        self.levels = levels
        self.kind = kind
        self.translation_invariant = translation_invariant
        # A count has another scale: this weight puts the hard threshold at three noise levels.
        if kind == "l0":
            self.default_weight = 4.5
            self.degree = 0.0
            self.convex = False
        self._filters = load_filters(wavelet)
        self._basis = self._filters.orthogonal and not translation_invariant
        if kind == "l0" and not self._basis:
            raise OptionError(
                "The kind of wavelet must be l1 unless the wavelet is orthogonal and not "
                "translation-invariant, because l0 has no exact prox otherwise; "
                f"got l0 with {wavelet}, "
                f"translation_invariant={str(translation_invariant).lower()}. "
                "Use kind=l1, or wavelet=sym8 with translation_invariant=false."
            )

    def value(self, x: Tensor) -> Tensor:
        """Return R of each image, (B,).

        Raises:
            IncompatibleError: x requires a gradient and `kind` is l0.
        """
        if self.kind == "l0" and x.requires_grad:
            raise IncompatibleError(
                "wavelet with kind=l0 counts coefficients and has no gradient. Use a solver that "
                "uses its prox (fista, admm, hqs or pdhg), or kind=l1."
            )
        transform = self._transform(x)
        _, details = transform.analysis(to_opponent(x))
        # Coefficients that the prox has set to 0 return from the pixels as rounding errors.
        zero = 256 * torch.finfo(x.dtype).eps
        sizes = [band.abs() for band in details]
        if self.kind == "l0":
            sizes = [(size > zero).to(size) for size in sizes]
        bands = zip(self._thresholds(transform, 1.0), sizes, strict=True)
        return sum(
            (scale * size.flatten(1).sum(1) for scale, size in bands),
            0.0 * x.real.flatten(1).sum(1),
        )

    def prox(self, v: Tensor, tau: float) -> Tensor:
        """Apply soft (l1) or hard (l0) thresholds in a basis; otherwise solve the dual problem."""
        transform, v = self._transform(v), to_opponent(v)
        if not self._basis:
            return from_opponent(_analysis_prox(transform, v, self._thresholds(transform, tau)))
        low, details = transform.analysis(v)
        if self.kind == "l1":
            details = [soft_threshold(band, tau) for band in details]
        else:
            # Keeping a coefficient c costs tau, and setting it to 0 costs c^2 / 2.
            least = (2.0 * tau) ** 0.5
            details = [torch.where(band.abs() <= least, 0.0, band) for band in details]
        return from_opponent(transform.synthesis(low, details))

    def degrees_of_freedom(self, v: Tensor, tau: float) -> float | None:
        """Return the number of coefficients that remain, in a basis with l1; else None.

        Of a complex one, the derivative is 1 along the coefficient and 1 - tau / |c| across it.
        """
        if not self._basis or self.kind != "l1":
            return None
        low, details = self._transform(v).analysis(to_opponent(v))
        sizes = [band.abs() for band in details]
        if v.is_complex():
            kept = sum(float((2 - tau / size[size > tau].double()).sum()) for size in sizes)
            return 2 * low.numel() + kept
        return float(low.numel() + sum(int((size > tau).sum()) for size in sizes))

    def _transform(self, x: Tensor) -> WaveletTransform:
        levels = fitting_levels(self._filters, x.shape[-2], x.shape[-1], self.levels)
        return WaveletTransform(self._filters, levels, self.translation_invariant)

    def _thresholds(self, transform: WaveletTransform, tau: float) -> list[float]:
        """Return the weight of each band."""
        # Level j of the frame gathers 4^j bases, and its atoms are 2^j times as large.
        return [
            tau * (gain if self.translation_invariant else 1.0) for gain in transform.noise_gains()
        ]


def _limited(band: Tensor, most: float) -> Tensor:
    """Limit magnitudes to a positive number, in place for real ones."""
    if not band.is_complex():
        return band.clamp_(-most, most)
    return band * (most / band.abs()).clamp_max(1.0)


# Times eps and the largest intensity: more than the sums of four levels' filters leave of a detail that is 0.
_ROUNDING = 32.0


def _analysis_prox(
    transform: WaveletTransform,
    v: Tensor,
    thresholds: list[float],
    *,
    tolerance: float = 1e-4,
    steps: int = 5000,
) -> Tensor:
    """Minimise sum_b thresholds_b ||W_b x||_1 + 1/2 ||x - v||^2 by accelerated dual ascent.

    The result is x = v - W^T p, where no entry of a dual band p_b exceeds its threshold. With a
    Parseval frame, the first step is the mean of thresholding over all shifts (cycle spinning).

    Args:
        transform: W.
        v: images, (B, C, H, W).
        thresholds: one per band.
        tolerance: an image is ready when its duality gap is at most this fraction of its energy. Details that are
            rounding errors count as 0, so an image without details is ready at once.
        steps: largest number of steps.

    Raises:
        OptionError: the gap of an image is larger after all steps.

    Source: Beck and Teboulle 2009, "Fast gradient-based algorithms for constrained total variation
    image denoising", with the wavelet transform instead of the gradient.
    """
    # No detail depends on the mean, and rounding errors are smaller without it.
    mean = v.mean((-2, -1), keepdim=True)
    v = v - mean
    low, details = transform.analysis(v)
    if not details:  # a single pixel, which has no details to penalise
        return v + mean
    # Large thresholds would turn the rounding errors of details that are 0 into a gap that never closes.
    rounding = _ROUNDING * torch.finfo(v.dtype).eps * v.abs().amax((1, 2, 3), keepdim=True)
    step = transform.norm() ** -2
    nothing = torch.zeros_like(low)
    dual = [torch.zeros_like(band) for band in details]
    ahead, momentum = dual, 1.0
    ready = torch.zeros(len(v), dtype=torch.bool, device=v.device)
    result = v
    for iteration in range(1, steps + 1):
        previous = dual
        dual = [
            _limited(point + step * band, threshold)
            for point, band, threshold in zip(ahead, details, thresholds, strict=True)
        ]
        faster = 0.5 * (1.0 + (1.0 + 4.0 * momentum**2) ** 0.5)
        pull, momentum = (momentum - 1.0) / faster, faster
        ahead = [torch.lerp(old, new, 1.0 + pull) for old, new in zip(previous, dual, strict=True)]
        if iteration % 5 == 0:  # a check costs as much as a step
            x = v - transform.adjoint(nothing, dual)
            _, details = transform.analysis(x)
            energy, gap = 0.5 * dot(x - v, x - v), torch.zeros_like(dual[0].real.flatten(1).sum(1))
            for threshold, point, found in zip(thresholds, dual, details, strict=True):
                band = torch.where(found.abs() > rounding, found, 0.0)
                penalty = threshold * band.abs().flatten(1).sum(1)
                energy, gap = energy + penalty, gap + penalty - dot(point, band)
            # An image keeps the estimate with which it became ready. So its result does not depend
            # on the other images of the batch.
            result = torch.where(ready.view(-1, 1, 1, 1), result, x)
            ready = ready | ~(gap > tolerance * energy)  # negated, so that NaN ends the loop
            if bool(ready.all()):
                return result + mean
        _, details = transform.analysis(v - transform.adjoint(nothing, ahead))
    raise OptionError(
        f"The prox of wavelet did not close its duality gap in {steps} steps. Use an orthogonal wavelet "
        "with translation_invariant=false, whose prox is exact, or a smaller weight."
    )
