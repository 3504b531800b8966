"""Checks of priors that have a value, a prox or both."""

from __future__ import annotations

import math
from collections.abc import Sequence

from invprior.errors import IncompatibleError
from invprior.numerics.tensor_diff import difference
from invprior.problem.complex_terms import in_parts
from invprior.problem.functionals import Functional, Penalty, Proximable
from invprior.testing.derivatives import automatic, gradient_fault, lipschitz_note
from invprior.testing.method_calls import MethodCall
from invprior.testing.proxes import firmness, minimises, one_function, settles, stretch_note
from invprior.testing.report import Check, Fault, Skip, checks_for, first_line
from invprior.testing.sample_tensors import ODD_SIZES, SIZE, extremes, images, noise
from invprior.testing.tensor_methods import require_finite, tensor_method_checks

_TAU = 0.05
_SLACK = 1e-2  # of the squared distance: a prox that iterates ends near its minimum, not at it


def _differentiable(prior: Penalty) -> bool:
    """Return whether the prior offers a gradient; a penalty that counts, such as l0, refuses to."""
    try:
        prior.gradient(images(2, 4, 8, 7))
    except IncompatibleError:
        return False
    return True


def _require_gradient(prior: Penalty) -> None:
    """Skip the check of a prior without a gradient.

    Raises:
        Skip: it refuses to give one.
    """
    if not _differentiable(prior):
        raise Skip("it refuses to give a gradient")


def _value_calls(prior: Penalty) -> Sequence[MethodCall]:
    calls = [MethodCall("value", prior, lambda p, x: p.value(x), (images(),), (2,))]
    if _differentiable(prior):
        calls.append(MethodCall("gradient", prior, lambda p, x: p.gradient(x), (images(),), SIZE))
    return calls


def _calls(prior: Functional) -> Sequence[MethodCall]:
    calls: list[MethodCall] = []
    if isinstance(prior, Penalty):
        calls += _value_calls(prior)
    if isinstance(prior, Proximable):
        calls.append(MethodCall("prox", prior, lambda p, x: p.prox(x, _TAU), (images(),), SIZE))
    return calls


def any_size(prior: Functional) -> None:
    """Images of any size and any number of channels are accepted, single pixels included."""
    for shape in ODD_SIZES:
        x = images(*shape)
        if isinstance(prior, Proximable) and prior.prox(x, _TAU).shape != x.shape:
            raise Fault(f"prox of {shape} returns {tuple(prior.prox(x, _TAU).shape)}")
        if isinstance(prior, Penalty) and prior.value(x).shape != (1,):
            raise Fault(f"value of {shape} returns {tuple(prior.value(x).shape)}, should be (1,)")


def finite(prior: Functional) -> None:
    """Value, gradient and prox are finite on flat and black images and outside [0, 1]."""
    require_finite(_calls(prior), extremes())


def gradient(prior: Penalty) -> None:
    """`gradient` is the derivative of `value`."""
    x = images()
    _require_gradient(prior)
    wrong = gradient_fault(prior.value, prior.gradient(x), x)
    if wrong:
        raise Fault(f"the gradient, compared with the change of value, is {wrong}")


def autograd(prior: Penalty) -> None:
    """Autograd's gradient of `value` is `gradient`, so that the prior can be added to a network's energy."""
    x = images()
    _require_gradient(prior)
    try:
        slope = automatic(prior.value, x)
    except RuntimeError as error:
        raise Fault(f"autograd does not pass through value: {first_line(error)}") from None
    wrong = difference(prior.gradient(x), slope, 1e-4)
    if wrong:
        raise Fault(f"the gradient, compared with autograd's, is {wrong}")


def lipschitz(prior: Penalty) -> str | None:
    """`lipschitz` is an upper bound on the Lipschitz constant of the gradient."""
    return lipschitz_note(prior.lipschitz(), prior.gradient, (images(), 0.1 * noise()))


def prox(prior: Proximable) -> None:
    """`prox` is the minimiser of tau R(x) + 1/2 ||x - v||^2."""
    v = images(2, 3, 8, 7)
    settles(prior.prox, v)
    if not isinstance(prior, Penalty):
        raise Skip("it has no value to compare its prox with")
    minimises(prior.value, prior.prox, v, descend=prior.convex and _differentiable(prior))


