"""Stop when the error at a second, independent copy of the measurement is lowest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from invprior.errors import IncompatibleError
from invprior.fidelities.base import QuadraticFidelity
from invprior.fidelities.gaussian import Gaussian
from invprior.problem.problem import Problem
from invprior.problem.solution import Iterate, Stop
from invprior.stopping.base import StoppingRule, Watcher
from invprior.stopping.lowest import LEAST, Lowest, LowestWatch
from invprior.stopping.split import SplitProblem, split


@dataclass(frozen=True, kw_only=True)
class SelfReference(StoppingRule):
    """Fits one noisy copy of the measurement and stops when the estimate predicts another one best.

    Both copies come from the one measurement y:

    * "noise" fits y + a n and predicts y - n / a, where n is Gaussian with the standard deviation of the noise. The
      noise of the two copies is independent, for any operator, but the fit sees more noise.
    * "channels" fits y and compares each channel of the estimate with y's next channel, shifted and scaled to its mean
      and deviation. The noise of the channels is independent, and their structure is alike.

    The construction with a mask is the rule `holdout`. After the best estimate the run continues for a while, to
    confirm the minimum, and returns that estimate.

    Sources: Pang et al., "Recorrupted-to-Recorrupted", CVPR 2021; Huang et al., "A Principled Self-Referenced Early
    Stopping Approach for Deep Image Prior", arXiv 2605.25299, 2026.

    Args:
        copies: how the copies are made.
        alpha: a; small values add little noise to the fitted copy and much to the predicted one.
        every: steps between two checks, each of which applies the operator once.
        patience: how long to continue without a better estimate, as a fraction of the steps to the best one.
    """

    copies: Literal["noise", "channels"] = "noise"
    alpha: Annotated[float, Gt(0)] = 0.5
    every: Annotated[int, Ge(1)] = 5
    patience: Annotated[float, Gt(0)] = 0.25

    def prepare(self, problem: Problem, generator: torch.Generator) -> Problem:
        """Return the problem with one copy as its measurement and the other as its reference.

        Raises:
            IncompatibleError: the noise is not Gaussian, or the measurement has only one channel.
        """
        y = problem.y
        if self.copies == "channels":
            if problem.units.of_parts:
                raise IncompatibleError(
                    "self-reference:copies=channels needs real data: the real and the imaginary parts of complex "
                    "images are not alike. Use copies=noise, or holdout."
                )
            if y.dim() != 4 or y.shape[1] < 2:
                raise IncompatibleError(
                    f"self-reference:copies=channels needs an image of several channels; the measurement has the "
                    f"shape {tuple(y.shape)}. Use copies=noise, or holdout."
                )
            return split(problem, reference=_next_channel(y))
        if not isinstance(problem.fidelity, QuadraticFidelity):
            raise IncompatibleError(
                "self-reference:copies=noise needs a Gaussian fidelity, as it makes copies with independent Gaussian "
                f"noise; got {problem.fidelity.title}. Use holdout."
            )
        # Independent, because the covariance of e + a n and e - n / a is sigma^2 I - sigma^2 I = 0.
        sigma = problem.noise_level
        # The run derives the generator's seed: research code often draws the noise of y and solves with the same seed,
        # and n would then equal that noise.
        noise = (torch.randn(y.shape, generator=generator) * sigma).to(y)
        return split(
            problem,
            y=y + self.alpha * noise,
            fidelity=Gaussian(sigma=sigma * (1 + self.alpha**2) ** 0.5),
            reference=y - noise / self.alpha,
        )

    def start(self, problem: Problem) -> Watcher:
        """Return a watcher of the error at the second copy."""
        assert isinstance(problem, SplitProblem)  # `prepare` has made it
        assert problem.reference is not None
        return _Watch(Lowest(self.patience, LEAST), self, problem.reference)


@dataclass
class _Watch(LowestWatch):
    rule: SelfReference
    reference: Tensor

    def __call__(self, iterate: Iterate) -> Stop | None:
        if iterate.step % self.rule.every:
            return None
        what = "the error at the second copy of the measurement was lowest"
        return self.look(iterate, _error(iterate, self.reference), self.rule, what)


@torch.no_grad()
def _error(iterate: Iterate, reference: Tensor) -> Tensor:
    problem = iterate.objective.problem
    difference = problem.operator(iterate.x) - reference
    if problem.observation_mask is not None:
        difference = difference * problem.observation_mask
    return difference.square().mean()


def _next_channel(y: Tensor) -> Tensor:
    """Return each channel's successor with the mean and the deviation of the channel itself, of y's shape."""
    other = y.roll(-1, 1)
    mean, deviation = y.mean((-2, -1), keepdim=True), y.std((-2, -1), keepdim=True)
    other_mean = other.mean((-2, -1), keepdim=True)
    other_deviation = other.std((-2, -1), keepdim=True)
    return (other - other_mean) * (deviation / other_deviation.clamp_min(1e-12)) + mean
