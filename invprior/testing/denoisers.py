"""Checks of denoisers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from invprior.denoisers.base import Denoiser
from invprior.testing.method_calls import MethodCall
from invprior.testing.proxes import firmness, stretch_note
from invprior.testing.report import Check, Fault, checks_for
from invprior.testing.sample_tensors import ODD_SIZES, SIZE, extremes, images, noise
from invprior.testing.tensor_methods import require_finite, tensor_method_checks

_LEFT = 0.9  # most of the error that may be left at a strong level
_SIGMA = 0.1  # where a check does not depend on the level


def _calls(denoiser: Denoiser) -> Sequence[MethodCall]:
    return [MethodCall("denoise", denoiser, lambda d, x: d.denoise(x, _SIGMA), (images(),), SIZE)]


def any_size(denoiser: Denoiser) -> None:
    """Images of any size and any number of channels are accepted, single pixels included."""
    for shape in ODD_SIZES:
        found = denoiser.denoise(images(*shape), _SIGMA)
        if found.shape != shape:
            raise Fault(f"denoise of {shape} returns {tuple(found.shape)}")


def finite(denoiser: Denoiser) -> None:
    """The result is finite on flat and black images and outside [0, 1]."""
    require_finite(_calls(denoiser), extremes())


def noise_removed(denoiser: Denoiser) -> str:
    """A noisy image comes nearer to the clean one, at the noise level that is passed."""
    text = ""
    # A weak and a strong level: a denoiser that ignores sigma fails at one of them.
    for sigma, most in ((0.02, 1.0), (0.1, _LEFT)):
        share = _share_left(denoiser, sigma, sigma)
        if not share < most:
            raise Fault(
                f"it leaves {share:.3g} times the error of a noisy image, sigma {sigma:g}"
                f"{_unit_note(denoiser)}"
            )
        text = f"it leaves {share:.2g} of the error at sigma {sigma:g}"
    return text


def _share_left(denoiser: Denoiser, sigma: float, told: float) -> float:
    """Return the share of the error that is left of noise of level sigma, when another level is told."""
    clean = _square()
    noisy = clean + sigma * noise(*clean.shape)
    found = denoiser.denoise(noisy, told)
    return float((found - clean).norm() / (noisy - clean).norm())


def _square() -> Tensor:
    clean = torch.full((1, 1, 32, 32), 0.3, dtype=torch.float64)
    clean[..., 8:24, 12:] = 0.7
    return clean


def _unit_note(denoiser: Denoiser) -> str:
    """Say in which unit the denoiser seems to take sigma, if another unit serves it better."""
    given = _share_left(denoiser, _SIGMA, _SIGMA)
    shares = {
        note: _share_left(denoiser, _SIGMA, told)
        for note, told in (
            ("with the root of sigma it leaves {:.2g}: it takes the variance", _SIGMA**0.5),
            ("with sigma times 255 it leaves {:.2g}: it takes sigma in 0..255", 255 * _SIGMA),
            ("with sigma / 255 it leaves {:.2g}: it multiplies sigma by 255", _SIGMA / 255),
        )
    }
    # The first that serves: a level far above the noise's own may only average all there is.
    for note, share in shares.items():
        if share < 0.8 * given:
            return f"; {note.format(share)}"
    return ""


def complex_images(denoiser: Denoiser) -> str:
    """Noise of one level in both parts of complex images is removed from both, in the precision of the image."""
    clean = _square() * (0.8 + 0.6j)
    noisy = clean + _SIGMA * torch.complex(noise(*clean.shape), noise(*clean.shape, seed=2))
    for dtype in (torch.complex64, torch.complex128):
        found = denoiser.denoise(noisy.to(dtype), _SIGMA)
        if found.shape != clean.shape or found.dtype != dtype:
            name = str(found.dtype).removeprefix("torch.")
            raise Fault(f"for complex images it returns {name} of the shape {tuple(found.shape)}")
    shares = [
        float((a - b).norm() / (a - c).norm())
        for a, b, c in ((clean.real, found.real, noisy.real), (clean.imag, found.imag, noisy.imag))
    ]
    if not max(shares) < _LEFT:
        raise Fault(
            f"it leaves {shares[0]:.3g} times the error of the real part of complex images, and {shares[1]:.3g} times "
            "that of the imaginary part; set takes_complex = True only if it handles both"
        )
    return f"it leaves {max(shares):.2g} of the error in the parts of complex images"


def clean_untouched(denoiser: Denoiser) -> None:
    """As sigma goes to 0 the image stays as it is; else a run without noise would still change it."""
    x, sigma = images(), 1e-4
    change = float((denoiser.denoise(x, sigma) - x).abs().max())
    if not change <= 10 * sigma + 1e-3:
        raise Fault(
            f"with almost no noise (sigma {sigma:g}) it changes pixels by up to {change:.2g}"
        )


def flat_kept(denoiser: Denoiser) -> None:
    """Flat images keep their brightness, also outside [0, 1], where noise takes black and white."""
    for level in (0.3, 1.3, -0.3):
        flat = torch.full(SIZE, level, dtype=torch.float64)
        shift = float((denoiser.denoise(flat, _SIGMA) - flat).abs().max())
        if not shift <= 1e-2:
            raise Fault(f"it changes a flat image of {level:g} by up to {shift:.2g}")


def lipschitz(denoiser: Denoiser) -> str:
    """The largest stretch of distances is reported; above 1, pnp has no guarantee to converge."""
    # A prox with parameter tau denoises at the variance tau, hence the square root.
    _, stretch, _ = firmness(lambda x, tau: denoiser.denoise(x, tau**0.5), images())
    return stretch_note(stretch)


def denoiser_checks() -> tuple[Check, ...]:
    """Return the checks of every denoiser."""
    own = (any_size, finite, noise_removed, complex_images, clean_untouched, flat_kept, lipschitz)
    return (*tensor_method_checks(Denoiser, _calls), *checks_for(Denoiser, *own))
