"""The solver that picks a solver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from invprior.errors import IncompatibleError
from invprior.fidelities.base import QuadraticFidelity
from invprior.operators.base import LinearOperator
from invprior.problem.functionals import Proximable
from invprior.problem.objective import Objective
from invprior.problem.problem import Problem
from invprior.registry.spec import Spec
from invprior.solvers.adam import Adam
from invprior.solvers.admm import ADMM
from invprior.solvers.base import Solver, State
from invprior.solvers.fista import FISTA
from invprior.solvers.hqs import HQS
from invprior.solvers.lbfgs import LBFGS
from invprior.solvers.pdhg import PDHG

Candidate: TypeAlias = tuple[type[Solver] | Spec, str]  # made only when its turn comes


@dataclass(frozen=True, kw_only=True)
class Auto(Solver):
    """Picks a solver by what the operator, the fidelity and the priors can do, and reports why.

    It is a choice and no algorithm: `invprior.builders.solver.select_solver` makes it, once a run.
    """

    def candidates(self, problem: Problem) -> list[Candidate]:
        """List solvers that may fit the problem, the best first, each with the reason."""
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
        'The solver "auto" stands for another one: call select_solver(problem, "auto") and use its solver.'
    )


def _candidates(problem: Problem) -> list[Candidate]:
    functionals = [t.functional for t in problem.prior.terms if t.weight > 0]
    convex = all(f.convex for f in functionals if isinstance(f, Proximable))
    adam = (Adam, "every term has a gradient")
    admm = (ADMM, "every term has a prox, and the data step has a solver of its own")
    hqs = (
        HQS,
        "a denoiser in place of a prox does best when its strength falls to the noise level",
    )
    fista = (FISTA, "the data term is smooth and at most one term needs a prox")
    lbfgs = (LBFGS, "every term is smooth")
    pdhg = (PDHG, "the terms need proxes and gradients together")
    if (network := problem.reparameterization) is not None:
        own = (network.solver_spec, "x = f(z), and every other term has a gradient")
        return [own, (ADMM, "x = f(z), and another term needs its prox")]
    if not isinstance(problem.operator, LinearOperator):
        return [adam, lbfgs]
    if problem.data_only:
        return [(LBFGS, "there is only the data term"), fista, pdhg, adam]
    if not convex and isinstance(problem.fidelity, QuadraticFidelity):
        return [hqs, fista, admm, pdhg, adam]
    if problem.operator.is_identity:  # the data step is trivial: one prox solves the problem
        return [fista, admm, pdhg, lbfgs, adam]
    if all(isinstance(f, Proximable) for f in functionals):
        return [admm, fista, pdhg, lbfgs, adam]
    return [fista, pdhg, lbfgs, adam]
