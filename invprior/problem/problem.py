"""The problem, and the objective: what a solver may use of it.

minimise over u:   E(A x; y) + sum_k w_k R_k(x),    x = u   or   x = f_theta(z) with u = theta
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from invprior.errors import IncompatibleError, MeasurementError
from invprior.fidelities.base import Fidelity, ProximableFidelity
from invprior.fidelities.gaussian import Gaussian
from invprior.noise_estimation.base import NoiseEstimate
from invprior.numerics.linalg import conjugate_gradients, negative_laplacian
from invprior.operators.base import LinearOperator, Operator
from invprior.operators.masked import Masked
from invprior.problem.functionals import Penalty, Prior, Proximable, Reparameterization
from invprior.problem.weight_choice import WeightChoice
from invprior.registry.options import plain_name

_SMOOTHNESS = 60.0  # weight of 1/2 ||grad x||^2 that suits natural images at any noise level


@dataclass(frozen=True)
class Problem:
    """One image's inverse problem, checked.

    Args:
        operator: the forward operator A.
        y: the measurement, (1, *operator.measurement_shape), finite.
        prior: the weighted terms R_k.
        fidelity: E; an open noise parameter is set to what is estimated from y.
        noise: what was estimated of the noise in y; made here where the fidelity does not say, else None.
        weights: how the prior's open weights were chosen, when they were.
        held: which measurements a stopping rule keeps out of the fit, boolean, (K, *operator.measurement_shape), for
            each of K networks that are fitted side by side; for solvers that descend.
        reference: another copy of y that is not fitted, for a stopping rule to compare with.
        recorruption: noise that the fit, but not the energy, adds to the predictions, (K, *operator.measurement_shape);
            a network writes it anew at every step, in place.

    Raises:
        MeasurementError: y has another shape or holds NaN or infinity.
        IncompatibleError: the prior reparameterises x twice.
    """

    operator: Operator
    y: Tensor
    prior: Prior
    fidelity: Fidelity = field(default_factory=Gaussian)
    noise: NoiseEstimate | None = None
    weights: WeightChoice | None = None
    held: Tensor | None = None
    reference: Tensor | None = None
    recorruption: Tensor | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "y", self.y.detach())
        expected = (1, *self.operator.measurement_shape)
        if tuple(self.y.shape) != expected:
            raise MeasurementError(
                f"The measurement must have the shape {expected} that the operator "
                f"{type(self.operator).__name__} gives; got {tuple(self.y.shape)}."
            )
        if not bool(torch.isfinite(self.y).all()):
            count = int((~torch.isfinite(self.y)).sum())
            raise MeasurementError(
                f"The measurement must be finite; {count} of its {self.y.numel()} values "
                "are NaN or infinite. "
                'Leave them out of the fit with nan="mask" (--nan mask).'
            )
        if self.observation_mask is not None:  # what was not measured must not count in E
            object.__setattr__(self, "y", self.y * self.observation_mask)
        if self.noise is None and self.fidelity.noise_level is None:
            estimate = self.fidelity.estimate_noise(self.y, self.observation_mask)
            object.__setattr__(self, "noise", estimate)
            object.__setattr__(self, "fidelity", self.fidelity.with_noise(estimate))
        names = [
            type(t.functional).__name__
            for t in self.prior.terms
            if isinstance(t.functional, Reparameterization)
        ]
        if len(names) > 1:
            raise IncompatibleError(
                f"A prior can set x = f(z) once; {' and '.join(names)} both do. Keep one of them."
            )

    @cached_property
    def noise_level(self) -> float:
        """Standard deviation of the noise in y: the fidelity's if it says, else estimated."""
        known = self.fidelity.noise_level
        if known is not None:
            return known
        assert self.noise is not None  # where the fidelity says nothing there is an estimate
        return self.noise.sigma

    def fitted(self, prediction: Tensor, *, recorrupted: bool = False) -> Tensor:
        """What the fit sees of the predictions (K, ...) of the K networks: y in place of what is held out of it."""
        if recorrupted and self.recorruption is not None:
            prediction = prediction + self.recorruption
        if self.held is None or len(prediction) != len(self.held):
            return prediction
        return torch.where(self.held, self.y, prediction)

    @property
    def observation_mask(self) -> Tensor | None:
        """Which measurements carry data; None means all."""
        return self.operator.observation_mask

    @cached_property
    def measurements(self) -> int:
        """How many measurements carry data."""
        if self.observation_mask is None:
            return self.y.numel()
        return int(self.observation_mask.expand(self.y.shape).sum())

    @property
    def reparameterization(self) -> Reparameterization | None:
        """The term that sets x = f(z), if there is one."""
        found = (
            t.functional for t in self.prior.terms if isinstance(t.functional, Reparameterization)
        )
        return next(found, None)

    def condition(self) -> Problem:
        """The problem that is fitted, see `Reparameterization.condition`."""
        network = self.reparameterization
        return self if network is None else network.condition(self)

    @property
    def data_only(self) -> bool:
        """Whether no term of the prior says anything, as with `none`."""
        return all(t.functional.is_flat for t in self.prior.terms if t.weight > 0)

    def pseudo_inverse(self) -> Tensor:
        """What the measurement alone says: its mean, plus the damped pseudo-inverse of the rest."""
        shape = (1, *self.operator.image_shape)
        if not isinstance(self.operator, LinearOperator):
            same = self.y.shape == shape
            return self.y.clone() if same else self.y.mean().expand(shape).clone()
        mean = float(self.y.sum()) / max(self.measurements, 1)
        constant = self.y.new_full(shape, mean)
        damping = 0.01 * self.operator.norm() ** 2
        rest = self.operator.adjoint(self.y - self.operator(constant))
        return (constant + self.operator.solve_damped(rest, damping)).detach()

    def initial_estimate(self) -> Tensor:
        """An x0 to begin at: the pseudo-inverse, made smooth where there is a prior.

        Denoisers need it: they cannot fill holes or undo aliasing that they take for structure.
        """
        x0 = self.pseudo_inverse()
        operator = self.operator
        if self.data_only or not isinstance(operator, LinearOperator) or x0.dim() != 4:
            return x0
        smoothing = _SMOOTHNESS * self.noise_level**2
        with torch.no_grad():
            return conjugate_gradients(
                lambda x: operator.normal(x) + smoothing * negative_laplacian(x),
                operator.adjoint(self.y),
                x0,
                tolerance=1e-3,
                steps=60,
            )


