"""The solver that picks a solver."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from invprior.errors import IncompatibleError
from invprior.fidelities.base import QuadraticFidelity
from invprior.operators.base import LinearOperator
from invprior.operators.denoise import Denoise
from invprior.problem.functionals import Proximable
from invprior.problem.problem import Objective, Problem
from invprior.registry.options import plain_name
from invprior.solvers.adam import Adam
from invprior.solvers.admm import ADMM
from invprior.solvers.base import Solver, State
from invprior.solvers.fista import FISTA
from invprior.solvers.hqs import HQS
from invprior.solvers.lbfgs import LBFGS
from invprior.solvers.pdhg import PDHG


@dataclass(frozen=True, kw_only=True)
class Auto(Solver):
    """Picks a solver by what the operator, the fidelity and the priors can do, and says why."""

    def choose(self, problem: Problem) -> tuple[Solver, str]:
        """Return the first candidate, best first, that fits the problem."""
        faults = []
        for solver, why in _candidates(problem):
            try:
                solver.route(problem)
            except IncompatibleError as error:
                faults.append(f"  {plain_name(type(solver))}: {error}")
            else:
                return solver.choose(problem)[0], why
        raise IncompatibleError("No solver fits this problem:\n" + "\n".join(faults))

    def route(self, problem: Problem) -> Objective:
        """Route as the chosen solver does."""
        return self.choose(problem)[0].route(problem)

    def init(self, objective: Objective, x0: Tensor, generator: torch.Generator) -> State:
        """Begin as the chosen solver does."""
        return self.choose(objective.problem)[0].init(objective, x0, generator)

    def step(self, objective: Objective, state: State) -> State:
        """Step as the chosen solver does."""
        return self.choose(objective.problem)[0].step(objective, state)


def _candidates(problem: Problem) -> list[tuple[Solver, str]]:
    functionals = [t.functional for t in problem.prior.terms if t.weight > 0]
    convex = all(f.convex for f in functionals if isinstance(f, Proximable))
    adam = (Adam(), "every term has a gradient")
    admm = (ADMM(), "every term has a prox, and the data step a solver of its own")
    hqs = (
        HQS(),
        "a denoiser in a prox's place does best when its strength falls to the noise level",
    )
    fista = (FISTA(), "the data term is smooth and at most one term needs a prox")
    lbfgs = (LBFGS(), "every term is smooth")
    pdhg = (PDHG(), "the terms need proxes and gradients together")
    if problem.reparameterization is not None:
        by_prox = (ADMM(), "x = f(z), and another term needs its prox")
        return [(Adam(), "x = f(z), and every other term has a gradient"), by_prox]
    if not isinstance(problem.operator, LinearOperator):
        return [adam, lbfgs]
    if problem.data_only:
        return [(LBFGS(), "there is only the data term"), fista, pdhg, adam]
    if not convex and isinstance(problem.fidelity, QuadraticFidelity):
        return [hqs, fista, admm, pdhg, adam]
    if isinstance(problem.operator, Denoise):  # the data step is the identity: one prox solves it
        return [fista, admm, pdhg, lbfgs, adam]
    if all(isinstance(f, Proximable) for f in functionals):
        return [admm, fista, pdhg, lbfgs, adam]
    return [fista, pdhg, lbfgs, adam]
