"""The solver that selects a solver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from invprior.errors import IncompatibleError
from invprior.fidelities.base import QuadraticFidelity
from invprior.operators.base import LinearOperator, LocalOperator
from invprior.problem.functionals import Proximable
from invprior.problem.objective import Objective
from invprior.problem.problem import Problem
from invprior.registry.spec import Spec
from invprior.solvers.adam import Adam
from invprior.solvers.admm import ADMM, linear_condition
from invprior.solvers.base import Solver, State
from invprior.solvers.fista import FISTA
from invprior.solvers.hqs import HQS
from invprior.solvers.lbfgs import LBFGS
from invprior.solvers.pdhg import PDHG

# Condition number of the linear systems of admm from which pdhg applies A less often than fista. Conjugate gradients
# for admm apply it more often than both (benchmarks/solver_cost.py). No time is measured, so that a problem has the
# same solver in every run.
_ILL = 16.0

# A class or a spec, not an object: each is made only when those before it do not fit.
Candidate: TypeAlias = tuple[type[Solver] | Spec, str]


@dataclass(frozen=True, kw_only=True)
class Auto(Solver):
    """Selects a solver by what the operator, the fidelity and the priors provide, and reports why.

    It is no algorithm: `invprior.builders.solver.select_solver` replaces it by its choice, once per run.
    """

    def candidates(self, problem: Problem) -> list[Candidate]:
        """Return the solvers that may fit the problem, the best first, each with the reason."""
        return _candidates(problem)

    def route(self, problem: Problem) -> Objective:
        """Refuse: another solver runs."""
        raise _not_selected()

    def init(self, objective: Objective, x0: Tensor, generator: torch.Generator) -> State:
        """Refuse: another solver runs."""
        raise _not_selected()

    def step(self, objective: Objective, state: State) -> State:
        """Refuse: another solver runs."""
        raise _not_selected()


def _not_selected() -> IncompatibleError:
    return IncompatibleError(
        'The solver "auto" only selects another one: call select_solver(problem, "auto") and use the result\'s solver.'
    )


def _candidates(problem: Problem) -> list[Candidate]:
    functionals = [t.functional for t in problem.prior.terms if t.weight > 0]
    operator = problem.operator
    convex = all(f.convex for f in functionals if isinstance(f, Proximable))
    adam = (Adam, "every term has a gradient")
    admm = (ADMM, "every term has a prox, and the data step has its own solver")
    hqs = (
        HQS,
        "a denoiser used as a prox works best when its strength falls to the noise level",
    )
    fista = (FISTA, "the data term is smooth and at most one term needs a prox")
    lbfgs = (LBFGS, "every term is smooth")
    pdhg = (PDHG, "the terms need proxes and gradients together")
    # The order is the order of preference; the first whose `route` accepts the problem runs.
    if (network := problem.reparameterization) is not None:
        own = (network.solver_spec, "x = f(z), and every other term has a gradient")
        return [own, (ADMM, "x = f(z), and another term needs its prox")]
    if not isinstance(operator, LinearOperator):
        return [adam, lbfgs]
    if problem.data_only:
        return [(LBFGS, "the data term is the only term"), fista, pdhg, adam]
    # Not convex: usually a denoiser, whose strength should fall to the noise level, as hqs lets it.
    if not convex and isinstance(problem.fidelity, QuadraticFidelity):
        return [hqs, fista, admm, pdhg, adam]
    # Without an operator, one prox solves the problem; fista takes it in its first step.
    if operator.is_identity:
        return [fista, admm, pdhg, lbfgs, adam]
    if all(isinstance(f, Proximable) for f in functionals):
        # An operator that acts locally is cheap beside a prox, of which admm takes the fewest.
        quadratic = isinstance(problem.fidelity, QuadraticFidelity)
        if quadratic and not operator.direct and not isinstance(operator, LocalOperator):
            condition = linear_condition(problem)
            text = (
                "the operator has no closed form, and the condition number of its linear systems is about "
                f"{condition:.0f}, so"
            )
            by_gradient = FISTA, f"{text} fista should apply it least"
            by_duality = PDHG, f"{text} pdhg should apply it least"
            first = (by_duality, by_gradient) if condition > _ILL else (by_gradient, by_duality)
            return [*first, admm, lbfgs, adam]
        return [admm, fista, pdhg, lbfgs, adam]
    return [fista, pdhg, lbfgs, adam]
