"""The base classes of data fidelities, the negative log-likelihoods of y given the prediction Ax."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from invprior.errors import OptionError
from invprior.noise_estimation.base import NoiseEstimate
from invprior.noise_estimation.gaussian import estimate_gaussian
from invprior.registry.options import short_repr
from invprior.registry.plugin import Plugin


class Fidelity(nn.Module, ABC, metaclass=Plugin):
    """A data fidelity E(prediction; y), summed over the entries of y.

    Attributes:
        translation_invariant: whether E depends on prediction - y alone, so that a constant may be taken off both.
    """

    plugin_group: ClassVar[str] = "fidelities"
    translation_invariant: bool = False

    def __repr__(self) -> str:
        return short_repr(self)

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
        # The wrapper's classes derive from the ones below.
        from invprior.fidelities.rescaled import rescaled

        return rescaled(self, scale)


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


class QuadraticFidelity(ProximableFidelity):
    """E = precision / 2 ||prediction - y||^2, with which solvers may use an operator's `solve_damped`."""

    translation_invariant = True

    @property
    @abstractmethod
    def precision(self) -> float:
        """1 / sigma^2, positive."""

    @property
    def noise_level(self) -> float | None:
        """Standard deviation of the noise, from the precision."""
        return float(self.precision**-0.5)
