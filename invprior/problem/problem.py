"""The problem: a measurement, its operator, its fidelity and its prior.

minimise over u:   E(A x; y) + sum_k w_k R_k(x),    x = u   or   x = f_theta(z) with u = theta
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from invprior.errors import IncompatibleError, MeasurementError, OptionError
from invprior.fidelities.base import Fidelity
from invprior.fidelities.gaussian import Gaussian
from invprior.noise_estimation.base import NoiseEstimate, is_rounding
from invprior.noise_estimation.clipping import limits, unclipped
from invprior.numerics.complex_parts import parts
from invprior.operators.base import LinearOperator, Operator
from invprior.operators.imaging import measures_images
from invprior.operators.in_parts import InParts
from invprior.problem import estimates
from invprior.problem.complex_terms import in_parts
from invprior.problem.data import DataTerm
from invprior.problem.functionals import Prior, Reparameterization, Term
from invprior.problem.units import DATA_UNITS, DataRange, Units
from invprior.problem.weight_choice import Handover, WeightChoice
from invprior.registry.options import plain_name
from invprior.registry.plugin import refuse_complex_for

# Of the values, at black or at white. Unclipped 8-bit data share an extreme value by chance, but few of them.
_CLIPPED = 1e-3


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
        data_range: the range of the image's intensities; None to estimate it from y.
        units: the units of y and of the noise level; those of the data unless `standardised` made the problem.
        given: the problem in the units of the data, from which `standardised` made this one; else None.
        one_dimensional: whether y was given with one dimension, as a signal (N,). An image of one row is then one too.

    Raises:
        MeasurementError: y has another shape, holds NaN or infinity, or is complex and a part does not take that.
        OptionError: the noise level and y differ in size by far.
        IncompatibleError: the prior reparameterises x twice.
    """

    operator: Operator
    y: Tensor
    prior: Prior
    fidelity: Fidelity = field(default_factory=Gaussian)
    noise: NoiseEstimate | None = None
    weights: WeightChoice | None = None
    notes: tuple[str, ...] = ()
    data_range: DataRange | None = None
    units: Units = DATA_UNITS
    given: Problem | None = field(default=None, repr=False)
    one_dimensional: bool = False

    @torch.inference_mode(False)
    def __post_init__(self) -> None:
        self._check_complex()
        # Autograd cannot save a tensor that was made in inference mode.
        y = self.y.clone() if self.y.is_inference() else self.y.detach()
        if self.operator.complex_images:
            y = y.to(y.dtype.to_complex())
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
            estimate = self._estimated_noise()
            object.__setattr__(self, "noise", estimate)
            object.__setattr__(self, "fidelity", self.fidelity.with_noise(estimate))
        self._check_noise_level()
        names = [
            type(t.functional).__name__
            for t in self.prior.terms
            if isinstance(t.functional, Reparameterization)
        ]
        if len(names) > 1:
            raise IncompatibleError(
                f"A prior can set x = f(z) once; {' and '.join(names)} both do. Keep one of them."
            )

    def _check_complex(self) -> None:
        """Refuse a complex measurement on behalf of every part that does not say that it takes one."""
        if not self.y.is_complex() and not self.operator.complex_images:
            return
        functionals = (term.functional for term in self.prior.terms if term.factor > 0)
        refuse_complex_for((self.operator, self.fidelity, *functionals), self.y.dtype.to_complex())
        if not isinstance(self.operator, LinearOperator):
            raise IncompatibleError(
                f"Complex images need a linear operator, and {plain_name(type(self.operator))} is not one."
            )

    def _check_noise_level(self) -> None:
        """Refuse noise so far from the size of y that their quotient, squared, leaves single precision."""
        level, largest = self.fidelity.noise_level, float(self.y.abs().max())
        if level and largest and not 1e-18 <= level / largest <= 1e18:
            raise OptionError(
                f"The noise level of {self.fidelity.title} must be from 1e-18 to 1e18 times the largest value of y, "
                f"{largest:.3g}; got {level:.3g}. Give it in units of the data, or leave it out to have it estimated."
            )

    def _estimated_noise(self) -> NoiseEstimate:
        y, mask = self.y, self.observation_mask
        view = self.operator.noise_view(y)
        if view is None:
            return self._assumed_noise(self.fidelity.estimate_noise(y, mask))
        if view is not y:
            mask = None if mask is None else self.operator.noise_view(mask.expand(y.shape))
            y = view
        if y.is_complex():  # noise is as strong in both parts
            mask = None if mask is None else torch.cat([mask.expand(y.shape)] * 2, 1)
            y = parts(y)
        if view is not self.y:
            return self.fidelity.estimate_noise(y, mask)
        if y.dim() == 4 and not measures_images(self.operator, self.y):
            # As rows, which no estimate takes for an image.
            mask = None if mask is None else mask.expand(y.shape).flatten(1, 2)
            y = y.flatten(1, 2)
        return self.fidelity.estimate_noise(y, mask)

    def _assumed_noise(self, estimate: NoiseEstimate) -> NoiseEstimate:
        """Return an estimate with a noise of 1 % of y's root mean square; a count of photons stays as it is."""
        size = float(parts(self.y).double().square().mean().sqrt())
        if estimate.peak is not None or size == 0:
            return estimate
        return replace(
            estimate,
            sigma=0.01 * size,
            channels=(0.01 * size,),
            uncertainty=math.inf,
            method="1 % of the root mean square of the measurement",
            doubt="no part of the measurement tells it, so 1 % of the root mean square is assumed",
        )

    @property
    def is_signal(self) -> bool:
        """Whether x is a signal, (1, 1, 1, N), and the user expects it back as (N,)."""
        return self.one_dimensional and tuple(self.operator.image_shape[:-1]) == (1, 1)

    @cached_property
    def picture(self) -> Tensor | None:
        """The measurement where it is a picture; None for others, such as a sinogram or a vector."""
        return self.y if measures_images(self.operator, self.y) else None

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

    @cached_property
    def image_noise_level(self) -> float:
        """Standard deviation of the noise in units of x: that in y over the operator's gain."""
        return self.noise_level / estimates.gain(self.operator)

    @property
    def data(self) -> DataTerm:
        """The data term E(A x; y)."""
        return DataTerm(self.operator, self.y, self.fidelity, self.noise_level, self.noise)

    @property
    def observation_mask(self) -> Tensor | None:
        """True where a measurement carries data; None when all do."""
        return self.operator.observation_mask

    @cached_property
    def measurements(self) -> int:
        """The number of real values that carry data: two for each complex one."""
        each = 2 if self.y.is_complex() else 1
        if self.observation_mask is None:
            return each * self.y.numel()
        return each * int(self.observation_mask.expand(self.y.shape).sum())

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

    @cached_property
    def clipping(self) -> tuple[float, float] | None:
        """The lowest and the highest value of y where its noise was clipped there, and infinity where it was not.

        None where that does not matter: no noise was clipped, the fidelity ignores it, or y holds no pixels of x.
        """
        sees_pixels = self.operator.is_identity or self.operator.is_mask
        if not (sees_pixels and self.fidelity.undoes_clipping) or self.data_only:
            return None
        mask, known = self.observation_mask, self.y
        if mask is not None:
            known = known[mask.expand(known.shape)]
        if known.is_complex() or self.units.of_parts or is_rounding(self.noise_level, self.noise):
            return None
        bounds = limits(known, least=_CLIPPED)
        return None if bounds == (-math.inf, math.inf) else bounds

    def unclipped(self, x: Tensor) -> Tensor:
        """Return an estimate of the image from x, an estimate of the mean of noisy and clipped pixels."""
        return x if self.clipping is None else unclipped(x, self.noise_level, self.clipping)

    @property
    def handover(self) -> Handover | None:
        """Where a run may start after a search for its weights; None if the search solved another problem."""
        found = None if self.weights is None else self.weights.handover
        if found is None or self.operator is not found.operator:
            return None
        # The values, as each problem detaches its measurement and clears what was not measured.
        return found if self.fidelity is found.fidelity and torch.equal(self.y, found.y) else None

    @property
    def data_only(self) -> bool:
        """Whether every term of the prior is constant, as for `none`."""
        return all(t.functional.is_flat for t in self.prior.terms if t.weight > 0)

    @torch.inference_mode(False)
    def pseudo_inverse(self) -> Tensor:
        """Return the constant image that fits best plus the damped pseudo-inverse of the rest, (1, *image_shape).

        Without a linear operator it is y where the shapes agree, else a constant.
        """
        return estimates.pseudo_inverse(self.operator, self.y)

    @torch.inference_mode(False)
    def initial_estimate(self) -> Tensor:
        """Return the default x0, (1, *image_shape): the pseudo-inverse, smoothed when there is a prior.

        Denoisers need the smoothing. They take missing pixels and aliasing for structure and keep them.
        """
        inner = self.standardised
        if inner is not self:  # the smoothing is made for images in [0, 1]
            return inner.units.outward(inner.initial_estimate())
        x0 = self.pseudo_inverse()
        if self.data_only or not isinstance(self.operator, LinearOperator) or x0.dim() != 4:
            return x0
        with torch.no_grad():
            return estimates.smoothed(self.operator, self.y, x0, self.noise_level**2)

    @property
    def in_data_units(self) -> Problem:
        """The problem in the units of the data."""
        return self if self.given is None else self.given

    @cached_property
    @torch.inference_mode(False)
    def standardised(self) -> Problem:
        """The problem in units in which the image's range is about [0, 1]; itself if nothing is known of its scale.

        A run solves it, so that priors, solvers and rules may have constants that suit images in [0, 1]. A minimum
        of one problem is a minimum of the other: given weights and the fidelity keep their meaning in units of the
        data. A complex problem becomes one on real and imaginary parts, so that all of a run works on real numbers.

        Raises:
            IncompatibleError: a range was given, and the operator is not linear.
        """
        complex_values = self.y.is_complex()
        if self.given is not None or (self.unscalable and not complex_values):
            return self
        found = None if self.unscalable else self.image_range
        invariant = all(t.functional.offset_invariant for t in self.prior.terms)
        shift = invariant and self.fidelity.offset_invariant and not complex_values
        units = DATA_UNITS if found is None else found.units(shift=shift)
        if complex_values:
            units = replace(units, of_parts=True)
        if units.is_identity:
            return self
        if not isinstance(self.operator, LinearOperator):
            raise IncompatibleError(
                "A data_range (--range) needs a linear operator; "
                f"{plain_name(type(self.operator))} is not linear. Leave it out."
            )
        offset = torch.zeros_like(self.y)
        if units.low != 0:
            with torch.no_grad():
                offset = self.operator(self.y.new_full((1, *self.operator.image_shape), units.low))
        return replace(
            self,
            operator=InParts(self.operator) if complex_values else self.operator,
            y=parts(self.y - offset) / units.scale,
            prior=Prior(tuple(term.standardised(units.scale) for term in self._real_terms())),
            fidelity=self.fidelity.rescaled(units.scale),
            noise=None if self.noise is None else self.noise.rescaled(units.scale),
            data_range=found,
            units=units,
            given=self,
        )

    def _real_terms(self) -> Iterator[Term]:
        """Yield the terms, those of complex images on real and imaginary parts."""
        for term in self.prior.terms:
            functional = term.functional
            if self.y.is_complex() and functional.takes_complex:
                functional = in_parts(functional)
            yield replace(term, functional=functional)

    @property
    def unscalable(self) -> tuple[str, ...]:
        """The names of terms that do not say how they scale, so that the problem keeps the units of the data."""
        terms = (t.functional for t in self.prior.terms if t.factor > 0)
        return tuple(plain_name(type(f)) for f in terms if f.degree is None)

    @cached_property
    def image_range(self) -> DataRange | None:
        """The range of the image, given or estimated; None where nothing is known about its scale."""
        if self.data_range is not None or not isinstance(self.operator, LinearOperator):
            return self.data_range
        with torch.no_grad():
            return estimates.image_range(self.operator, self.y, self.noise_level)
