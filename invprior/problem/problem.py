"""The problem: a measurement, its operator, its fidelity and its prior.

minimise over u:   E(A x; y) + sum_k w_k R_k(x),    x = u   or   x = f_theta(z) with u = theta
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from invprior.errors import IncompatibleError, MeasurementError
from invprior.fidelities.base import Fidelity
from invprior.fidelities.gaussian import Gaussian
from invprior.io.arraylike import refuse_complex
from invprior.noise_estimation.base import NoiseEstimate
from invprior.numerics.box import Box
from invprior.numerics.devices import placed
from invprior.numerics.linalg import conjugate_gradients, negative_laplacian
from invprior.operators.base import LinearOperator, LocalOperator, Operator
from invprior.operators.masked import Masked
from invprior.problem.data import DataTerm
from invprior.problem.functionals import Prior, Reparameterization, Term
from invprior.problem.weight_choice import WeightChoice
from invprior.registry.options import plain_name

# Weight of 1/2 ||grad x||^2 beside a Gaussian negative log-likelihood; it suits natural images at any noise level.
_SMOOTHNESS = 60.0


@dataclass(frozen=True)
class Problem:
    """The checked inverse problem of one image.

    Args:
        operator: the forward operator A.
        y: the measurement, (1, *operator.measurement_shape), finite.
        prior: the weighted terms R_k.
        fidelity: E; an open noise parameter is estimated from y.
        noise: the estimate of the noise in y. It is made here when the fidelity's noise parameter is open, else None.
        weights: how the prior's open weights were chosen; None when they were not.
        notes: what the user should know about the data, one sentence each; every run reports them.

    Raises:
        MeasurementError: y has another shape, is complex, or holds NaN or infinity.
        IncompatibleError: the prior reparameterises x twice.
    """

    operator: Operator
    y: Tensor
    prior: Prior
    fidelity: Fidelity = field(default_factory=Gaussian)
    noise: NoiseEstimate | None = None
    weights: WeightChoice | None = None
    notes: tuple[str, ...] = ()

    @torch.inference_mode(False)
    def __post_init__(self) -> None:
        refuse_complex(self.y.dtype, "The measurement")
        # Autograd cannot save a tensor that was made in inference mode.
        y = self.y.clone() if self.y.is_inference() else self.y.detach()
        object.__setattr__(self, "y", y)  # the dataclass is frozen
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
        if self.observation_mask is not None:  # unmeasured entries must not count in E
            object.__setattr__(self, "y", self.y * self.observation_mask)
        # An estimate that is handed on, as to a tile or a hold-out split, is not made again.
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

    def __repr__(self) -> str:
        return f"Problem({self.operator!r}, {self.fidelity!r}, {self.prior!r})"

    @cached_property
    def noise_level(self) -> float:
        """Standard deviation of the noise in y: the fidelity's when it has one, else the estimate."""
        known = self.fidelity.noise_level
        if known is not None:
            return known
        assert self.noise is not None  # an open fidelity has an estimate
        return self.noise.sigma

    @property
    def data(self) -> DataTerm:
        """The data term E(A x; y)."""
        return DataTerm(self.operator, self.y, self.fidelity, self.noise_level)

    @property
    def observation_mask(self) -> Tensor | None:
        """True where a measurement carries data; None when all do."""
        return self.operator.observation_mask

    @cached_property
    def measurements(self) -> int:
        """The number of measurements that carry data."""
        if self.observation_mask is None:
            return self.y.numel()
        return int(self.observation_mask.expand(self.y.shape).sum())

    @property
    def reparameterization(self) -> Reparameterization | None:
        """The term that sets x = f(z), or None."""
        found = (
            t.functional for t in self.prior.terms if isinstance(t.functional, Reparameterization)
        )
        return next(found, None)

    @torch.inference_mode(False)
    def conditioned(self) -> Problem:
        """Return the problem with its prior conditioned on the data, see `Reparameterization.condition`."""
        network = self.reparameterization
        if network is None:
            return self
        prior = network.condition(self.data)
        if prior is network:  # keeps the problem, and with it the cached properties
            return self
        terms = (
            replace(t, functional=prior) if t.functional is network else t for t in self.prior.terms
        )
        return replace(self, prior=Prior(tuple(terms)))

    @property
    def data_only(self) -> bool:
        """Whether every term of the prior is constant, as for `none`."""
        return all(t.functional.is_flat for t in self.prior.terms if t.weight > 0)

    @torch.inference_mode(False)
    def pseudo_inverse(self) -> Tensor:
        """Return the mean of the measurement plus the damped pseudo-inverse of the rest, (1, *image_shape).

        Without a linear operator it is y where the shapes agree, else a constant.
        """
        shape = (1, *self.operator.image_shape)
        if not isinstance(self.operator, LinearOperator):
            same = self.y.shape == shape
            return self.y.clone() if same else self.y.mean().expand(shape).clone()
        # Damping shrinks towards 0; with the mean taken off, it shrinks towards the mean.
        mean = float(self.y.sum()) / max(self.measurements, 1)
        constant = self.y.new_full(shape, mean)
        damping = 0.01 * self.operator.norm() ** 2
        rest = self.operator.adjoint(self.y - self.operator(constant))
        # In y's dtype, whatever the operator's arithmetic with torch's default dtype made of it.
        return (constant + self.operator.solve_damped(rest, damping)).detach().to(self.y.dtype)

    @torch.inference_mode(False)
    def initial_estimate(self) -> Tensor:
        """Return the default x0, (1, *image_shape): the pseudo-inverse, smoothed when there is a prior.

        Denoisers need the smoothing. They take missing pixels and aliasing for structure and keep them.
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


@torch.inference_mode(False)
def with_masked_nan(operator: Operator, y: Tensor) -> tuple[Operator, Tensor]:
    """Mask the operator where y is not finite, and set y to 0 there.

    Raises:
        IncompatibleError: the operator is not linear.
        MeasurementError: y has no finite value.
    """
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


def alignment_of(operator: Operator) -> int:
    """Return where boxes of the image may begin and end, in pixels; 1 for an operator that is not local."""
    return operator.alignment if isinstance(operator, LocalOperator) else 1


def restrict(problem: Problem, box: Box) -> Problem:
    """Restrict a problem to a box of the image x; the noise level stays that of the whole image.

    Raises:
        InvpriorError: the operator does not act locally, or the box alone cannot be solved, as when no pixel is known.
    """
    operator = problem.operator
    if not isinstance(operator, LocalOperator):
        raise IncompatibleError(f"{plain_name(type(operator))} does not act locally.")
    part, measured = operator.restrict(box)
    y = measured.of(problem.y)
    prior = restrict_prior(problem.prior, box)
    return Problem(placed(part, y), y, prior, problem.fidelity, problem.noise, notes=problem.notes)


def restrict_prior(prior: Prior, box: Box) -> Prior:
    """Restrict every term to a box."""
    return Prior(tuple(Term(t.functional.restrict(box), t.given_weight) for t in prior.terms))
