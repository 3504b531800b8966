"""Checks of priors that have a value, or a prox, or both."""

from __future__ import annotations

import math
from collections.abc import Sequence

from invprior.errors import IncompatibleError
from invprior.numerics.tensor_diff import difference
from invprior.problem.functionals import Functional, Penalty, Proximable
from invprior.testing.derivatives import automatic, curvature_found, gradient_fault
from invprior.testing.method_calls import ODD_SIZES, SIZE, Use, extremes, images, noise
from invprior.testing.proxes import firmness, minimises
from invprior.testing.report import Check, Fault, Skip, checks_for
from invprior.testing.tensor_methods import map_checks

_TAU = 0.05
_SLACK = 1e-2  # of the squared distance: a prox that iterates ends near its minimum, not at it


def _differentiable(prior: Penalty) -> bool:
    """Whether it offers a gradient; a value that only counts refuses to give one."""
    try:
        prior.gradient(images())
    except IncompatibleError:
        return False
    return True


def _value_uses(prior: Penalty) -> Sequence[Use]:
    uses = [Use("value", prior, lambda p, x: p.value(x), (images(),), (2,))]
    if _differentiable(prior):
        uses.append(Use("gradient", prior, lambda p, x: p.gradient(x), (images(),), SIZE))
    return uses


def _uses(prior: Functional) -> Sequence[Use]:
    uses: list[Use] = []
    if isinstance(prior, Penalty):
        uses += _value_uses(prior)
    if isinstance(prior, Proximable):
        uses.append(Use("prox", prior, lambda p, x: p.prox(x, _TAU), (images(),), SIZE))
    return uses


def any_size(prior: Functional) -> None:
    """Images of any size and number of channels will do, single pixels too."""
    for shape in ODD_SIZES:
        x = images(*shape)
        if isinstance(prior, Proximable) and prior.prox(x, _TAU).shape != x.shape:
            raise Fault(f"prox of {shape} returns {tuple(prior.prox(x, _TAU).shape)}")
        if isinstance(prior, Penalty) and prior.value(x).shape != (1,):
            raise Fault(f"value of {shape} returns {tuple(prior.value(x).shape)}, should be (1,)")


def finite(prior: Functional) -> None:
    """Values, gradients and proxes are finite on flat and black images and outside [0, 1] too."""
    for name, x in extremes().items():
        for use in _uses(prior):
            if not bool(use.of(x).isfinite().all()):
                raise Fault(f"{use.name} is not finite on {name} images")


def gradient(prior: Penalty) -> None:
    """`gradient` is the slope of `value`."""
    x = images()
    if not _differentiable(prior):
        raise Skip("it says that its value has no gradient")
    wrong = gradient_fault(prior.value, prior.gradient(x), x)
    if wrong:
        raise Fault(f"the gradient, compared with the change of value, is {wrong}")


def autograd(prior: Penalty) -> None:
    """Autograd's gradient of `value` is `gradient`, so that the prior can be added to a network's energy."""
    x = images()
    if not _differentiable(prior):
        raise Skip("it says that its value has no gradient")
    try:
        slope = automatic(prior.value, x)
    except RuntimeError as error:
        first = str(error).partition("\n")[0]
        raise Fault(f"autograd does not pass through value: {first}") from None
    wrong = difference(prior.gradient(x), slope, 1e-4)
    if wrong:
        raise Fault(f"the gradient, compared with autograd's, is {wrong}")


def lipschitz(prior: Penalty) -> str | None:
    """`lipschitz` is an upper bound on how fast the gradient changes."""
    claimed = prior.lipschitz()
    if math.isinf(claimed):
        return None
    found = max(curvature_found(prior.gradient, x) for x in (images(), 0.1 * noise()))
    if not found <= claimed * 1.001 + 1e-9:
        raise Fault(
            f"curvature() is {claimed:.3g}, but the gradient changes by {found:.3g} times the step"
        )
    return f"curvature() is {claimed:.3g}, the largest found {found:.3g}"


def prox(prior: Proximable) -> None:
    """`prox` is the minimiser of tau R(x) + 1/2 ||x - v||^2."""
    if not isinstance(prior, Penalty):
        raise Skip("it has no value to compare its prox with")
    v = images(2, 3, 8, 7)
    minimises(prior.value, prior.prox, v, descend=prior.convex and _differentiable(prior))


def firm(prior: Proximable) -> str:
    """The prox of a convex function is firmly non-expansive; for others the largest stretch is reported."""
    worst, stretch = firmness(prior.prox, images())
    text = f"it stretches distances by {stretch:.3g} at most among the pairs tried"
    if prior.convex and worst > _SLACK:
        reason = (
            "it expands distances" if stretch > 1.0 + _SLACK else "it is not firmly non-expansive"
        )
        raise Fault(
            f"{reason}, as the prox of a convex function does not: {text}, ||P a - P b||^2 exceeds <P a - P b, a - b> "
            f"by {worst:.2g} ||a - b||^2; set convex = False if it is none"
        )
    return text


def weight(prior: Functional) -> None:
    """Default_weight is a finite number that is not negative."""
    value = prior.default_weight
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise Fault(f"default_weight is {value!r}, should be a finite number >= 0")


def prior_checks() -> tuple[Check, ...]:
    """Of priors in pixels: every one, then those with a value, then those with a prox."""
    return (
        *map_checks((Penalty, Proximable), _uses),
        *checks_for((Penalty, Proximable), any_size, finite, weight),
        *checks_for(Penalty, gradient, autograd, lipschitz),
        *checks_for(Proximable, prox, firm),
    )
