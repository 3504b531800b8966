"""Proximal maps compared with the minimisation that defines them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TypeAlias

import torch
from torch import Tensor

from invprior.errors import InvpriorError
from invprior.numerics.tensor_diff import difference, scale_of
from invprior.testing.derivatives import automatic
from invprior.testing.report import Fault
from invprior.testing.sample_tensors import noise

Values: TypeAlias = Callable[[Tensor], Tensor]
Prox: TypeAlias = Callable[[Tensor, float], Tensor]
# From nearly the identity to a strong step. Errors count relative to the step, so that none is too small to see.
TAUS = (1e-4, 0.05, 1.0)
_SLACK = 1.5e-3  # of the squared step: a prox that iterates ends near its minimum, not at it
# Least relative product of changes of image and subgradient; a prox that iterates may turn them a little.
_TURNED = -0.05


def minimises(value: Values, prox: Prox, v: Tensor, *, descend: bool = True) -> None:
    """Require that prox(v, tau) minimises tau R(x) + 1/2 ||x - v||^2: no point tried may have a lower energy.

    The points tried are around the result and towards v, and results for other tau. Where R is convex, the end of a
    descent by quasi-Newton steps is tried too.

    Args:
        value: R, (B, ...) to (B,).
        prox: its proximal map.
        v: (B, ...), in float64.
        descend: whether R is convex and has a gradient.

    Raises:
        Fault: with the distance of the result from the minimiser, or with the tau that the prox used.
    """
    scale = _scale(value, prox, v)
    if scale is not None:
        raise Fault(f"the prox uses {scale:.3g} tau instead of tau")
    for tau in TAUS:
        # Divided by tau, so that the descent's tolerances suit every tau; bound as a default, since a closure would
        # see the loop's latest one.
        def energy(x: Tensor, tau: float = tau) -> Tensor:
            return value(x) + (0.5 / tau) * (x - v).square().flatten(1).sum(1)

        with torch.no_grad():
            found = prox(v, tau)
            best, least = found, energy(found)
            for other in _others(prox, found, v, tau):
                best, least = _better(energy, other, best, least)
        for other in _descended(value, energy, found, v, tau) if descend else []:
            with torch.no_grad():
                best, least = _better(energy, other, best, least)
        with torch.no_grad():
            step = torch.maximum(_squared(found - v), _squared(best - v))
            # The second term is the rounding of the values.
            slack = _SLACK * step / tau + 1e-11 * least.abs()
            excess = energy(found) - least
        if bool((excess <= slack).all()):
            continue
        apart = float((found - best).square().flatten(1).mean(1).max().sqrt())
        raise Fault(
            f"the prox stops short of the minimiser by {apart:.0e} (root mean square over pixels, at tau {tau:g}); "
            f"its energy is {tau * float(excess.max()):.1e} too high"
        )


def settles(prox: Prox, v: Tensor) -> None:
    """Require that the prox leaves its own results alone as tau goes to 0, as that of every function does.

    Raises:
        Fault: it moves them.
    """
    found = prox(v, TAUS[1])
    wrong = difference(prox(found, 1e-8), found, 1e-2)
    if wrong:
        raise Fault(f"as tau goes to 0 it should leave its own result alone, but that is {wrong}")


def firmness(prox: Prox, x: Tensor) -> tuple[float, float, float]:
    """Measure whether a map can be the prox of a convex function.

    Returns:
        The largest (||P a - P b||^2 - <P a - P b, a - b>) / ||a - b||^2, at most 0 for the prox of a convex function;
        the largest ||P a - P b|| / ||a - b||; and the least product of P a - P b with the change of the subgradient
        (v - P v) / tau, relative to their sizes, over pairs of any tau, not negative for one convex function.

    Source: Bauschke and Combettes, Convex Analysis and Monotone Operator Theory, propositions 12.28 and 20.10.
    """
    worst, stretch = -1.0, 0.0
    pairs = []
    for tau in TAUS:
        image = prox(x, tau)
        pairs.append((image, (x - image) / tau))
        for step in (
            0.05 * noise(*x.shape, seed=20).to(x),
            x,
            2.0 * noise(*x.shape, seed=22).to(x),
        ):
            ahead = prox(x + step, tau)
            pairs.append((ahead, (x + step - ahead) / tau))
            moved = ahead - image
            length = float(step.square().sum())
            size, along = float(moved.square().sum()), float((moved * step).sum())
            worst = max(worst, (size - along) / length)
            stretch = max(stretch, (size / length) ** 0.5)
    return worst, stretch, min(_monotone(a, b) for a, b in itertools.combinations(pairs, 2))


def one_function(product: float) -> None:
    """Require that the results for different tau belong to one convex function.

    Raises:
        Fault: the subgradients turn against the images.
    """
    if product < _TURNED:
        raise Fault(
            "its results for different tau are those of different functions: "
            "the prox must take tau itself, not a constant, its square or its root"
        )


def _monotone(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> float:
    image, slope = a[0] - b[0], a[1] - b[1]
    # Relative to the slopes, not to their change: equal slopes differ by rounding in any direction.
    size = float(image.norm() * (a[1].norm() + b[1].norm()))
    return float((image * slope).sum()) / size if size > 0.0 else 0.0


def stretch_note(stretch: float) -> str:
    """Report the largest stretch that `firmness` found; it is a lower bound on the Lipschitz constant."""
    return f"it stretches distances by at most {stretch:.3g} among the pairs tried"


def _squared(t: Tensor) -> Tensor:
    return t.square().flatten(1).sum(1)


def _others(prox: Prox, found: Tensor, v: Tensor, tau: float) -> list[Tensor]:
    # Results for other tau reveal a prox that scales tau.
    others = [prox(v, tau / 2), prox(v, 2 * tau), v, torch.zeros_like(v)]
    others += [found + t * (v - found) for t in (-0.3, -0.1, -0.03, 0.03, 0.1, 0.3)]
    others += [found + 0.01 * tau * noise(*v.shape, seed=30 + i).to(v) for i in range(3)]
    return others


def _better(energy: Values, other: Tensor, best: Tensor, least: Tensor) -> tuple[Tensor, Tensor]:
    """Replace the best point by another one, for the images where that has less energy."""
    its = energy(other)
    gain = its < least
    spread = gain.view(-1, *[1] * (other.dim() - 1))
    return torch.where(spread, other, best), torch.where(gain, its, least)


def _descended(
    value: Values, energy: Values, found: Tensor, v: Tensor, tau: float
) -> Iterator[Tensor]:
    """Yield the end of a descent from the result, and a step along the gradient of R, exact for small tau."""
    x = found.detach().clone().requires_grad_()
    optimiser = torch.optim.LBFGS(
        [x],
        max_iter=30,
        history_size=20,
        line_search_fn="strong_wolfe",
        tolerance_grad=1e-9,
        tolerance_change=1e-12,
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        total = energy(x).sum()
        total.backward()
        return total.detach()

    with torch.enable_grad():
        optimiser.step(closure)
    yield x.detach().nan_to_num(0.0)
    yield v - tau * automatic(value, found)


def _scale(value: Values, prox: Prox, v: Tensor) -> float | None:
    """Return the multiple of tau that the prox uses at more than one tau; None when there is no such, or it is 1."""
    found = []
    for tau in TAUS:
        x = prox(v, tau)
        with suppress(RuntimeError, InvpriorError):
            # At a minimiser v - x is tau times the gradient, so the ratio is the tau that was used.
            scale = scale_of(v - x, tau * automatic(value, x), 0.01)
            found += [] if scale is None else [scale]
    # A prox that iterates comes within 5 % at the smallest tau.
    if len(found) < 2 or max(found) > 1.05 * min(found) or abs(found[0] - 1) <= 0.05:
        return None
    return found[0]
