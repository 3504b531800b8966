"""Priors as functionals, in three typed forms, and their weighted sums.

A prior is any class that derives from one or more of the forms:

* `Penalty` has a value that autograd can differentiate;
* `Proximable` has a proximal map (or a denoiser in its place);
* `Reparameterization` sets x = f_theta(z) and optimises theta, as Deep Image Prior does.

`0.1 * TV() + Wavelet()` is a sum of terms. The weight of a term without one is chosen from the
measurement, beginning at the prior's `default_weight`; see `invprior.tuning.search`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from invprior.errors import IncompatibleError, OptionError
from invprior.numerics.box import Box
from invprior.problem.data import DataTerm
from invprior.registry.options import plain_name, short_repr
from invprior.registry.plugin import Plugin
from invprior.registry.spec import Spec, parse


class Functional(nn.Module, ABC, metaclass=Plugin):
    """Base of every prior; derive from one of the three forms, not from this.

    Attributes:
        term_options: what a term's spec may hold beside the constructor's options.
        default_weight: where the search for a term's weight begins when none is given, and the weight where nothing is
            searched; with the fidelity a negative log-likelihood, one value serves all noise levels.
    """

    plugin_group: ClassVar[str] = "priors"
    default_weight: float = 1.0
    term_options: ClassVar[tuple[str, ...]] = ("weight",)

    def restrict(self, box: Box) -> Functional:
        """Restrict R to a box of the image, as tiles need it; itself when it holds nothing of an image's size."""
        return self

    @property
    def is_flat(self) -> bool:
        """Whether R is the same for every image, as with `none`."""
        return False

    def __mul__(self, weight: float) -> Prior:
        return Prior((Term(self),)) * weight

    __rmul__ = __mul__

    def __add__(self, other: Functional | Prior) -> Prior:
        return Prior((Term(self),)) + other

    def __repr__(self) -> str:
        return short_repr(self)


class Penalty(Functional):
    """A prior with a value R(x); autograd gives its gradient."""

    @abstractmethod
    def value(self, x: Tensor) -> Tensor:
        """Compute R of each image.

        Args:
            x: images, (B, C, H, W), intensities in [0, 1].

        Returns:
            R(x), (B,); it must not let one image influence another.
        """

    def gradient(self, x: Tensor) -> Tensor:
        """Gradient of R at x, (B, C, H, W); by autograd unless a prior knows better."""
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.value(x).sum(), x)
        return gradient

    def lipschitz(self) -> float:
        """Upper bound on the Lipschitz constant of the gradient; infinite when R is not smooth."""
        return math.inf

    @property
    def is_flat(self) -> bool:
        """Whether R has no curvature anywhere."""
        return self.lipschitz() == 0


class Proximable(Functional):
    """A prior with a proximal map.

    Attributes:
        convex: whether the map is the prox of a convex function; not so for most denoisers in its place. Solvers then
            hold its strength to the noise level instead of adapting it.
    """

    convex: bool = True

    @abstractmethod
    def prox(self, v: Tensor, tau: float) -> Tensor:
        """Return argmin_x tau R(x) + 1/2 ||x - v||^2 for each image.

        Args:
            v: images, (B, C, H, W).
            tau: the step times the weight, positive. A denoiser in the prox's place takes the noise
                level sqrt(tau).
        """

    def degrees_of_freedom(self, v: Tensor, tau: float) -> float | None:
        """The trace of the prox's derivative at v, summed over the batch, where it has a closed form; else None.

        A weight chosen for denoising then needs no random probe.
        """
        return None


class Output(NamedTuple):
    """What the variable of a reparameterisation returns.

    Attributes:
        x: one image, (1, C, H, W), or K of an ensemble, (K, C, H, W), each of which is fitted to the measurement.
        offset: what the fit adds to the predictions A x of these images, (K, *measurement_shape); None for nothing.
    """

    x: Tensor
    offset: Tensor | None = None


