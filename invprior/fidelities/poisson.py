"""Photon noise."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from invprior.errors import OptionError
from invprior.fidelities.base import ProximableFidelity
from invprior.noise_estimation.base import NoiseEstimate
from invprior.noise_estimation.poisson import estimate_poisson

FLOOR = 0.01  # in counts: small against one photon, large enough for float32
SHARE = 0.05  # of y: a count 20 times below what was measured is out of the question


class Poisson(ProximableFidelity):
    """Kullback-Leibler divergence, peak * sum(q - y - y log(q / y)), q = Ax + background: counts.

    y and Ax are counts over `peak`; negative values of y count as 0. Predictions leave the domain
    q > 0 while a solver runs, and there the logarithm would end the run, or its steep gradient
    spoil Adam's averages. So below e = max(0.01 / peak, y / 20) the likelihood f(q) = q - y log q
    goes on as the parabola of the same value and slope, of curvature max(y, e) / e^2, and where
    the slope has fallen by 2, as a straight line. E is then convex, 0 at q = y, positive elsewhere,
    and finite with its gradient everywhere; above e it is the divergence, less at most 0.005 for
    each measurement with y < 0.01 / peak. Its curvature, though bounded, is far too large for a
    fixed step and is reported as infinite.

    Args:
        peak: expected count at intensity 1; estimated from y when absent.
        background: dark counts over peak, added to Ax, in intensities of [0, 1].
    """

    def __init__(
        self,
        *,
        peak: Annotated[float, Gt(0)] | None = None,
        background: Annotated[float, Ge(0)] = 0.0,
    ) -> None:
        super().__init__()
        self.peak = peak
        self.background = background

    def value(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Compute E of each image, (B,)."""
        y = y.clamp_min(0)
        q = prediction + self.background
        return self._peak() * (self._likelihood(q, y) - self._likelihood(y, y)).flatten(1).sum(1)

    def gradient(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Gradient, peak (1 - y / q), and what continues it below e."""
        y = y.clamp_min(0)
        q = prediction + self.background
        edge, bend = self._edge(y)
        inside = torch.maximum(q, edge)
        return self._peak() * (1 - y / inside + (bend * (q - inside)).clamp_min(-2))

    def prox(self, v: Tensor, y: Tensor, tau: float) -> Tensor:
        """Closed form: the positive root of q^2 - (v + background - t) q - t y = 0, t = tau peak.

        Where that falls below e, the solution on the parabola, or else on the line.
        """
        y = y.clamp_min(0)
        t = tau * self._peak()
        shifted = v + self.background
        edge, bend = self._edge(y)
        s = shifted - t
        root = (s * s + 4 * t * y).sqrt()
        # For s < 0 the textbook formula (s + root) / 2 cancels; this is the same number.
        cancelling = 2 * t * y / (root - s).clamp_min(torch.finfo(v.dtype).tiny)
        q = torch.where(s > 0, (s + root) / 2, cancelling)
        slope = 1 - y / edge
        parabola = edge + (shifted - edge - t * slope) / (1 + t * bend)
        line = shifted - t * (slope - 2)
        below = torch.where(bend * (parabola - edge) >= -2, parabola, line)
        return torch.where(q >= edge, q, below) - self.background

    def with_noise_level(self, sigma: float) -> Poisson:
        """Set an open peak to that at which intensity 1/2 has this deviation."""
        return self if self.peak is not None else self._with_peak(0.5 / sigma**2)

    def estimate_noise(self, y: Tensor, observation_mask: Tensor | None) -> NoiseEstimate:
        """Estimate the peak; where it is known, its noise follows from the mean of y."""
        if self.peak is None:
            return estimate_poisson(y, observation_mask)
        counts = y if observation_mask is None else y[observation_mask.expand(y.shape)]
        mean = max(float(counts.clamp_min(0).mean()), 1 / (self.peak * counts.numel()))
        sigma = math.sqrt(mean / self.peak)
        return NoiseEstimate(
            sigma=sigma, channels=(sigma,), uncertainty=0.0, method="the peak and the mean of y"
        )

    def with_noise(self, estimate: NoiseEstimate) -> Poisson:
        """Set the peak when it is open."""
        if self.peak is not None:
            return self
        return (
            self.with_noise_level(estimate.sigma)
            if estimate.peak is None
            else self._with_peak(estimate.peak)
        )

    def _with_peak(self, peak: float) -> Poisson:
        return Poisson(peak=peak, background=self.background)

    def _peak(self) -> float:
        if self.peak is None:
            raise OptionError(
                "poisson has no peak yet: give one, or let a Problem estimate it from y."
            )
        return self.peak

    def _likelihood(self, q: Tensor, y: Tensor) -> Tensor:
        edge, bend = self._edge(y)
        inside = torch.maximum(q, edge)
        below = q - inside  # 0 inside the domain
        fall = (bend * below).clamp_min(-2)
        return inside - y * inside.log() + below * (1 - y / edge + fall) - 0.5 * fall**2 / bend

    def _edge(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Where the divergence ends, e, and the curvature there.

        The curvature's lower limit, 1 / e, puts the minimum at q = y for y < e too.
        """
        edge = (SHARE * y).clamp_min(FLOOR / self._peak())
        return edge, torch.maximum(y, edge) / edge**2
