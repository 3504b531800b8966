"""A fidelity in other units of intensity, in which a run works; `Fidelity.rescaled` makes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from invprior.fidelities.base import Fidelity, ProximableFidelity, QuadraticFidelity
from invprior.noise_estimation.base import NoiseEstimate
from invprior.numerics.linalg import dot
from invprior.registry.options import option_values


class Rescaled(Fidelity):
    """E'(p; y) = E(scale p; scale y), with p, y and everything it returns in units of `scale`.

    Its options, its spec and its text are those of E, so records stay in the data's own units.

    Args:
        base: E, in the data's own units; not itself rescaled.
        scale: the new unit, in the data's own units, positive.
    """

    def __init__(self, base: Fidelity, scale: float) -> None:
        super().__init__()
        self.base, self.scale = base, scale
        self.translation_invariant = base.translation_invariant

    def described(self) -> tuple[type, Mapping[str, Any]]:
        """Return the class and the options of E, from which `registry.describe` makes the spec."""
        return option_values(self.base)

    def value(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Return E' of each image, (B,)."""
        return self.base.value(self.scale * prediction, self.scale * y)

    def gradient(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Return the gradient of E' in the prediction, by the chain rule."""
        return self.scale * self.base.gradient(self.scale * prediction, self.scale * y)

    def lipschitz(self) -> float:
        """Return scale^2 times E's constant."""
        return self.scale**2 * self.base.lipschitz()

    @property
    def noise_level(self) -> float | None:
        """E's standard deviation over scale, or None while it is open."""
        level = self.base.noise_level
        return None if level is None else level / self.scale

    def with_noise_level(self, sigma: float) -> Fidelity:
        """Return the fidelity with E's open noise parameter set; sigma is in units of `scale`."""
        return self._with(self.base.with_noise_level(self.scale * sigma))

    def estimate_noise(self, y: Tensor, observation_mask: Tensor | None) -> NoiseEstimate:
        """Estimate the noise as E does; the result is in units of `scale`."""
        return self.base.estimate_noise(self.scale * y, observation_mask).rescaled(self.scale)

    def with_noise(self, estimate: NoiseEstimate) -> Fidelity:
        """Return the fidelity with E's open noise parameter set; the estimate is in units of `scale`."""
        return self._with(self.base.with_noise(estimate.rescaled(1 / self.scale)))

    def rescaled(self, scale: float) -> Fidelity:
        """Return E in units of both scales."""
        return self.base.rescaled(self.scale * scale)

    def _with(self, base: Fidelity) -> Fidelity:
        return self if base is self.base else base.rescaled(self.scale)


class RescaledProximable(Rescaled, ProximableFidelity):
    """A rescaled fidelity with a proximal map."""

    base: ProximableFidelity

    def prox(self, v: Tensor, y: Tensor, tau: float) -> Tensor:
        """Return E's prox at scale v with scale^2 tau, over scale."""
        s = self.scale
        return self.base.prox(s * v, s * y, s**2 * tau) / s


class RescaledQuadratic(RescaledProximable, QuadraticFidelity):
    """A rescaled quadratic fidelity: another precision says all."""

    base: QuadraticFidelity

    @property
    def precision(self) -> float:
        """scale^2 times E's precision."""
        return self.scale**2 * self.base.precision

    # From the precision, which takes no pass over the image to scale it.
    def value(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Return E' of each image, (B,)."""
        residual = prediction - y
        return 0.5 * self.precision * dot(residual, residual)

    def gradient(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Return (prediction - y) times the precision."""
        return (prediction - y) * self.precision

    def prox(self, v: Tensor, y: Tensor, tau: float) -> Tensor:
        """Return (v + t y) / (1 + t) with t = tau times the precision."""
        t = tau * self.precision
        return (v + t * y) / (1.0 + t)


def rescaled(fidelity: Fidelity, scale: float) -> Fidelity:
    """Return a fidelity in units of `scale`, with the protocol of the original; itself for the scale 1."""
    if scale == 1:
        return fidelity
    if isinstance(fidelity, QuadraticFidelity):
        return RescaledQuadratic(fidelity, scale)
    if isinstance(fidelity, ProximableFidelity):
        return RescaledProximable(fidelity, scale)
    return Rescaled(fidelity, scale)
