"""A measurement as the input of a network, with fresh noise that the fit takes away again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn import functional as F

from invprior.noise_estimation.clipping import kept_share, limits
from invprior.numerics.linalg import conjugate_gradients
from invprior.numerics.random import derived_generator
from invprior.operators.base import LinearOperator
from invprior.priors._generated import margins, middle

_KEPT = 0.5  # of a constant image
# Of the pixels, which may keep less: the inverse of a blur without symmetry is wild in a few at the corners.
_LOST = 0.01
# Of the residual of an inverse that iterates; the noise that it shows is larger.
_TOLERANCE = 1e-3
# Realisations of the noise that are inverted once, where the inverse iterates.
_DRAWN = 16
# Pixels: the standard deviation of the filter that estimates the mean of clipped noise.
_COARSE = 2.0
# Of sigma: the least noise on the input, where nearly all of it was clipped.
_LEAST = 0.1
# Of sigma: the noise of a measurement that was not clipped.
_WHOLE = 0.97


@dataclass(frozen=True, eq=False)
class Recorruption:
    """Splits y into y + n, which the network sees as an image, and y - factor n, which it is fitted to.

    With n of standard deviation `noise` and factor = (sigma / noise)^2, the noises of the two are independent. So the
    network cannot pass the noise on (Pang et al., "Recorrupted-to-Recorrupted", CVPR 2021). Where y was clipped, less
    noise is left, so n has less too. With more, the network learned to subtract the noise of y twice.

    Attributes:
        operator: A.
        noise: standard deviation of n where y was not clipped, in units of y.
        factor: (sigma / noise)^2, with sigma that of the noise in y.
        damping: d of the inverse B = (1 + d) (A^H A + d I)^-1 A^H, which takes measurements to images. B is the
            identity if A is.
        y: the measurement, (1, *measurement_shape).
        held_out: the measurements that each of K networks does not fit, boolean, (K, *measurement_shape); None for
            none, and if A is not the identity. n is the same at every call there.
    """

    operator: LinearOperator
    noise: float
    factor: float
    damping: float
    y: Tensor
    held_out: Tensor | None = None

    def image_of(self, y: Tensor) -> Tensor:
        """Return B y: (1, *measurement_shape) to (1, C, H, W)."""
        if self.operator.is_identity:
            return y
        operator, damping = self.operator, self.damping
        # Exact, where `back_project` need not be: an approximate one is wild at the borders.
        right = (1.0 + damping) * operator.adjoint(y)
        if operator.direct:
            return operator.solve_damped(right, damping)
        return conjugate_gradients(
            lambda x: operator.normal(x) + damping * x, right, tolerance=_TOLERANCE
        )

    @cached_property
    def _left(self) -> Tensor | None:
        """The part of the noise that clipping has left, as a standard deviation over sigma; None without clipping."""
        bounds = limits(self.y)
        if self.y.dim() != 4 or bounds == (-math.inf, math.inf):
            return None
        # The share changes slowly with the mean, so a coarse mean serves.
        mean = gaussian_filter(self.y.detach().cpu().double().numpy(), _COARSE, axes=(-2, -1))
        sigma = self.noise * math.sqrt(self.factor)
        share = kept_share(torch.from_numpy(mean).flatten(), sigma, bounds)
        return share.sqrt().clamp_min(_LEAST).view(self.y.shape).to(self.y)

    @cached_property
    def kept(self) -> Tensor | None:
        """The n that stays the same, (K, *measurement_shape), and 0 where it is fresh; None if all of it is."""
        if self.held_out is None:
            return None
        n = torch.randn(self.held_out.shape, generator=_fixed("kept")).to(self.y)
        # The noises of both are independent only where y was not clipped.
        where = self.held_out if self._left is None else self.held_out & (self._left > _WHOLE)
        return self.noise * n * where

    @torch.no_grad()
    def shows_all(self) -> bool:
        """Return whether B A keeps nearly all of a constant image, so that B y has neither holes nor dark margins.

        A network that sees holes learns to leave them. It lost 0.7 to 1 dB where half of the pixels were missing, and
        1.1 dB under a blur without its margins.
        """
        ones = self.y.new_ones(1, *self.operator.image_shape)
        lost = self.image_of(self.operator(ones)) < _KEPT
        return float(lost.float().mean()) < _LOST

    @torch.no_grad()
    def amplification(self) -> float:
        """Return how much larger noise is in B y than in y."""
        noise = torch.randn(self.y.shape, generator=_fixed("amplification")).to(self.y)
        # The median, as the inverse may be wild at the corners.
        return float(self.image_of(noise).abs().median() / noise.abs().median())

    @cached_property
    def _drawn(self) -> tuple[Tensor, Tensor]:
        """Noise of standard deviation `noise`, (K, *measurement_shape), and its images, (K, C, H, W)."""
        shape = (_DRAWN, *self.operator.measurement_shape)
        noise = torch.randn(shape, generator=_fixed("drawn"))  # the run's own generator mixes them
        noise = self.noise * noise.to(self.y)
        if self._left is not None:
            noise *= self._left
        return noise, self.image_of(noise)

    @torch.no_grad()
    def draw(
        self, member: int, scratch: Tensor, size: tuple[int, int], generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return noise for a network's input, B n in its middle, and the offset factor n of the predictions.

        Args:
            member: which of the networks this is.
            scratch: memory of the input's size, (h, w, C), on its device; it may be overwritten and returned.
            size: height and width of the image.
            generator: the source of n, on the device.
        """
        if self.operator.is_identity:
            # Noise in the margins, too. A copy, as the caller adds z to the noise in place.
            noise = scratch.normal_(0, self.noise, generator=generator).movedim(-1, 0)[None]
            if self._left is not None:
                noise *= F.pad(self._left, margins(size, scratch.shape[:2]), mode="replicate")
            n = middle(noise, size)
            if self.kept is not None:
                kept = self.kept[member : member + 1]
                n.copy_(torch.where(kept == 0, n, kept))
            return noise, (n * self.factor).contiguous()
        if self.operator.direct:
            n = scratch.new_empty(1, *self.operator.measurement_shape)
            n.normal_(0, self.noise, generator=generator)
            if self._left is not None:
                n *= self._left
            image = self.image_of(n)
        else:
            # A unit vector of weights gives noise of the same distribution, without an inverse at every step.
            weights = torch.randn(1, _DRAWN, generator=generator, device=scratch.device)
            weights = (weights / weights.norm()).to(scratch)
            n, image = ((weights @ d.flatten(1)).view(1, *d.shape[1:]) for d in self._drawn)
        return F.pad(image, margins(size, scratch.shape[:2])), self.factor * n


def _fixed(purpose: str) -> torch.Generator:
    """Return a generator with the same seed at every run, so that a resumed one finds the same noise."""
    # A stream of its own: the measurement's noise may have been drawn from any plain seed.
    return derived_generator(0, "recorruption", purpose)
