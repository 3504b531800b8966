"""Photon noise."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from invprior.fidelities.base import ProximableFidelity

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

    def value(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Compute E of each picture, (B,)."""
        y = y.clamp_min(0)
        q = prediction + self.background
        return self.peak * (self._likelihood(q, y) - self._likelihood(y, y)).flatten(1).sum(1)

    def gradient(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Gradient, peak (1 - y / q), and what continues it below e."""
        y = y.clamp_min(0)
        q = prediction + self.background
        edge, bend = self._edge(y)
        inside = torch.maximum(q, edge)
        return self.peak * (1 - y / inside + (bend * (q - inside)).clamp_min(-2))

    def prox(self, v: Tensor, y: Tensor, tau: float) -> Tensor:
        """Closed form: the positive root of q^2 - (v + background - t) q - t y = 0, t = tau peak.

        Where that falls below e, the solution on the parabola, or else on the line.
        """
        y = y.clamp_min(0)
        t = tau * self.peak
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
        edge = (SHARE * y).clamp_min(FLOOR / self.peak)
        return edge, torch.maximum(y, edge) / edge**2
