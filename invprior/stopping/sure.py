"""Fit by Stein's unbiased risk estimate, and stop when it reaches zero."""

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
    """Fits by Stein's unbiased risk estimate in place of the data term, and stops when it reaches zero.

    The network's input becomes the measurement with fresh noise, z = y + s n, so that the output is an estimator h(z).
    The fit minimises ||h(z) - y||^2 - N sigma^2 + 2 sigma^2 div h(z). This is an unbiased estimate of ||h(z) - x||^2
    as long as the weights do not depend on the noise. They come to depend on it, and the estimate falls to zero and
    below; the rule stops then. One random direction per step probes the divergence, which takes a second pass.

    For denoising with `dip` and Gaussian noise of known or estimated standard deviation. The average of the outputs is
    the ensemble of the source.

    Source: Jo, Chun and Choi, "Rethinking Deep Image Prior for Denoising", ICCV 2021.

    Args:
        input_noise: s, as a multiple of sigma.
        patience: number of steps that the estimate, an average over about 50 steps, must stay at zero or below.
    """

    input_noise: Annotated[float, Ge(0)] = 0.5
    patience: Annotated[int, Gt(0)] = 20

    def prepare(self, problem: Problem, generator: torch.Generator) -> Problem:
        """Return the problem with the measurement as the network's input and the risk as its fidelity.

        Raises:
            IncompatibleError: the operator, the fidelity or the prior does not fit.
        """
        # Every reason is collected, so that the user need not run again for the next.
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
        """Return a watcher of the running average of the risk estimate."""
        return _Watch(self, problem.measurements)


# Step of the divergence's finite difference, in intensities; float32 resolves it.
_STEP = 1e-3
# Decay of the running average, which spans 50 steps.
_SMOOTHING = 0.98


@dataclass
class _Watch:
    """Averages the risk and counts the steps at zero or below.

    Attributes:
        rule: the rule.
        measurements: N.
        risk: the running average, in units of 2 sigma^2, a scalar on the device.
        below: steps since it was last above zero, a scalar on the device.
    """

    rule: Sure
    measurements: int
    risk: Tensor | None = None
    below: Tensor | None = None

    def __call__(self, iterate: Iterate) -> Stop | None:
        # The energy holds N / 2 more than the risk; see `SteinRisk`.
        risk = iterate.energy.detach() - 0.5 * self.measurements
        self.risk = risk if self.risk is None else risk.lerp(self.risk, _SMOOTHING)
        count = torch.zeros_like(risk) if self.below is None else self.below
        self.below = torch.where(self.risk <= 0, count + 1, torch.zeros_like(count))
        # Reading the count makes the host wait for a GPU, so there only every 50th step is checked.
        checked = risk.device.type == "cpu" or iterate.step % 50 == 0
        # The average means little before it has seen its 50 steps.
        if iterate.step < 50 or not checked or float(self.below) < self.rule.patience:
            return None
        return Stop("sure", True, "the risk estimate reached zero")


class SteinRisk(Fidelity):
    """The risk estimate over 2 sigma^2, plus N / 2, from the outputs h(z) and h(z + e b); made by the rule `sure`.

    It is no quadratic fidelity: Adam would back-project the residual of one, and the divergence would have no effect.

    Args:
        sigma: standard deviation of the noise.
        direction: b, of y's shape; the module of `Probed` draws it anew, in place, before each pair.
    """

    direction: Tensor

    def __init__(self, sigma: float, direction: Tensor) -> None:
        super().__init__()
        self.sigma = sigma
        self.register_buffer("direction", direction)

    @property
    def noise_level(self) -> float:
        """The standard deviation sigma."""
        return self.sigma

    def value(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Compute the risk of a pair; for a single image, the Gaussian misfit.

        Args:
            prediction: the pair, (2, C, H, W), or an image, (1, C, H, W).
            y: the measurement, of the same shape.

        Returns:
            The value for each image, equal for both, (2,) or (1,).
        """
        # A single image is a pair with itself, so its divergence is 0.
        at, probed = prediction[:1], prediction[-1:]
        residual = at - y[:1]
        misfit = dot(residual, residual) / (2 * self.sigma**2)
        divergence = dot(self.direction, probed - at) / _STEP
        return (misfit + divergence).repeat(len(prediction))


class Probed(Reparameterization):
    """A prior whose input is the measurement and whose network returns h(z) and h(z + e b); made by the rule `sure`.

    Args:
        inner: the prior.
        y: the measurement, (1, C, H, W).
        direction: b, of y's shape, shared with the fidelity.
        noise: standard deviation of the noise added to the input.
    """

    def __init__(
        self, inner: Reparameterization, y: Tensor, direction: Tensor, noise: float
    ) -> None:
        super().__init__()
        self.inner = inner.reading(y, noise)
        self.direction = direction
        # The risk estimate is no misfit that could be back-projected.
        adam = {**inner.solver_spec.options, "back_projection": False}
        self.default_solver = Spec("adam", adam)
        # To the solver, the pair is an ensemble of two.
        self.steps, self.members = inner.steps, 2

    def build(self, x0: Tensor, generator: torch.Generator) -> nn.Module:
        """Return a new network that evaluates pairs."""
        network = self.inner.build(x0, generator)
        return _Pair(network, self.direction, child_generator(generator, x0.device))


class _Pair(nn.Module):
    direction: Tensor

    def __init__(self, inner: nn.Module, direction: Tensor, generator: torch.Generator) -> None:
        super().__init__()
        self.inner, self.generator = inner, generator
        self.register_buffer("direction", direction, persistent=False)

    def forward(self) -> Tensor:
        # In place, so that the fidelity sees it. With one direction for the whole run, the network learned to hide its
        # divergence from it.
        self.direction.normal_(generator=self.generator).sign_()
        pair: Tensor = self.inner(self.direction * _STEP)
        return pair
