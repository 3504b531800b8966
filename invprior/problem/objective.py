"""The objective: what a solver may use of a problem, and the routing that decides it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from invprior.errors import IncompatibleError
from invprior.fidelities.base import ProximableFidelity
from invprior.operators.base import LinearOperator
from invprior.problem.data import DataTerm
from invprior.problem.functionals import Output, Penalty, Proximable, Reparameterization
from invprior.problem.problem import Problem
from invprior.registry.options import plain_name


@dataclass(frozen=True)
class Objective:
    """A problem's terms: those a solver differentiates and those it takes the prox of."""

    problem: Problem
    data: DataTerm
    smooth: tuple[tuple[float, Penalty], ...]
    proximal: tuple[tuple[float, Proximable], ...]

    def variable(self, x0: Tensor, generator: torch.Generator) -> nn.Module:
        """Make what is optimised, the pixels or a network; `output` gives its x."""
        network = self.problem.reparameterization
        return Pixels(x0) if network is None else network.build(x0, generator)

    @staticmethod
    def output(variable: nn.Module) -> Output:
        """Call a variable: its images, and the offset of their predictions, if it has one."""
        found = variable()
        return found if isinstance(found, Output) else Output(found)

    def differentiable(self, x: Tensor, offset: Tensor | None = None) -> Tensor:
        """Compute E of what is fitted plus the smooth terms, a scalar; differentiable."""
        total = self.data.value(x, offset)
        for weight, penalty in self.smooth:
            total = total + weight * penalty.value(x).sum()
        return total

    def gradient(self, x: Tensor) -> Tensor:
        """Compute the gradient of `differentiable` for a linear operator, without building a graph."""
        total = self.data.gradient(x)
        for weight, penalty in self.smooth:
            total = total + weight * penalty.gradient(x)
        return total

    def lipschitz(self) -> float:
        """Return an upper bound on the Lipschitz constant of `gradient`."""
        return self.data.lipschitz() + sum(w * penalty.lipschitz() for w, penalty in self.smooth)

    def on_all_data(self) -> Objective:
        """The same objective with no measurement held out."""
        return replace(self, data=replace(self.data, held_out=None))

    @torch.no_grad()
    def energy(self, x: Tensor) -> Tensor:
        """E plus every term that has a value, a scalar; a denoiser in a prox's place has none."""
        total = self.data.value(x)
        for term in self.problem.prior.terms:
            if isinstance(term.functional, Penalty):
                total = total + term.weight * term.functional.value(x).sum()
        return total


Need: TypeAlias = Literal["any", "smooth", "prox"]


class Pixels(nn.Module):
    """The variable x itself."""

    def __init__(self, x0: Tensor) -> None:
        super().__init__()
        self.x = nn.Parameter(x0.detach().clone())

    def forward(self) -> Tensor:
        """Return x."""
        return self.x


def route(
    problem: Problem,
    solver: str,
    *,
    network: bool,
    prox: Literal["no", "one", "many"],
    terms: Need = "any",
    fidelity: Need = "any",
    linear: bool = False,
    members: bool = False,
) -> Objective:
    """Sort the terms for a solver by their types.

    Args:
        problem: the problem.
        solver: the solver's name, for messages.
        network: whether the solver can optimise a network's parameters.
        prox: how many terms the solver takes through their prox.
        terms: what it needs of the terms that it does not take through their prox: any value, one of bounded
            curvature ("smooth"), or that there be none ("prox").
        fidelity: what it needs of the fidelity: any value, bounded curvature, or a prox.
        linear: whether it needs a linear operator.
        members: whether its iterates tell the estimates of several networks apart.

    Raises:
        IncompatibleError: with every reason.
    """
    problem = problem.conditioned()
    data = problem.data
    faults = []
    smooth: list[tuple[float, Penalty]] = []
    proximal: list[tuple[float, Proximable]] = []
    if problem.reparameterization is not None and not network:
        faults.append(
            f"{solver} updates pixels, and {_name(problem.reparameterization)} sets x = f(z)"
        )
    if data.held_out is not None and (problem.reparameterization is None or fidelity == "prox"):
        faults.append(f"{solver} fits every measurement, and the stopping rule keeps some out")
    elif data.held_out is not None and len(data.held_out) > 1 and not members:
        faults.append(
            f"{solver} does not tell networks fitted side by side apart, "
            "and the stopping rule keeps other measurements from each; set members=1"
        )
    if linear and not isinstance(problem.operator, LinearOperator):
        faults.append(f"{solver} needs a linear operator, and {_name(problem.operator)} is not one")
    if fidelity == "smooth" and math.isinf(problem.fidelity.lipschitz()):
        faults.append(
            f"{solver} needs a fidelity of bounded curvature, "
            f"and {_name(problem.fidelity)} has none"
        )
    if fidelity == "prox" and not isinstance(problem.fidelity, ProximableFidelity):
        faults.append(
            f"{solver} needs a fidelity with a prox, and {_name(problem.fidelity)} has none"
        )
    for term in problem.prior.terms:
        functional = term.functional
        if isinstance(functional, Reparameterization) or term.weight == 0:
            continue
        takes_prox = isinstance(functional, Proximable) and prox != "no"
        easy = isinstance(functional, Penalty) and math.isfinite(functional.lipschitz())
        if takes_prox and not (prox == "one" and easy):
            assert isinstance(functional, Proximable)
            proximal.append((term.weight, functional))
        elif isinstance(functional, Penalty) and (terms == "any" or (terms == "smooth" and easy)):
            smooth.append((term.weight, functional))
        elif isinstance(functional, Penalty) and terms == "prox":
            faults.append(f"{solver} needs a prox, and {_name(functional)} has only a value")
        elif isinstance(functional, Penalty):
            faults.append(
                f"{solver} needs a prox or a bounded curvature, and {_name(functional)} has neither"
            )
        else:
            faults.append(
                f"{solver} needs a value to differentiate, and {_name(functional)} has only a prox"
            )
    if prox == "one" and len(proximal) > 1:
        names = " and ".join(_name(p) for _, p in proximal)
        faults.append(f"{solver} takes one term through its prox, and {names} need theirs")
    if faults:
        raise IncompatibleError("; ".join(faults) + ".")
    return Objective(problem, data, tuple(smooth), tuple(proximal))


def _name(part: nn.Module) -> str:
    return plain_name(type(part))
