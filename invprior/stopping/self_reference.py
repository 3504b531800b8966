"""Stop when a second, independent copy of the measurement is predicted best."""

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

    The copies are made from the one measurement y. "noise": y + a n is fitted and y - n / a watched, with Gaussian n of
    the noise's own standard deviation: the noise of the two is then independent, for any operator, at the price of a
    fit to more noise. "channels": y is fitted, and each channel of the estimate compared with y's next channel, shifted
    and scaled to its mean and deviation: the noise of channels is independent, and their structure alike. The
    construction with a mask is the rule `holdout`.

    Goes on for a while after the best estimate, and returns that.

    Sources: Pang et al., "Recorrupted-to-Recorrupted", CVPR 2021; Huang et al., "A Principled Self-Referenced Early
    Stopping Approach for Deep Image Prior", arXiv 2605.25299, 2026.

    Args:
        copies: how they are made.
        alpha: a; small values add little noise to the fit and much to what is watched.
        every: look at every so many steps; each look applies the operator once.
        patience: how long to go on without a better estimate, as a share of the steps to the last.
    """

    copies: Literal["noise", "channels"] = "noise"
    alpha: Annotated[float, Gt(0)] = 0.5
    every: Annotated[int, Ge(1)] = 5
    patience: Annotated[float, Gt(0)] = 0.25

    def prepare(self, problem: Problem, generator: torch.Generator) -> Problem:
        """Make the copies.

        Raises:
            IncompatibleError: the noise is not Gaussian, or the measurement has one channel only.
        """
        y = problem.y
        if self.copies == "channels":
            if y.dim() != 4 or y.shape[1] < 2:
                raise IncompatibleError(
                    f"self-reference:copies=channels needs an image of several channels; the measurement is "
                    f"{tuple(y.shape)}. Use copies=noise, or holdout."
                )
            return split(problem, reference=_next_channel(y))
        if not isinstance(problem.fidelity, QuadraticFidelity):
            raise IncompatibleError(
                "self-reference:copies=noise makes copies with independent Gaussian noise, and the fidelity is "
                "another. Use holdout."
            )
        sigma = problem.noise_level
        noise = (torch.randn(y.shape, generator=generator) * sigma).to(y)
        return split(
            problem,
            y=y + self.alpha * noise,
            fidelity=Gaussian(sigma=sigma * (1 + self.alpha**2) ** 0.5),
            reference=y - noise / self.alpha,
        )

    def start(self, problem: Problem) -> Watcher:
        """Compare with the second copy, every so many steps."""
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
        what = "the error on the second copy of the measurement was lowest"
        return self.look(iterate, _error(iterate, self.reference), self.rule, what)


@torch.no_grad()
def _error(iterate: Iterate, reference: Tensor) -> Tensor:
    problem = iterate.objective.problem
    off = problem.operator(iterate.x) - reference
    if problem.observation_mask is not None:
        off = off * problem.observation_mask
    return off.square().mean()


def _next_channel(y: Tensor) -> Tensor:
    """Each channel's successor, with the mean and the deviation of the channel that it stands for."""
    other = y.roll(-1, 1)
    mean, off = y.mean((-2, -1), keepdim=True), y.std((-2, -1), keepdim=True)
    their_mean, their_off = other.mean((-2, -1), keepdim=True), other.std((-2, -1), keepdim=True)
    return (other - their_mean) * (off / their_off.clamp_min(1e-12)) + mean
