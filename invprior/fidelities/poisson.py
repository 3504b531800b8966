"""The data fidelity of photon noise."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from invprior.errors import OptionError
from invprior.fidelities.base import ProximableFidelity, given
from invprior.noise_estimation.base import NoiseEstimate
from invprior.noise_estimation.poisson import estimate_poisson

FLOOR = 0.01  # in counts: small against one photon, large enough for float32
SHARE = 0.05  # of y; no solution predicts 20 times fewer counts than were measured


def one_of(peak: float | None, gain: float | None) -> None:
    """Refuse two values for the same parameter.

    Raises:
        OptionError: both are given.
    """
    if peak is not None and gain is not None:
        raise OptionError(
            "The options peak and gain of poisson must not both be given, since the gain is 1 / peak; "
            f"got peak={peak:g} and gain={gain:g}. Leave one of them out."
        )


class Poisson(ProximableFidelity):
    """Kullback-Leibler divergence, peak * sum(q - y - y log(q / y)) with q = Ax + background: counts.

    y and Ax are counts over `peak`, in any units. Negative values of y count as 0. A camera adds an `offset` to all it
    measures, and an image keeps it; it is taken off y and Ax before they are compared.

    While a solver runs, predictions leave the domain q > 0. There the logarithm would end the run,
    or its steep gradient would spoil Adam's averages. Below e = max(0.01 / peak, y / 20) the
    likelihood f(q) = q - y log q is therefore continued. First comes the parabola of the same value
    and slope, with the second derivative max(y, e) / e^2. Where the slope has fallen by 2, a
    straight line follows.

    E is then convex, 0 at q = y, positive elsewhere, and finite everywhere with its gradient. Above
    e it is the divergence, less at most 0.005 for each measurement with y < 0.01 / peak. The
    Lipschitz constant of its gradient is finite but far too large for a fixed step, so it is
    reported as infinite.

    Args:
        peak: expected count at intensity 1; estimated from y when absent.
        gain: units of the data per photon, which is 1 / peak; give either.
        offset: the pedestal of the camera, its value without light, in units of the data.
        background: dark counts over peak, added to Ax, in units of the data.

    Raises:
        OptionError: both peak and gain are given.
    """

    def __init__(
        self,
        *,
        peak: Annotated[float, Gt(0)] | None = None,
        gain: Annotated[float, Gt(0)] | None = None,
        offset: float = 0.0,
        background: Annotated[float, Ge(0)] = 0.0,
    ) -> None:
        super().__init__()
        one_of(peak, gain)
        self.peak, self.gain = peak, gain
        self.offset = offset
        self.background = background

    def value(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Return E of each image, (B,)."""
        y = (y - self.offset).clamp_min(0)
        q = prediction + self._shift
        return self._peak() * (self._likelihood(q, y) - self._likelihood(y, y)).flatten(1).sum(1)

    def gradient(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Return the gradient, peak (1 - y / q), continued below e."""
        y = (y - self.offset).clamp_min(0)
        q = prediction + self._shift
        edge, bend = self._edge(y)
        inside = torch.maximum(q, edge)
        return self._peak() * (1 - y / inside + (bend * (q - inside)).clamp_min(-2))

    def prox(self, v: Tensor, y: Tensor, tau: float) -> Tensor:
        """Return the positive root of q^2 - (v + background - t) q - t y = 0 with t = tau peak, for an offset of 0.

        A root below e is replaced by the solution on the parabola, or else on the line.
        """
        y = (y - self.offset).clamp_min(0)
        t = tau * self._peak()
        shifted = v + self._shift
        edge, bend = self._edge(y)
        s = shifted - t
        root = (s * s + 4 * t * y).sqrt()
        # For s < 0 the textbook formula (s + root) / 2 cancels. This is the same number.
        cancelling = 2 * t * y / (root - s).clamp_min(torch.finfo(v.dtype).tiny)
        q = torch.where(s > 0, (s + root) / 2, cancelling)
        slope = 1 - y / edge
        parabola = edge + (shifted - edge - t * slope) / (1 + t * bend)
        line = shifted - t * (slope - 2)
        below = torch.where(bend * (parabola - edge) >= -2, parabola, line)
        return torch.where(q >= edge, q, below) - self._shift

    def noise_variance(self, y: Tensor) -> Tensor:
        """Return (y - offset) / peak, as a count is its own variance on average."""
        return (y - self.offset).clamp_min(0) / self._peak()

    def with_noise_level(self, sigma: float) -> Poisson:
        """Return the fidelity with an open peak set so that intensity offset + 1/2 has this deviation."""
        return self if self._rate is not None else self._with_peak(0.5 / sigma**2)

    def estimate_noise(self, y: Tensor, observation_mask: Tensor | None) -> NoiseEstimate:
        """Estimate an open peak; with a given peak, the noise level follows from the mean of y."""
        rate = self._rate
        if rate is None:
            return estimate_poisson(y, observation_mask, self.offset)
        light = (
            y if observation_mask is None else y[observation_mask.expand(y.shape)]
        ) - self.offset
        # At least one count over all entries, so that a dark image has a positive level.
        mean = max(float(light.clamp_min(0).mean()), 1 / (rate * light.numel()))
        sigma = math.sqrt(mean / rate)
        return NoiseEstimate(
            sigma=sigma, channels=(sigma,), uncertainty=0.0, method="the peak and the mean of y"
        )

    def with_noise(self, estimate: NoiseEstimate) -> Poisson:
        """Return the fidelity with an open peak set."""
        if self._rate is not None:
            return self
        return (
            self.with_noise_level(estimate.sigma)
            if estimate.peak is None
            else self._with_peak(estimate.peak)
        )

    def _with_peak(self, peak: float) -> Poisson:
        return Poisson(peak=peak, offset=self.offset, background=self.background)

    @property
    def _rate(self) -> float | None:
        """Photons per unit of the data, or None while it is open."""
        return self.peak if self.gain is None else 1 / self.gain

    @property
    def _shift(self) -> float:
        """What turns a prediction into q."""
        return self.background - self.offset

    def _peak(self) -> float:
        return given(self._rate, "peak", "poisson")

    def _likelihood(self, q: Tensor, y: Tensor) -> Tensor:
        edge, bend = self._edge(y)
        inside = torch.maximum(q, edge)
        below = q - inside  # 0 above the edge
        fall = (bend * below).clamp_min(-2)
        return inside - y * inside.log() + below * (1 - y / edge + fall) - 0.5 * fall**2 / bend

    def _edge(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return e, below which the divergence is continued, and the parabola's second derivative.

        The second derivative is at least 1 / e, which puts the minimum at q = y also for y < e.
        """
        edge = (SHARE * y).clamp_min(FLOOR / self._peak())
        return edge, torch.maximum(y, edge) / edge**2