def firm(prior: Proximable) -> str:
    """The prox of a convex function is firmly non-expansive; for others the largest stretch is reported."""
    worst, stretch, product = firmness(prior.prox, images())
    text = stretch_note(stretch)
    if prior.convex and worst > _SLACK:
        reason = (
            "it expands distances" if stretch > 1.0 + _SLACK else "it is not firmly non-expansive"
        )
        raise Fault(
            f"{reason}, but the prox of a convex function cannot: {text}; ||P a - P b||^2 exceeds <P a - P b, a - b> "
            f"by {worst:.2g} ||a - b||^2. Set convex = False if the prior is not convex"
        )
    if prior.convex:
        one_function(product)
    return text


def complex_images(prior: Functional) -> None:
    """A prior that takes complex images has a value, a gradient and a prox of both parts that belong together."""
    if not prior.takes_complex:
        raise Skip("it does not say that it takes complex images (takes_complex)")
    # On real and imaginary parts, as a run works, where the checks of real priors apply.
    both: Functional = in_parts(prior)
    v = images(2, 4, 8, 7) - 0.4  # in all four quadrants
    if isinstance(both, Penalty) and both.value(v).is_complex():
        raise Fault("its value of complex images is complex, should be real")
    if isinstance(both, Penalty) and _differentiable(both):
        wrong = difference(both.gradient(v), automatic(both.value, v), 1e-4)
        if wrong:
            raise Fault(f"on complex images the gradient, compared with autograd's, is {wrong}")
    if isinstance(both, Proximable):
        # All but the identity, so that a part that is lost shows.
        wrong = difference(both.prox(v, 1e-8), v, 1e-2)
        if wrong and not both.projects:
            raise Fault(f"as tau goes to 0 its prox of complex images is {wrong}, not the images")
        if isinstance(both, Penalty):
            minimises(both.value, both.prox, v, descend=both.convex and _differentiable(both))


def weight(prior: Functional) -> None:
    """Default_weight is a finite number that is not negative."""
    value = prior.default_weight
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise Fault(f"default_weight is {value!r}, should be a finite number >= 0")


def units(prior: Functional) -> None:
    """`offset_invariant` and `degree` are true: a run that shifts or scales intensities relies on both."""
    x, c = images(), 0.3
    if isinstance(prior, Penalty) and prior.degree is not None:
        _require_degree(prior)
    if not prior.offset_invariant:
        return
    pairs = {}
    if isinstance(prior, Penalty):
        pairs["value"] = (prior.value(x + c), prior.value(x))
    if isinstance(prior, Proximable):
        pairs["prox"] = (prior.prox(x + c, _TAU) - c, prior.prox(x, _TAU))
    for name, (moved, still) in pairs.items():
        wrong = difference(moved, still, 1e-2)
        if wrong:
            raise Fault(
                f"offset_invariant is True, but with {c:g} added to the image {name} is {wrong}"
            )


def _require_degree(prior: Penalty) -> None:
    """Require the degree of a value that is homogeneous; of any other there is none to compare.

    Raises:
        Fault: it has another degree than it says.
    """
    x = images()
    for degree in (0.5, 1.0, 2.0, 3.0, 4.0):
        # At two factors, as a value that is not homogeneous may pass at one.
        fits = [
            difference(prior.value(s * x), s**degree * prior.value(x), 1e-6) is None
            for s in (2.0, 0.3)
        ]
        flat = not bool(prior.value(x).any())
        if all(fits) and not flat and degree != prior.degree:
            raise Fault(
                f"R(2 x) is {2**degree:g} R(x), but degree is {prior.degree:g}: set degree = {degree:g}, "
                "or its weight changes with the unit of intensities"
            )


def prior_checks() -> tuple[Check, ...]:
    """Return the checks of priors in pixels: of each, then of those with a value, then of those with a prox."""
    return (
        *tensor_method_checks((Penalty, Proximable), _calls),
        *checks_for((Penalty, Proximable), any_size, finite, complex_images, weight, units),
        *checks_for(Penalty, gradient, autograd, lipschitz),
        *checks_for(Proximable, prox, firm),
    )