@dataclass(frozen=True)
class Objective:
    """A problem's terms: those a solver differentiates and those it takes the prox of."""

    problem: Problem
    smooth: tuple[tuple[float, Penalty], ...]
    proximal: tuple[tuple[float, Proximable], ...]

    def variable(self, x0: Tensor, generator: torch.Generator) -> nn.Module:
        """Make what is optimised, the pixels or a network: a module whose `forward()` gives x."""
        network = self.problem.reparameterization
        return Pixels(x0) if network is None else network.build(x0, generator)

    def fit(self, x: Tensor, *, recorrupted: bool = False) -> Tensor:
        """E(A x; y), a scalar, the sum over images x of one measurement; differentiable."""
        y = self.problem.y
        prediction = self.problem.fitted(self.problem.operator(x), recorrupted=recorrupted)
        return self.problem.fidelity.value(prediction, y.expand(len(x), *y.shape[1:])).sum()

    def differentiable(self, x: Tensor) -> Tensor:
        """E, of what the fit sees, plus the smooth terms, a scalar; differentiable."""
        total = self.fit(x, recorrupted=True)
        for weight, penalty in self.smooth:
            total = total + weight * penalty.value(x).sum()
        return total

    def gradient(self, x: Tensor) -> Tensor:
        """Gradient of `differentiable` for a linear operator, without building a graph."""
        operator = self.problem.operator
        assert isinstance(operator, LinearOperator)
        prediction = self.problem.fitted(operator(x))
        total = operator.adjoint(self.problem.fidelity.gradient(prediction, self.problem.y))
        for weight, penalty in self.smooth:
            total = total + weight * penalty.gradient(x)
        return total

    def lipschitz(self) -> float:
        """Upper bound on the Lipschitz constant of `gradient`."""
        operator = self.problem.operator
        assert isinstance(operator, LinearOperator)
        fit = self.problem.fidelity.lipschitz() * operator.norm() ** 2
        return fit + sum(weight * penalty.lipschitz() for weight, penalty in self.smooth)

    @torch.no_grad()
    def energy(self, x: Tensor) -> Tensor:
        """E plus every term that has a value, a scalar; a denoiser in a prox's place has none."""
        total = self.fit(x)
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
    problem = problem.condition()
    faults = []
    smooth: list[tuple[float, Penalty]] = []
    proximal: list[tuple[float, Proximable]] = []
    if problem.reparameterization is not None and not network:
        faults.append(
            f"{solver} updates pixels, and {_name(problem.reparameterization)} sets x = f(z)"
        )
    if problem.held is not None and (problem.reparameterization is None or fidelity == "prox"):
        faults.append(f"{solver} fits every measurement, and the stopping rule keeps some out")
    elif problem.held is not None and len(problem.held) > 1 and not members:
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
    return Objective(problem, tuple(smooth), tuple(proximal))


def _name(part: nn.Module) -> str:
    return plain_name(type(part))


def with_masked_nan(operator: Operator, y: Tensor) -> tuple[Operator, Tensor]:
    """Leave the non-finite entries of y out of the fit: mask the operator and zero them."""
    known = torch.isfinite(y)
    if bool(known.all()):
        return operator, y
    if not isinstance(operator, LinearOperator):
        raise IncompatibleError(
            'nan="mask" needs a linear operator; remove the NaN from the measurement yourself.'
        )
    if not bool(known.any()):
        raise MeasurementError("The measurement holds no finite value.")
    return Masked(operator, known), torch.where(known, y, torch.zeros_like(y))
