"""What a tuned factor acts on: the weights of a prior, or, where it has none, a network's number of steps."""

from __future__ import annotations

from dataclasses import replace

from invprior.errors import IncompatibleError
from invprior.problem.functionals import Prior, Term
from invprior.problem.problem import Problem
from invprior.stopping.base import StoppingRule
from invprior.stopping.max_steps import MaxSteps

WEIGHTS = 10.0  # weights are tried from a tenth to ten times
STEPS = 2.0  # steps from half to twice


def weighted(problem: Problem) -> bool:
    """Whether a term of the prior has a weight that matters."""
    return any(term.takes_weight for term in problem.prior.terms)


def factors(problem: Problem, budget: int) -> list[float]:
    """The factors that are tried, geometrically spaced around 1; as many as the budget allows."""
    span = WEIGHTS if weighted(problem) else STEPS
    return [span ** (2 * i / (budget - 1) - 1) for i in range(budget)]


def scaled(
    problem: Problem, stop: StoppingRule | None, factor: float
) -> tuple[Problem, StoppingRule | None]:
    """Multiply the weights of all terms by a factor, the defaults where they are open, or a network's steps.

    Raises:
        IncompatibleError: there is neither.
    """
    if weighted(problem):
        terms = tuple(
            Term(t.functional, float(f"{t.weight * factor:.4g}")) if t.takes_weight else t
            for t in problem.prior.terms
        )
        return replace(problem, prior=Prior(terms)), stop
    network = problem.reparameterization
    if network is None:
        raise IncompatibleError(
            'This prior has neither weights nor a network\'s steps to tune. Set weights = "fixed".'
        )
    limit = MaxSteps(steps=max(round(network.steps * factor), 1))
    return problem, limit if stop is None else stop | limit
