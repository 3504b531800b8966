"""Priors as functionals, in three typed forms, and their weighted sums.

A prior derives from one or more of these forms:

* `Penalty` has a value that autograd can differentiate.
* `Proximable` has a proximal map, or a denoiser in its place.
* `Reparameterization` sets x = f_theta(z) and optimises theta, as Deep Image Prior does.

`0.1 * TV() + Wavelet()` is a sum of terms. A term without a weight is open: its weight is chosen from
the measurement, by a search around the prior's `default_weight`; see `invprior.tuning.search`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from invprior.errors import IncompatibleError, OptionError
from invprior.numerics.box import Box
from invprior.problem.data import DataTerm
from invprior.registry.options import plain_name, short_repr
from invprior.registry.plugin import Plugin
from invprior.registry.spec import Spec, parse


# A module, so that a prior's tensors move to the measurement's device with it.
class Functional(nn.Module, ABC, metaclass=Plugin):
    """Base class of every prior; derive from one of the three forms instead.

    Attributes:
        takes_complex: whether R also takes complex images. A class says so for itself, see `registry.plugin.Plugin`.
        term_options: names that a term's spec may hold beside the constructor's options.
        default_weight: the weight of a term that is given none, and the start of a search for it, for images in [0, 1].
            One value serves all noise levels, because the fidelity is a negative log-likelihood.
        offset_invariant: whether R(x + c) = R(x) for every constant c. If not, a run may scale intensities but not
            shift them.
        degree: the exponent d of R(s x) = s^d R(x), as 1 for a norm and 2 for its square. A run that scales intensities
            adapts the weight by it. With 0, a weight means the same at every scale: for denoisers, and for priors with
            constants that suit images in [0, 1]. When it is None, the run keeps the units of the data.
        convex: whether the result of a convergent run does not depend on its start. The trials of a search for a weight
            then start from each other.
    """

    plugin_group: ClassVar[str] = "priors"
    real_methods: ClassVar[tuple[str, ...]] = ("value", "prox", "gradient", "degrees_of_freedom")
    takes_complex: bool = False
    default_weight: float = 1.0
    offset_invariant: bool = False
    degree: float | None = None
    convex: bool = True
    term_options: ClassVar[tuple[str, ...]] = ("weight",)

    def rescaled(self, scale: float) -> Functional:
        """Return R for a run whose unit of intensity is `scale`; itself unless R holds intensities, such as bounds."""
        return self

    def restrict(self, box: Box) -> Functional:
        """Return R for a box of the image, as tiles need it; itself unless R holds data of the image's size."""
        return self

    @property
    def stand_in(self) -> Functional:
        """A faster prior of the same kind, of which the same weight is best; by default itself.

        It serves in the search of that weight, and in the first steps of hqs, which others refine.
        """
        return self

    @property
    def is_flat(self) -> bool:
        """Whether R is constant, as for `none`."""
        return False

    def __mul__(self, weight: float) -> Prior:
        return Prior((Term(self),)) * weight

    __rmul__ = __mul__

    def __add__(self, other: Functional | Prior) -> Prior:
        return Prior((Term(self),)) + other

    def __repr__(self) -> str:
        return short_repr(self)


class Penalty(Functional):
    """A prior with a value R(x), which autograd can differentiate."""

    @abstractmethod
    def value(self, x: Tensor) -> Tensor:
        """Compute R of each image.

        Args:
            x: images, (B, C, H, W), in units in which the range of the data is about [0, 1].

        Returns:
            R(x), (B,). An image must not influence the value of another one.
        """

    def gradient(self, x: Tensor) -> Tensor:
        """Compute the gradient of R at x, (B, C, H, W), by autograd unless overridden."""
        with torch.enable_grad():  # solvers that take this gradient run under no_grad
            # detach() makes a new tensor, so the caller's x keeps its own requires_grad.
            x = x.detach().requires_grad_()
            # No image influences another one's value, so the sum gives each its own gradient.
            (gradient,) = torch.autograd.grad(self.value(x).sum(), x)
        return gradient

    def lipschitz(self) -> float:
        """Return an upper bound on the Lipschitz constant of the gradient; infinite when R is not smooth."""
        return math.inf

    @property
    def is_flat(self) -> bool:
        """Whether the gradient of R has the Lipschitz constant 0."""
        return self.lipschitz() == 0


