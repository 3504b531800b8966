"""Photon noise."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from invprior.fidelities.base import ProximableFidelity

FLOOR = 0.01  # in counts: small against one photon, large enough for float32


class Poisson(ProximableFidelity):
    """Kullback-Leibler divergence, peak * sum(q - y - y log(q / y)), q = Ax + background: counts.

    y and Ax are counts over `peak`; negative values of y count as 0. Predictions stray out of the
    domain q > 0 while a solver runs, so below e = 0.01 / peak the likelihood f(q) = q - y log q
    goes on as the parabola of the same value and slope at e, and of curvature max(y / e^2, 1 / e).
    E is then convex with a gradient everywhere, 0 at q = y and positive elsewhere; above e it is
    the divergence, less at most 0.005 for each measurement with y < e. The curvature has no bound
    that holds for every y.

    Args:
        peak: expected count at intensity 1. It cannot be told from a noise level, since the noise
            grows with the intensity; so give it when it is known.
        background: dark counts over peak, added to Ax, in intensities of [0, 1].
    """

    def __init__(
        self, *, peak: Annotated[float, Gt(0)] = 255.0, background: Annotated[float, Ge(0)] = 0.0
    ) -> None:
        super().__init__()
        self.peak = peak
        self.background = background
        self._floor = FLOOR / peak

    def value(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Compute E of each picture, (B,)."""
        y = y.clamp_min(0)
        q = prediction + self.background
        return self.peak * (self._likelihood(q, y) - self._likelihood(y, y)).flatten(1).sum(1)

    def gradient(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Gradient, peak (1 - y / q), and a straight line below the floor."""
        y = y.clamp_min(0)
        q = prediction + self.background
        inside = q.clamp_min(self._floor)
        return self.peak * (1 - y / inside + self._bend(y) * (q - inside))

    def prox(self, v: Tensor, y: Tensor, tau: float) -> Tensor:
        """Closed form: the positive root of q^2 - (v + background - t) q - t y = 0, t = tau peak.

        Where that falls below the floor, the equation is linear.
        """
        y = y.clamp_min(0)
        t = tau * self.peak
        shifted = v + self.background
        s = shifted - t
        root = (s * s + 4 * t * y).sqrt()
        # For s < 0 the textbook formula (s + root) / 2 cancels; this is the same number.
        q = torch.where(
            s > 0, (s + root) / 2, 2 * t * y / (root - s).clamp_min(torch.finfo(v.dtype).tiny)
        )
        bend = t * self._bend(y)
        below = (shifted - t * (1 - y / self._floor) + bend * self._floor) / (1 + bend)
        return torch.where(q >= self._floor, q, below) - self.background

    def _likelihood(self, q: Tensor, y: Tensor) -> Tensor:
        inside = q.clamp_min(self._floor)
        below = q - inside  # 0 inside the domain
        slope = 1 - y / self._floor
        return inside - y * inside.log() + below * (slope + 0.5 * self._bend(y) * below)

    def _bend(self, y: Tensor) -> Tensor:
        """The parabola's curvature; its lower limit puts the minimum at q = y for small y too."""
        return y.clamp_min(self._floor) / self._floor**2
