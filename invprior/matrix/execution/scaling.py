"""The effect of a tuned factor: on the weights of a prior, or, without any, on a network's number of steps."""

from __future__ import annotations

from dataclasses import replace

from invprior.errors import IncompatibleError
from invprior.problem.functionals import Prior, Term
from invprior.problem.problem import Problem
from invprior.stopping.base import StoppingRule
from invprior.stopping.max_steps import MaxSteps

WEIGHTS = 10.0  # weights are scaled by 1/10 to 10
STEPS = 2.0  # steps are scaled by 1/2 to 2


def weighted(problem: Problem) -> bool:
    """Whether a term of the prior has a weight that affects the result."""
    return any(term.takes_weight for term in problem.prior.terms)


def factors(problem: Problem, budget: int) -> list[float]:
    """Return as many factors as the budget allows, geometrically spaced around 1."""
    span = WEIGHTS if weighted(problem) else STEPS
    return [span ** (2 * i / (budget - 1) - 1) for i in range(budget)]


def scaled(
    problem: Problem, stop: StoppingRule | None, factor: float
) -> tuple[Problem, StoppingRule | None]:
    """Multiply the weights of all terms, or a network's number of steps, by a factor. Open weights have their defaults.

    Raises:
        IncompatibleError: the prior has neither.
    """
    if weighted(problem):
        terms = tuple(
            # Four digits, so that the weight can be given again as text.
            Term(own.functional, float(f"{t.weight * factor:.4g}")) if own.takes_weight else own
            # The weights are those of the run, whose units an open one depends on; the functionals are the user's.
            for own, t in zip(problem.prior.terms, problem.standardised.prior.terms, strict=True)
        )
        return replace(problem, prior=Prior(terms)), stop
    network = problem.reparameterization
    if network is None:
        raise IncompatibleError(
            'This prior has neither weights nor a network whose steps could be tuned. Set weights = "fixed".'
        )
    limit = MaxSteps(steps=max(round(network.steps * factor), 1))
    return problem, limit if stop is None else stop | limit