class Proximable(Functional):
    """A prior with a proximal map.

    Attributes:
        convex: whether the map is the prox of a convex function. Most denoisers in its place are not; solvers then tie
            its strength to the noise level instead of adapting it.
        projects: whether the map is the projection onto a set, in which the restoration then lies exactly.
    """

    projects: bool = False

    @abstractmethod
    def prox(self, v: Tensor, tau: float) -> Tensor:
        """Return argmin_x tau R(x) + 1/2 ||x - v||^2 for each image.

        Args:
            v: images, (B, C, H, W).
            tau: the step size times the weight, positive. A denoiser in place of the prox takes the
                noise level sqrt(tau).
        """

    def degrees_of_freedom(self, v: Tensor, tau: float) -> float | None:
        """Return the trace of the derivative of the prox at v, summed over the batch; None without a closed form.

        Of complex images it is the trace over their real and imaginary parts.
        With a closed form, the choice of a weight for denoising needs no random probe.
        """
        return None


class Output(NamedTuple):
    """The output of a reparameterisation's network.

    Attributes:
        x: one image, (1, C, H, W), or those of an ensemble of K networks, (K, C, H, W), each fitted to the
            measurement.
        offset: added to the predictions A x of these images before the fit, (K, *measurement_shape); None for nothing.
    """

    x: Tensor
    offset: Tensor | None = None


class Companion(NamedTuple):
    """An explicit prior that is solved for the same problem as a network.

    Attributes:
        prior: the explicit prior.
        solver: the solver for it.
        share: weight of its image in the mean that is the result, from 0 to 1; the network's has the rest.
        shown: whether its image is also the network's initial estimate, `x0` in `build`, unless the user gives one.
    """

    prior: Functional | Prior
    solver: str
    share: float
    shown: bool = False


