"""Checks of fidelities."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from invprior.fidelities.base import Fidelity, ProximableFidelity, QuadraticFidelity
from invprior.numerics.tensor_diff import difference, scale_of
from invprior.testing.derivatives import automatic, gradient_fault, lipschitz_note
from invprior.testing.method_calls import MethodCall
from invprior.testing.proxes import minimises
from invprior.testing.report import Check, Fault, Skip, checks_for
from invprior.testing.sample_tensors import SIZE, images, noise
from invprior.testing.tensor_methods import require_finite, tensor_method_checks

_SIGMA = 0.1
_OFFSET = 0.03  # of a prediction from y, in intensities


def known(fidelity: Fidelity) -> Fidelity:
    """Return the fidelity with its open noise parameter set, as a problem sets it."""
    return fidelity.with_noise_level(_SIGMA)


def data() -> tuple[Tensor, Tensor]:
    """Return a prediction and a measurement, float64, with dark pixels and predictions below 0."""
    y = images()
    y[..., 0] = 0.0  # photon counts of 0, and logarithms of predictions below 0, need care
    return y + 0.2 * noise() - 0.05, y


def _calls(fidelity: Fidelity) -> Sequence[MethodCall]:
    fit = known(fidelity)
    calls = [
        MethodCall("value", fit, lambda f, p, y: f.value(p, y), data(), (2,)),
        MethodCall("gradient", fit, lambda f, p, y: f.gradient(p, y), data(), SIZE),
    ]
    if isinstance(fit, ProximableFidelity):
        calls.append(MethodCall("prox", fit, lambda f, p, y: f.prox(p, y, 0.02), data(), SIZE))
    return calls


def finite(fidelity: Fidelity) -> None:
    """Value, gradient and prox are finite at any prediction, black, negative and bright ones included."""
    _, y = data()
    inputs = {
        "black predictions": (torch.zeros_like(y), y),
        "negative predictions": (-y - 1.0, y),
        "bright predictions": (9.0 * y, y),
    }
    require_finite(_calls(fidelity), inputs)


def total(fidelity: Fidelity) -> None:
    """The value is a sum over measurements, so that weights mean the same for images of every size."""
    fit, (p, y) = known(fidelity), data()
    # A mean stays the same when the data are repeated, which is half of what a sum gives.
    twice = fit.value(torch.cat([p, p], -1), torch.cat([y, y], -1))
    expected = 2.0 * fit.value(p, y)
    scale = scale_of(twice, expected)
    if scale is not None and math.isclose(scale, 0.5, rel_tol=1e-3):
        raise Fault("it is the mean over measurements, should be the sum")
    wrong = difference(twice, expected, 1e-4)
    if wrong:
        raise Fault(f"its value for the same data twice, compared with twice the value, is {wrong}")


def explains(fidelity: Fidelity) -> None:
    """Predictions far from y cost more than predictions near it, and y itself, or nearly so, costs least."""
    fit, (_, y) = known(fidelity), data()
    near, far, further = (fit.value(y + d, y) for d in (0.0, 0.3, 0.9))
    if not bool(((near < far) & (far < further)).all()):
        raise Fault("it does not grow with the distance of the prediction from y")
    # Some likelihoods are a little off, as that of magnitudes, by about half the variance.
    steps = [_OFFSET * k for k in range(-9, 10)]
    best = y - getattr(fit, "background", 0.0)  # what the measurement has beside the prediction
    totals = [float(fit.value(best + d, y).sum()) for d in steps]
    least = min(range(len(steps)), key=totals.__getitem__)
    if abs(steps[least]) > 1e-9:
        raise Fault(
            f"it is biased: y {steps[least]:+.2g} costs less than y itself as the prediction"
        )


def gradient(fidelity: Fidelity) -> None:
    """`gradient` is the derivative of `value` in the prediction, and equals autograd's."""
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
    return lipschitz_note(fit.lipschitz(), lambda x: fit.gradient(x, y), [p])


def noise_level(fidelity: Fidelity) -> None:
    """`with_noise_level` sets an open noise parameter in a new object, and leaves a set one alone."""
    before = fidelity.noise_level
    fit = known(fidelity)
    if fidelity.noise_level != before:
        raise Fault("with_noise_level changes the fidelity itself; return a new one")
    if type(fit) is not type(fidelity):
        raise Fault(f"with_noise_level returns another class, {type(fit).__name__}")
    if before is None and fit is not fidelity:
        level = fit.noise_level
        # Noise that grows with the intensity has no single level: None is right for it.
        if level is not None and not math.isclose(level, _SIGMA, rel_tol=1e-6):
            raise Fault(f"with_noise_level({_SIGMA}) gives a noise_level of {level}")
    # Any level but the one that is set already.
    again = fit.with_noise_level(9.0).noise_level
    if fit.noise_level is not None and again != fit.noise_level:
        raise Fault(
            f"with_noise_level changes a level that is already set, from {fit.noise_level} to {again}"
        )


def noise_variance(fidelity: Fidelity) -> None:
    """`noise_variance` is a scalar or one value for each measurement, and none is negative or non-finite."""
    _, y = data()
    variance = known(fidelity).noise_variance(y)
    if variance is None:
        raise Skip("it knows no variance")
    if variance.shape not in ((), y.shape):
        raise Fault(
            f"noise_variance has shape {tuple(variance.shape)}, should be () or {tuple(y.shape)}"
        )
    if not bool(((variance >= 0) & variance.isfinite()).all()):
        raise Fault("noise_variance has negative or non-finite values")


def units(fidelity: Fidelity) -> None:
    """`rescaled` is the same fidelity in another unit, and `offset_invariant` is true, as a run relies on both."""
    fit, (p, y) = known(fidelity), data()
    scale, c = 4.0, 0.3
    wrong = difference(fit.rescaled(scale).value(p / scale, y / scale), fit.value(p, y), 1e-4)
    if wrong:
        raise Fault(f"rescaled({scale:g}), of prediction and y in that unit, is {wrong}")
    if fit.offset_invariant:
        wrong = difference(fit.value(p + c, y + c), fit.value(p, y), 1e-4)
        if wrong:
            raise Fault(
                f"offset_invariant is True, but with {c:g} added to prediction and y the value is {wrong}"
            )


def prox(fidelity: ProximableFidelity) -> None:
    """`prox` is the minimiser of tau E(p; y) + 1/2 ||p - v||^2."""
    fit, (v, y) = known(fidelity), data()
    assert isinstance(fit, ProximableFidelity)
    minimises(lambda p: fit.value(p, y), lambda p, tau: fit.prox(p, y, tau), v)


def quadratic(fidelity: QuadraticFidelity) -> None:
    """The value is precision / 2 ||prediction - y||^2, as the solvers' closed forms assume."""
    fit, (p, y) = known(fidelity), data()
    assert isinstance(fit, QuadraticFidelity)
    expected = 0.5 * fit.precision * (p - y).square().flatten(1).sum(1)
    wrong = difference(fit.value(p, y), expected, 1e-4)
    if wrong:
        raise Fault(f"the value, compared with precision / 2 ||prediction - y||^2, is {wrong}")


def fidelity_checks() -> tuple[Check, ...]:
    """Return the checks of every fidelity, then of those with a prox, then of quadratic ones."""
    return (
        *tensor_method_checks(Fidelity, _calls),
        *checks_for(Fidelity, finite, total, explains, gradient, lipschitz),
        *checks_for(Fidelity, noise_level, noise_variance, units),
        *checks_for(ProximableFidelity, prox),
        *checks_for(QuadraticFidelity, quadratic),
    )
