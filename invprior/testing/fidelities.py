"""Checks of fidelities."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from invprior.fidelities.base import Fidelity, ProximableFidelity, QuadraticFidelity
from invprior.numerics.tensor_diff import difference
from invprior.testing.derivatives import automatic, curvature_found, gradient_fault
from invprior.testing.method_calls import SIZE, Use, images, noise
from invprior.testing.proxes import minimises
from invprior.testing.report import Check, Fault, checks_for
from invprior.testing.tensor_methods import map_checks

_SIGMA = 0.1


def known(fidelity: Fidelity) -> Fidelity:
    """The fidelity with its open noise parameter set, as a problem sets it."""
    return fidelity.with_noise_level(_SIGMA)


def data() -> tuple[Tensor, Tensor]:
    """A prediction and a measurement, float64, with dark pixels and predictions below 0."""
    y = images()
    y[..., 0] = 0.0
    return y + 0.2 * noise() - 0.05, y


def _uses(fidelity: Fidelity) -> Sequence[Use]:
    fit = known(fidelity)
    uses = [
        Use("value", fit, lambda f, p, y: f.value(p, y), data(), (2,)),
        Use("gradient", fit, lambda f, p, y: f.gradient(p, y), data(), SIZE),
    ]
    if isinstance(fit, ProximableFidelity):
        uses.append(Use("prox", fit, lambda f, p, y: f.prox(p, y, 0.02), data(), SIZE))
    return uses


def finite(fidelity: Fidelity) -> None:
    """It is finite, with its gradient, at any prediction: black, negative and bright ones too."""
    _, y = data()
    for name, p in (("black", torch.zeros_like(y)), ("negative", -y - 1.0), ("bright", 9.0 * y)):
        for use in _uses(fidelity):
            if not bool(use.of(p, y).isfinite().all()):
                raise Fault(f"{use.name} is not finite at {name} predictions")


def total(fidelity: Fidelity) -> None:
    """It sums over measurements, so that weights mean the same for images of every size."""
    fit, (p, y) = known(fidelity), data()
    once = fit.value(p, y)
    wrong = difference(fit.value(torch.cat([p, p], -1), torch.cat([y, y], -1)), 2.0 * once, 1e-4)
    if wrong == "scaled by 0.5, should be 1":
        raise Fault("it is the mean over measurements, should be the sum")
    if wrong:
        raise Fault(f"its value for the same data twice, compared with twice the value, is {wrong}")


def explains(fidelity: Fidelity) -> None:
    """Predictions that are far from y cost more than those that are near."""
    fit, (_, y) = known(fidelity), data()
    near, far, further = (fit.value(y + d, y) for d in (0.0, 0.3, 0.9))
    if not bool(((near < far) & (far < further)).all()):
        raise Fault("it does not grow with the distance of the prediction from y")


def gradient(fidelity: Fidelity) -> None:
    """`gradient` is the slope of `value` in the prediction, and autograd's too."""
    fit, (p, y) = known(fidelity), data()
    found = fit.gradient(p, y)
    wrong = gradient_fault(lambda x: fit.value(x, y), found, p)
    if wrong:
        raise Fault(f"the gradient, compared with the change of value, is {wrong}")
    wrong = difference(found, automatic(lambda x: fit.value(x, y), p), 1e-4)
    if wrong:
        raise Fault(f"the gradient, compared with autograd's, is {wrong}")


def lipschitz(fidelity: Fidelity) -> str | None:
    """`lipschitz` is an upper bound on the second derivative."""
    fit, (p, y) = known(fidelity), data()
    claimed = fit.lipschitz()
    if math.isinf(claimed):
        return None
    found = curvature_found(lambda x: fit.gradient(x, y), p)
    if not found <= claimed * 1.001:
        raise Fault(
            f"curvature() is {claimed:.3g}, but the gradient changes by {found:.3g} times the step"
        )
    return f"curvature() is {claimed:.3g}, the largest found {found:.3g}"


def noise_level(fidelity: Fidelity) -> None:
    """`with_noise_level` sets what is open, in a new object, and leaves alone what is set."""
    before = fidelity.noise_level
    fit = known(fidelity)
    if fidelity.noise_level != before:
        raise Fault("with_noise_level changes the fidelity itself; return a new one")
    if type(fit) is not type(fidelity):
        raise Fault(f"with_noise_level returns another class, {type(fit).__name__}")
    if before is None and fit is not fidelity:
        level = fit.noise_level
        # None is right for a noise that grows with the intensity: it has no single level.
        if level is not None and not math.isclose(level, _SIGMA, rel_tol=1e-6):
            raise Fault(f"with_noise_level({_SIGMA}) gives a noise_level of {level}")
    again = fit.with_noise_level(9.0).noise_level
    if fit.noise_level is not None and again != fit.noise_level:
        raise Fault(
            f"with_noise_level changes a level that is set, from {fit.noise_level} to {again}"
        )


def prox(fidelity: ProximableFidelity) -> None:
    """`prox` is the minimiser of tau E(p; y) + 1/2 ||p - v||^2."""
    fit, (v, y) = known(fidelity), data()
    assert isinstance(fit, ProximableFidelity)
    minimises(lambda p: fit.value(p, y), lambda p, tau: fit.prox(p, y, tau), v)


def quadratic(fidelity: QuadraticFidelity) -> None:
    """Its value is precision / 2 ||prediction - y||^2, as the solvers' closed forms take it to be."""
    fit, (p, y) = known(fidelity), data()
    assert isinstance(fit, QuadraticFidelity)
    expected = 0.5 * fit.precision * (p - y).square().flatten(1).sum(1)
    wrong = difference(fit.value(p, y), expected, 1e-4)
    if wrong:
        raise Fault(f"the value, compared with precision / 2 ||prediction - y||^2, is {wrong}")


def fidelity_checks() -> tuple[Check, ...]:
    """Of every fidelity, then of those with a prox, then of quadratic ones."""
    return (
        *map_checks(Fidelity, _uses),
        *checks_for(Fidelity, finite, total, explains, gradient, lipschitz, noise_level),
        *checks_for(ProximableFidelity, prox),
        *checks_for(QuadraticFidelity, quadratic),
    )
