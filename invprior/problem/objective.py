"""The objective, which a solver minimises, and the routing of a problem's terms to a solver."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
    """A problem's terms, sorted by how a solver uses them.

    Attributes:
        problem: the problem.
        data: the data term.
        smooth: weights and penalties that the solver differentiates.
        proximal: weights and functionals that the solver takes through their prox.
    """

    problem: Problem
    data: DataTerm
    smooth: tuple[tuple[float, Penalty], ...]
    proximal: tuple[tuple[float, Proximable], ...]

    def variable(self, x0: Tensor, generator: torch.Generator) -> nn.Module:
        """Make the module to optimise, the pixels or a network; `output` gives its x."""
        network = self.problem.reparameterization
        return Pixels(x0) if network is None else network.build(x0, generator)

    @staticmethod
    def output(variable: nn.Module) -> Output:
        """Call a variable, and return its images with the offset of their predictions."""
        found = variable()
        return found if isinstance(found, Output) else Output(found)

    def differentiable(self, x: Tensor, offset: Tensor | None = None) -> Tensor:
        """Compute E of the fitted measurements plus the smooth terms, a differentiable scalar."""
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
        """Return the same objective with no measurement held out."""
        return replace(self, data=replace(self.data, held_out=None))

    @torch.no_grad()
    def energy(self, x: Tensor) -> Tensor:
        """Compute E plus every term that has a value, a scalar; a denoiser in place of a prox has none."""
        total = self.data.value(x)
        for term in self.problem.prior.terms:
            if isinstance(term.functional, Penalty):
                total = total + term.factor * term.functional.value(x).sum()
        return total


@contextmanager
def gradients_kept(objectives: Sequence[Objective]) -> Iterator[None]:
    """Leave the `.grad` of the parameters of a problem's parts as it is: they are the user's, and not fitted.

    Whoever makes a solver work goes through this block, as any solver may call `backward`.
    """
    # A backward pass reaches every leaf, and adds to a gradient in place.
    before = {p: p.grad for o in objectives for p in _parameters(o.problem)}
    for p in before:
        p.grad = None
    try:
        yield
    finally:
        for p, gradient in before.items():
            p.grad = gradient


def _parameters(problem: Problem) -> Iterator[nn.Parameter]:
    functionals = (term.functional for term in problem.prior.terms)
    for part in (problem.operator, problem.fidelity, *functionals):
        yield from part.parameters()


Need: TypeAlias = Literal["any", "smooth", "prox"]


class Pixels(nn.Module):
    """The variable x itself, a module like a network so that solvers need no special case."""

    def __init__(self, x0: Tensor) -> None:
        super().__init__()
        # A copy, as the optimiser updates it in place and x0 belongs to the caller.
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
        terms: the requirement on the other terms: "any" value, a gradient with a Lipschitz constant ("smooth"), or
            that there are none ("prox").
        fidelity: the requirement on the fidelity: "any" value that autograd differentiates, a gradient with a
            Lipschitz constant ("smooth"), or a "prox".
        linear: whether the solver needs a linear operator.
        members: whether its iterates hold the estimate of each network of an ensemble.

    Raises:
        IncompatibleError: the solver does not fit the problem; the message lists every reason.
    """
    problem = problem.conditioned()  # here, as a stopping rule may have changed the data
    data = problem.data
    faults = []
    smooth: list[tuple[float, Penalty]] = []
    proximal: list[tuple[float, Proximable]] = []
    if problem.reparameterization is not None and not network:
        faults.append(
            f"{solver} updates pixels, and {_name(problem.reparameterization)} sets x = f(z)"
        )
    # The prox of a fidelity takes every measurement, and pixels have no network that predicts the others.
    if data.held_out is not None and (problem.reparameterization is None or fidelity == "prox"):
        faults.append(f"{solver} fits every measurement, and the stopping rule holds some out")
    elif data.held_out is not None and len(data.held_out) > 1 and not members:
        faults.append(
            f"{solver} does not report the networks of an ensemble one by one, "
            "and the stopping rule holds out different measurements for each; set members=1"
        )
    if linear and not isinstance(problem.operator, LinearOperator):
        faults.append(f"{solver} needs a linear operator, and {_name(problem.operator)} is not one")
    if fidelity == "smooth" and math.isinf(problem.fidelity.lipschitz()):
        faults.append(
            f"{solver} needs a fidelity whose gradient has a Lipschitz constant, "
            f"and {problem.fidelity.title} has none"
        )
    if fidelity == "any" and not _differentiable(data):
        faults.append(
            f"{solver} needs a fidelity with a value to differentiate, "
            f"and that of {problem.fidelity.title} has no gradient"
        )
    if fidelity == "prox" and not isinstance(problem.fidelity, ProximableFidelity):
        faults.append(
            f"{solver} needs a fidelity with a prox, and {problem.fidelity.title} has none"
        )
    for term in problem.prior.terms:
        functional = term.functional
        # A reparameterisation is the variable, not a term of the objective.
        # A weight of 0 turns a term off, so the term must not exclude a solver.
        if isinstance(functional, Reparameterization) or term.factor == 0:
            continue
        takes_prox = isinstance(functional, Proximable) and prox != "no"
        easy = isinstance(functional, Penalty) and math.isfinite(functional.lipschitz())
        # A solver with one prox keeps it for a term that has no Lipschitz constant.
        if takes_prox and not (prox == "one" and easy):
            assert isinstance(functional, Proximable)
            proximal.append((term.factor, functional))
        elif isinstance(functional, Penalty) and (terms == "any" or (terms == "smooth" and easy)):
            smooth.append((term.factor, functional))
        elif isinstance(functional, Penalty) and terms == "prox":
            faults.append(f"{solver} needs a prox, and {_name(functional)} has only a value")
        elif isinstance(functional, Penalty):
            faults.append(
                f"{solver} needs a prox or a gradient with a Lipschitz constant, "
                f"and {_name(functional)} has neither"
            )
        else:
            faults.append(
                f"{solver} needs a value to differentiate, and {_name(functional)} has only a prox"
            )
    if prox == "one" and len(proximal) > 1:
        names = " and ".join(_name(p) for _, p in proximal)
        faults.append(f"{solver} takes one term through its prox, and {names} need theirs")
    if faults:  # only now, so that one message has all of them
        raise IncompatibleError("; ".join(faults) + ".")
    return Objective(problem, data, tuple(smooth), tuple(proximal))


@torch.inference_mode(False)
def _differentiable(data: DataTerm) -> bool:
    """Whether autograd finds a way from the fidelity's value to the prediction; an indicator, say, has none."""
    # Without the way, a backward pass fails, or leaves the fidelity out where a prior has a gradient.
    with torch.enable_grad():
        prediction = 1.0 * data.target.detach().clone().requires_grad_()
        return data.fidelity.value(prediction, data.target).requires_grad


def _name(part: nn.Module) -> str:
    return plain_name(type(part))
