"""Stop, and fit, by Stein's unbiased estimate of the risk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn

from invprior.errors import IncompatibleError
from invprior.fidelities.base import Fidelity, QuadraticFidelity
from invprior.numerics.linalg import dot
from invprior.numerics.random import child_generator
from invprior.problem.functionals import Prior, Reparameterization
from invprior.problem.problem import Problem
from invprior.problem.solution import Iterate, Stop
from invprior.registry.spec import Spec
from invprior.stopping.base import StoppingRule, Watcher


@dataclass(frozen=True, kw_only=True)
class Sure(StoppingRule):
    """Fits by Stein's unbiased risk in place of the data term, and stops when that estimate comes to zero.

    The network's input becomes the measurement with fresh noise, z = y + s n, so that the output is an estimator h(z),
    and the fit minimises ||h(z) - y||^2 - N sigma^2 + 2 sigma^2 div h(z), an unbiased estimate of ||h(z) - x||^2 as
    long as the weights do not know the noise. They come to know it, and the estimate falls to zero and below: then it
    is time to stop. The divergence is probed by one random direction a step, which takes a second pass.

    For denoising with Gaussian noise of known or estimated standard deviation, and `dip`; the average of the
    outputs is the ensemble of the source.

    Source: Jo, Chun and Choi, "Rethinking Deep Image Prior for Denoising", ICCV 2021.

    Args:
        input_noise: s, as a multiple of sigma.
        patience: how many steps the estimate, an average over 50 steps, must stay at zero or below.
    """

    input_noise: Annotated[float, Ge(0)] = 0.5
    patience: Annotated[int, Gt(0)] = 20

    def prepare(self, problem: Problem, generator: torch.Generator) -> Problem:
        """Give the network the measurement as its input, and the fit its divergence.

        Raises:
            IncompatibleError: the problem is another.
        """
        network, faults = problem.reparameterization, []
        if not problem.operator.is_identity:
            faults.append("the operator is not denoise")
        if not isinstance(problem.fidelity, QuadraticFidelity):
            faults.append("the fidelity is not gaussian")
        if network is None:
            faults.append("the prior has no dip")
        if faults:
            raise IncompatibleError(
                f"The stopping rule sure does not fit: {', '.join(faults)}. Use holdout."
            )
        assert network is not None
        direction = torch.randn(problem.y.shape, generator=generator).sign().to(problem.y)
        sigma = problem.noise_level
        probed = Probed(network, problem.y, direction, self.input_noise * sigma)
        terms = tuple(
            replace(t, functional=probed) if t.functional is network else t
            for t in problem.prior.terms
        )
        return replace(problem, prior=Prior(terms), fidelity=SteinRisk(sigma, direction))

    def start(self, problem: Problem) -> Watcher:
        """Average the estimate."""
        return _Watch(self, problem.measurements)


_STEP = 1e-3  # of the divergence's finite difference, in intensities: float32 allows it
_MEMORY = 0.98


@dataclass
class _Watch:
    rule: Sure
    measurements: int
    risk: Tensor | None = None
    below: Tensor | None = None

    def __call__(self, iterate: Iterate) -> Stop | None:
        risk = iterate.energy.detach() - 0.5 * self.measurements
        self.risk = risk if self.risk is None else risk.lerp(self.risk, _MEMORY)
        count = torch.zeros_like(risk) if self.below is None else self.below
        self.below = torch.where(self.risk <= 0, count + 1, torch.zeros_like(count))
        asked = risk.device.type == "cpu" or iterate.step % 50 == 0
        if iterate.step < 50 or not asked or float(self.below) < self.rule.patience:
            return None
        return Stop("sure", True, "the estimate of the risk came down to zero")


class SteinRisk(Fidelity):
    """The estimate of the risk over 2 sigma^2, plus N / 2, of outputs h(z) and h(z + e b); made by the rule `sure`.

    `direction` is b, which `Probed` draws anew, in place, before each pair.
    """

    direction: Tensor

    def __init__(self, sigma: float, direction: Tensor) -> None:
        super().__init__()
        self.sigma = sigma
        self.register_buffer("direction", direction)

    @property
    def noise_level(self) -> float:
        """Sigma."""
        return self.sigma

    def value(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Compute it for both of a pair, (2,) of (2, C, H, W); of an image alone, the Gaussian's."""
        here, there = prediction[:1], prediction[-1:]
        residual = here - y[:1]
        misfit = dot(residual, residual) / (2 * self.sigma**2)
        divergence = dot(self.direction, there - here) / _STEP
        return (misfit + divergence).repeat(len(prediction))


class Probed(Reparameterization):
    """A prior with the measurement for its input; returns h(z) and h(z + e b). Made by the rule `sure`."""

    def __init__(
        self, inner: Reparameterization, y: Tensor, direction: Tensor, noise: float
    ) -> None:
        super().__init__()
        self.inner = inner.reading(y, noise)
        self.direction = direction
        # The estimate of the risk is no misfit that could be back-projected.
        adam = {**inner.solver_spec.options, "back_projection": False}
        self.default_solver = Spec("adam", adam)
        self.steps, self.members = inner.steps, 2

    def build(self, x0: Tensor, generator: torch.Generator) -> nn.Module:
        """Make a fresh network."""
        network = self.inner.build(x0, generator)
        return _Pair(network, self.direction, child_generator(generator, x0.device))


class _Pair(nn.Module):
    direction: Tensor

    def __init__(self, inner: nn.Module, direction: Tensor, generator: torch.Generator) -> None:
        super().__init__()
        self.inner, self.generator = inner, generator
        self.register_buffer("direction", direction, persistent=False)

    def forward(self) -> Tensor:
        # In place, so that the fidelity sees it. From a direction that stayed, a network would hide its divergence.
        self.direction.normal_(generator=self.generator).sign_()
        pair: Tensor = self.inner(self.direction * _STEP)
        return pair