class Reparameterization(Functional):
    """A prior that sets x = f_theta(z): the solver optimises theta.

    Attributes:
        default_solver: the solver that `auto` takes, such as "adam:lr=0.01,average=0.99". Its options stand in for
            those that a solver of the same name is not given.
        steps: how many iterations to run at most when no stopping rule is given.
        stops_early: whether such a run should end by itself before it fits the noise.
        members: how many images `forward()` of the network returns.
        choices: what `condition` has chosen for the user: what, its value, and the reason.
    """

    term_options: ClassVar[tuple[str, ...]] = ()
    default_solver: str | Spec = "adam:lr=0.01"
    steps: int = 1000
    stops_early: bool = False
    members: int = 1
    choices: tuple[tuple[str, str, str], ...] = ()

    @property
    def solver_spec(self) -> Spec:
        """`default_solver`, parsed."""
        given = self.default_solver
        return parse(given) if isinstance(given, str) else given

    def leaner(self, device: torch.device) -> Sequence[Reparameterization]:
        """Return variants that need less memory, the cheapest in quality and time first; none by default.

        Args:
            device: where the variants will run, which decides what is cheap.
        """
        return ()

    def condition(self, data: DataTerm) -> Reparameterization:
        """Return the prior that fits these data, as one that takes the measurement for its input; itself by default.

        A solver asks again when a run changes what it fits. A prior that is conditioned already returns itself.

        Raises:
            IncompatibleError: this prior is not for such data.
        """
        return self

    def reading(self, y: Tensor, noise: float) -> Reparameterization:
        """Return the prior whose input is the measurement, so that its output is an estimator h(y).

        Args:
            y: the measurement, (1, C, H, W), of the image's size.
            noise: standard deviation of the noise that is added to the input at every call.

        Returns:
            A prior of one member. Called with a shift, (1, C, H, W), its module also returns the output at the shifted
            input: the pair h(y), h(y + shift).

        Raises:
            IncompatibleError: the prior has no input that could be the measurement.
        """
        raise IncompatibleError(
            f"{plain_name(type(self))} has no input that can be the measurement."
        )

    @abstractmethod
    def build(self, x0: Tensor, generator: torch.Generator) -> nn.Module:
        """Make a fresh network.

        Args:
            x0: an image of the shape, dtype and device that the output must have, (1, C, H, W). Its values are the
                solver's initial estimate, which most networks ignore.
            generator: the source of every random number, at construction and later; never the global one.

        Returns:
            A module whose `forward()` takes nothing and returns x, (1, C, H, W), or K images, (K, C, H, W), each
            fitted to the measurement by itself; their mean is then the estimate. A module that also shifts what is
            fitted returns an `Output`.
        """


@dataclass(frozen=True)
class Term:
    """One weighted functional of a prior; `given_weight` None is open: to be chosen, and till then the default."""

    functional: Functional
    given_weight: float | None = None

    @property
    def weight(self) -> float:
        """The weight that counts."""
        return self.functional.default_weight if self.given_weight is None else self.given_weight

    @property
    def takes_weight(self) -> bool:
        """Whether another weight would give another result."""
        functional = self.functional
        return not isinstance(functional, Reparameterization) and not functional.is_flat

    def __repr__(self) -> str:
        weight = "" if self.given_weight is None else f"{self.given_weight:g} * "
        return f"{weight}{self.functional!r}"


@dataclass(frozen=True)
class Prior:
    """A sum of weighted terms, made by `+` and `*`."""

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
        return Prior(
            tuple(
                Term(t.functional, weight * (1.0 if t.given_weight is None else t.given_weight))
                for t in self.terms
            )
        )

    __rmul__ = __mul__


def as_prior(prior: Any) -> Prior:
    """Wrap a functional as a sum of one term; a `Prior` stays as it is."""
    if isinstance(prior, Prior):
        return prior
    if isinstance(prior, Functional):
        return Prior((Term(prior),))
    raise OptionError(
        "The prior must be a Penalty, a Proximable, a Reparameterization or a sum of them; "
        f"got {type(prior).__name__}. Derive your class from one of these forms."
    )
