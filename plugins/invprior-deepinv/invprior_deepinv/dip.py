"""deepinv's Deep Image Prior, run unchanged, as a method to compare with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from invprior import (
    IncompatibleError,
    Objective,
    Problem,
    QuadraticFidelity,
    Solver,
    State,
    StoppingRule,
)
from invprior.problem.objective import route
from invprior.stopping.max_steps import MaxSteps
from invprior_deepinv.library import models
from invprior_deepinv.library import physics as library


@dataclass(frozen=True, kw_only=True)
class DeepinvDip(Solver):
    """deepinv's `DeepImagePrior` with its `ConvDecoder`, run in a single step. It differs from invprior's prior `dip`.

    It contains its own prior, so use it with the prior `none`. Its loop is closed to stopping rules, averages and
    checkpoints. The defaults are those of deepinv's classes. Every run builds a new network from its seed.

    Args:
        iterations: number of Adam's iterations.
        learning_rate: Adam's step size.
        channels: number of channels of the network and of its input.
        input_size: side of the network's input, in pixels.
    """

    iterations: Annotated[int, Ge(1)] = 2500
    learning_rate: Annotated[float, Gt(0)] = 0.01
    channels: Annotated[int, Ge(1)] = 256
    input_size: Annotated[int, Ge(1)] = 4

    def route(self, problem: Problem) -> Objective:
        """Accept least squares without a prior, and refuse what deepinv would ignore."""
        if not problem.data_only or problem.reparameterization is not None:
            raise IncompatibleError(
                "deepinv-dip contains its own prior and ignores any other; use the prior none."
            )
        if not isinstance(problem.fidelity, QuadraticFidelity):
            raise IncompatibleError(
                "deepinv-dip minimises squares; use the fidelity gaussian, or the prior dip."
            )
        return route(problem, "deepinv-dip", network=False, prox="no")

    def init(self, objective: Objective, x0: Tensor, generator: torch.Generator) -> State:
        """Draw a seed, because deepinv draws from the global generator only."""
        # torch.randint returns int64, whose values end below 2**63.
        return _Seeded(x0, seed=int(torch.randint(2**62, (), generator=generator)))

    def step(self, objective: Objective, state: _Seeded) -> State:
        """Run the whole method."""
        operator, y = objective.problem.operator, objective.problem.y
        channels, size = self.channels, (self.input_size, self.input_size)
        # The global state is restored afterwards, so that a run leaves no trace in it.
        with torch.random.fork_rng(devices=[y.device] if y.is_cuda else []):
            torch.manual_seed(state.seed)
            network = models.ConvDecoder(tuple(operator.image_shape), size, channels=channels)
            method = models.DeepImagePrior(
                network.to(y),
                img_size=(channels, *size),
                iterations=self.iterations,
                learning_rate=self.learning_rate,
            )
            x = method(y, library.Physics(A=lambda x, **_: operator(x)))
        return _Seeded(x.detach(), seed=state.seed)

    def default_stop(self, problem: Problem) -> StoppingRule:
        """Stop after one step, which is the whole method."""
        return MaxSteps(steps=1)


@dataclass
class _Seeded(State):
    seed: int = 0