class Reparameterization(Functional):
    """A prior that sets x = f_theta(z); the solver optimises theta.

    Attributes:
        takes_complex: whether the channels of its image may be the real and the imaginary parts of a complex one. An
            image of C complex channels is then made from one of 2 C channels in [0, 1].
        default_solver: the solver that `auto` picks, such as "adam:lr=0.01,average=0.99". Its options are also the
            defaults of a given solver of the same name.
        steps: the largest number of iterations when no stopping rule is given.
        stops_early: whether such a run stops by itself before it fits the noise, by the rule `holdout`.
        held_out: the option fraction of that rule: how much each network does not fit.
        refit: the option refit of that rule: how long to continue with all measurements.
        members: the number of images that the network's `forward()` returns.
        choices: what `condition` has chosen for the user, as tuples of subject, value and reason.
        sees_estimate: whether the network's input is the initial estimate, as there is too little noise to stop for.
        solved_with: an explicit prior whose image is averaged with the network's, or shown to it; None for none. It
            is used where the network is the only term of the prior.
    """

    term_options: ClassVar[tuple[str, ...]] = ()  # x = f(z) is no addend, so it has no weight
    # Its image is in the units of the run, whatever these are.
    offset_invariant = True
    degree = 0.0
    default_solver: str | Spec = "adam:lr=0.01"
    steps: int = 1000
    stops_early: bool = False
    held_out: float = 0.05
    refit: float = 0.15
    members: int = 1
    choices: tuple[tuple[str, str, str], ...] = ()
    sees_estimate: bool = False
    solved_with: Companion | None = None

    @property
    def solver_spec(self) -> Spec:
        """`default_solver`, parsed."""
        given = self.default_solver
        return parse(given) if isinstance(given, str) else given

    def leaner(self, device: torch.device) -> Sequence[Reparameterization]:
        """Return variants that need less memory, those that cost least quality and time first; none by default.

        Args:
            device: where the variants will run; their cost depends on it.
        """
        return ()

    def condition(self, data: DataTerm) -> Reparameterization:
        """Return the prior for these data, such as one whose input is the measurement; itself by default.

        It is called again whenever the data change during a run. A conditioned prior must return itself.

        Raises:
            IncompatibleError: this prior does not suit such data.
        """
        return self

    @property
    def sees_measurement(self) -> bool:
        """Whether the network's input is the measurement, with noise that it must not pass on; by default not."""
        return False

    @property
    def kept_offset(self) -> Tensor | None:
        """The offsets of predictions that are the same at every call, (K, *measurement_shape), and 0 elsewhere.

        They are at measurements that are held out, in proportion to noise in the input. Their mean product with the
        predictions is how far these follow the noise of the measurements. None for no such offsets, the default.
        """
        return None

    def fit_all(self) -> None:
        """Prepare for the fit of all measurements, which begins now; nothing by default."""

    def reading(self, y: Tensor, noise: float) -> Reparameterization:
        """Return this prior with the measurement as its input, so that its output is an estimator h(y).

        Args:
            y: the measurement, (1, C, H, W), of the image's size.
            noise: standard deviation of the noise that is added to the input at every call.

        Returns:
            A prior with one member. Its module takes a shift, (1, C, H, W), and then returns the pair h(y),
            h(y + shift).

        Raises:
            IncompatibleError: the prior has no input that could be the measurement.
        """
        raise IncompatibleError(
            f"{plain_name(type(self))} has no input that can be the measurement."
        )

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width of the network's input for an image's; images of one input cost the same."""
        return height, width

    @abstractmethod
    def build(self, x0: Tensor, generator: torch.Generator) -> nn.Module:
        """Make a fresh network.

        Args:
            x0: an image, (1, C, H, W), with the shape, dtype and device of the output. Its values are the solver's
                initial estimate, which most networks ignore.
            generator: the source of every random number, at construction and later. Do not use the global generator.

        Returns:
            A module whose `forward()` takes no argument and returns x, (1, C, H, W), or K images, (K, C, H, W). Each
            of the K images is fitted to the measurement, and their mean is the estimate. A module that shifts its
            predictions returns an `Output`.
        """


@dataclass(frozen=True)
class Term:
    """A weighted functional of a prior.

    Attributes:
        functional: the functional R.
        given_weight: its weight in units of the data; None for an open weight, which is the default one until it is
            chosen.
        unit: the factor from a weight in units of the data to the one in units of a run.
    """

    functional: Functional
    given_weight: float | None = None
    unit: float = 1.0

    @property
    def weight(self) -> float:
        """The weight in use, in units of the data: the given one, or the functional's default."""
        default = self.functional.default_weight / self.unit
        return default if self.given_weight is None else self.given_weight

    @property
    def factor(self) -> float:
        """The weight in use, in units of the run: the factor of R in the objective."""
        if self.given_weight is None:
            return self.functional.default_weight
        return self.given_weight * self.unit

    def standardised(self, scale: float) -> Term:
        """Return the term for a run whose unit of intensity is `scale`, in units of the data."""
        degree = self.functional.degree or 0.0
        return replace(self, functional=self.functional.rescaled(scale), unit=scale**degree)

    def at(self, factor: float) -> Term:
        """Return the term with a weight of `factor` times the default, rounded to three digits in units of the run."""
        # In units of the run, so that a search takes the same path at every scale of the data.
        weight = float(f"{self.functional.default_weight * factor:.3g}")
        # Few digits again where it is recorded, since the recorded weight must repeat the run.
        return replace(self, given_weight=float(f"{weight / self.unit:.6g}"))

    @property
    def takes_weight(self) -> bool:
        """Whether the result depends on the weight."""
        functional = self.functional
        return "weight" in functional.term_options and not functional.is_flat

    def __repr__(self) -> str:
        weight = "" if self.given_weight is None else f"{self.given_weight:g} * "
        return f"{weight}{self.functional!r}"


@dataclass(frozen=True)
class Prior:
    """A sum of weighted terms; `+` and `*` make one."""

    terms: tuple[Term, ...]

    def __repr__(self) -> str:
        return " + ".join(map(repr, self.terms))

    def __add__(self, other: Functional | Prior) -> Prior:
        return Prior(self.terms + as_prior(other).terms)

    def __mul__(self, weight: float) -> Prior:
        if not (isinstance(weight, int | float) and 0 <= weight < math.inf):
            raise OptionError(
                f"The weight of a prior must be a finite number >= 0; got {weight!r}."
            )
        for term in self.terms:
            if isinstance(term.functional, Reparameterization):
                name = type(term.functional).__name__
                raise OptionError(
                    f"{name} sets x = f(z) and takes no weight; weight the terms added to it."
                )
        # An open weight counts as 1: 0.1 * TV() has the weight 0.1, whatever the default.
        return Prior(
            tuple(
                Term(t.functional, weight * (1.0 if t.given_weight is None else t.given_weight))
                for t in self.terms
            )
        )

    __rmul__ = __mul__


def as_prior(prior: Any) -> Prior:
    """Return a functional as a sum of one term; a `Prior` is returned unchanged.

    Raises:
        OptionError: it is neither.
    """
    if isinstance(prior, Prior):
        return prior
    if isinstance(prior, Functional):
        return Prior((Term(prior),))
    raise OptionError(
        "The prior must be a Penalty, a Proximable, a Reparameterization or a sum of them; "
        f"got {type(prior).__name__}. Derive your class from one of these forms."
    )
