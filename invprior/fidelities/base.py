"""What a data fidelity is: the negative log-likelihood of y given the prediction Ax."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from invprior.noise_estimation.base import NoiseEstimate
from invprior.noise_estimation.gaussian import estimate_gaussian
from invprior.registry.options import Plugin


class Fidelity(nn.Module, ABC, metaclass=Plugin):
    """A data fidelity E(prediction; y), a sum over the measurements."""

    plugin_group: ClassVar[str] = "fidelities"

    @abstractmethod
    def value(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Compute E of each image: (B, ...) and (B, ...) to (B,)."""

    def gradient(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Gradient of E with respect to the prediction; by autograd unless overridden."""
        with torch.enable_grad():
            prediction = prediction.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.value(prediction, y).sum(), prediction)
        return gradient

    def lipschitz(self) -> float:
        """Upper bound on the second derivative of E; infinite when there is none, as for Poisson and L1."""
        return math.inf

    @property
    def noise_level(self) -> float | None:
        """Standard deviation of the noise that it stands for; None when it does not say."""
        return None

    def with_noise_level(self, sigma: float) -> Fidelity:
        """Return the fidelity with its open noise parameter set to an estimate; itself when nothing is open.

        Args:
            sigma: standard deviation of the noise in y, positive.
        """
        return self

    def estimate_noise(self, y: Tensor, observation_mask: Tensor | None) -> NoiseEstimate:
        """Estimate this kind of noise, where `noise_level` does not say; white Gaussian noise by default.

        Args:
            y: one measurement, (1, ...).
            observation_mask: which entries carry data, boolean, broadcasts to y; None means all.
        """
        return estimate_gaussian(y, observation_mask)

    def with_noise(self, estimate: NoiseEstimate) -> Fidelity:
        """Return the fidelity with its open noise parameter set to an estimate of `estimate_noise`."""
        return self.with_noise_level(estimate.sigma)


class ProximableFidelity(Fidelity):
    """A fidelity with a proximal map, which ADMM and PDHG use."""

    @abstractmethod
    def prox(self, v: Tensor, y: Tensor, tau: float) -> Tensor:
        """Return argmin_p tau E(p; y) + 1/2 ||p - v||^2, of v's shape."""


class QuadraticFidelity(ProximableFidelity):
    """E = precision / 2 ||prediction - y||^2: solvers may then use an operator's `solve_damped`."""

    @property
    @abstractmethod
    def precision(self) -> float:
        """1 / sigma^2."""

    @property
    def noise_level(self) -> float | None:
        """Standard deviation of the noise, from the precision."""
        return float(self.precision**-0.5)
