"""The base classes of data fidelities, the negative log-likelihoods of y given the prediction Ax."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from invprior.errors import OptionError
from invprior.noise_estimation.base import NoiseEstimate
from invprior.noise_estimation.gaussian import estimate_gaussian
from invprior.numerics.linalg import dot
from invprior.registry.options import option_values, plain_name, short_repr
from invprior.registry.plugin import Plugin


class Fidelity(nn.Module, ABC, metaclass=Plugin):
    """A data fidelity E(prediction; y), summed over the entries of y.

    Attributes:
        offset_invariant: whether E depends on prediction - y alone, so that a constant may be taken off both.
        takes_complex: whether E also takes complex values. It must be the sum of E over their real and imaginary parts,
            on which a run works.
        undoes_clipping: whether a run takes back the bias of noise that was clipped at black or white, see
            `Problem.clipping`.
        block: side in pixels of the blocks of measurements that E takes together; 1 where it takes each alone. Tiles
            then begin at multiples of it, and no single measurement can be held out.
    """

    plugin_group: ClassVar[str] = "fidelities"
    real_methods: ClassVar[tuple[str, ...]] = ("value", "prox", "gradient")
    offset_invariant: bool = False
    takes_complex: bool = False
    undoes_clipping: bool = False
    block: int = 1

    def __repr__(self) -> str:
        return short_repr(self)

    @property
    def title(self) -> str:
        """The name of its class in messages, such as "gaussian", also in other units."""
        return plain_name(type(self))

    @abstractmethod
    def value(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Return E of each image: (B, ...) and (B, ...) to (B,)."""

    def gradient(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Return the gradient of E in the prediction; by autograd unless overridden."""
        # Solvers call this inside no_grad, and the gradient must end at the prediction.
        with torch.enable_grad():
            prediction = prediction.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.value(prediction, y).sum(), prediction)
        return gradient

    def lipschitz(self) -> float:
        """Return the Lipschitz constant of the gradient; infinite when there is none, as for Poisson and L1."""
        return math.inf

    @property
    def noise_level(self) -> float | None:
        """Standard deviation of the noise that it assumes; None while it is open."""
        return None

    def noise_variance(self, y: Tensor) -> Tensor | None:
        """Return an unbiased estimate of the variance of the noise of each measurement, from y.

        It has y's shape, or is a scalar when all have the same. None, the default, for noise of which no variance is
        known; rules that need one then refuse.
        """
        return None

    def with_noise_level(self, sigma: float) -> Fidelity:
        """Return the fidelity with its open noise parameter set from a standard deviation.

        A fidelity whose parameter is given returns itself.

        Args:
            sigma: standard deviation of the noise in y, positive.
        """
        return self

    def estimate_noise(self, y: Tensor, observation_mask: Tensor | None) -> NoiseEstimate:
        """Estimate the noise in y when `noise_level` is None; by default white Gaussian noise.

        Args:
            y: one measurement, (1, ...).
            observation_mask: which entries carry data, boolean, broadcasts to y; None means all.
        """
        return estimate_gaussian(y, observation_mask)

    def with_noise(self, estimate: NoiseEstimate) -> Fidelity:
        """Return the fidelity with its open noise parameter set from the result of `estimate_noise`."""
        return self.with_noise_level(estimate.sigma)

    def rescaled(self, scale: float) -> Fidelity:
        """Return the same fidelity in units of `scale`: E'(p / scale; y / scale) = E(p; y).

        It keeps the protocol (`ProximableFidelity`, `QuadraticFidelity`). All it takes and returns is in the new units,
        but `registry.describe` gives the spec in the data's own units.

        Args:
            scale: the new unit, in the present units, positive.
        """
        return self if scale == 1 else Rescaled(self, scale)


def given(value: float | None, option: str, fidelity: str) -> float:
    """Return a noise parameter, or raise when it is still open.

    Raises:
        OptionError: the value is None.
    """
    if value is None:
        raise OptionError(
            f"{fidelity} has no {option} yet: give one, or let a Problem estimate it from y."
        )
    return value


class ProximableFidelity(Fidelity):
    """A fidelity with a proximal map, which ADMM and PDHG use."""

    @abstractmethod
    def prox(self, v: Tensor, y: Tensor, tau: float) -> Tensor:
        """Return argmin_p tau E(p; y) + 1/2 ||p - v||^2, of v's shape."""

    def rescaled(self, scale: float) -> Fidelity:
        """Return the same fidelity in units of `scale`, with a prox."""
        return self if scale == 1 else RescaledProximable(self, scale)


class QuadraticFidelity(ProximableFidelity):
    """E = precision / 2 ||prediction - y||^2, with which solvers may use an operator's `solve_damped`."""

    offset_invariant = True

    @property
    @abstractmethod
    def precision(self) -> float:
        """1 / sigma^2, positive."""

    @property
    def noise_level(self) -> float | None:
        """Standard deviation of the noise, from the precision."""
        return float(self.precision**-0.5)

    def noise_variance(self, y: Tensor) -> Tensor | None:
        """Return sigma^2, a scalar."""
        return torch.tensor(1.0 / self.precision, dtype=torch.float64)

    def rescaled(self, scale: float) -> Fidelity:
        """Return the same fidelity in units of `scale`, quadratic too."""
        return self if scale == 1 else RescaledQuadratic(self, scale)


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
        self.offset_invariant = base.offset_invariant
        self.undoes_clipping = base.undoes_clipping
        self.block = base.block

    @property
    def title(self) -> str:
        """The name of E's class."""
        return self.base.title

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

    def noise_variance(self, y: Tensor) -> Tensor | None:
        """Return the variance of E's noise over scale^2."""
        variance = self.base.noise_variance(self.scale * y)
        return None if variance is None else variance / self.scale**2

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
