"""Proximal maps compared with the minimisation that defines them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

import torch
from torch import Tensor

from invprior.errors import InvpriorError
from invprior.numerics.tensor_diff import scale_of
from invprior.testing.derivatives import automatic
from invprior.testing.report import Fault
from invprior.testing.sample_tensors import noise

Values: TypeAlias = Callable[[Tensor], Tensor]
Prox: TypeAlias = Callable[[Tensor, float], Tensor]
TAUS = (0.003, 0.05, 1.0)  # from nearly the identity to a strong step


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
    for tau in TAUS:
        # tau is bound as a default, since a closure would see the loop's latest one.
        def energy(x: Tensor, tau: float = tau) -> Tensor:
            return tau * value(x) + 0.5 * (x - v).square().flatten(1).sum(1)

        with torch.no_grad():
            found = prox(v, tau)
            best, least = found, energy(found)
            # A prox that iterates ends near its minimum, not at it.
            slack = 1e-3 * least.abs() + 1e-9 * v[0].numel()
            for other in _others(prox, found, v, tau):
                best, least = _better(energy, other, best, least)
        if descend:
            other = _descended(energy, found)
            with torch.no_grad():
                best, least = _better(energy, other, best, least)
        with torch.no_grad():
            excess = energy(found) - least
        if bool((excess <= slack).all()):
            continue
        raise Fault(_how(value, found, best, v, tau, float(excess.max())))


def firmness(prox: Prox, x: Tensor) -> tuple[float, float]:
    """Measure how far a map is from firm non-expansiveness, and how much it stretches distances.

    Returns:
        The largest (||P a - P b||^2 - <P a - P b, a - b>) / ||a - b||^2, at most 0 for the prox of a convex function;
        the largest ||P a - P b|| / ||a - b||. Both are over pairs at several distances.

    Source: Bauschke and Combettes, Convex Analysis and Monotone Operator Theory, proposition 12.28.
    """
    worst, stretch = -1.0, 0.0
    for tau in TAUS:
        image = prox(x, tau)
        for seed, size in enumerate((0.05, 0.3, 2.0)):
            step = size * noise(*x.shape, seed=20 + seed).to(x)
            moved = prox(x + step, tau) - image
            length = float(step.square().sum())
            ahead, along = float(moved.square().sum()), float((moved * step).sum())
            worst = max(worst, (ahead - along) / length)
            stretch = max(stretch, (ahead / length) ** 0.5)
    return worst, stretch


def stretch_note(stretch: float) -> str:
    """Report the largest stretch that `firmness` found; it is a lower bound on the Lipschitz constant."""
    return f"it stretches distances by at most {stretch:.3g} among the pairs tried"


def _others(prox: Prox, found: Tensor, v: Tensor, tau: float) -> list[Tensor]:
    # Results for other tau reveal a prox that scales tau; `_how` then names the factor.
    others = [prox(v, tau / 2), prox(v, 2 * tau), v, torch.zeros_like(v)]
    others += [found + t * (v - found) for t in (-0.3, -0.1, -0.03, 0.03, 0.1, 0.3)]
    others += [found + 0.01 * noise(*v.shape, seed=30 + i).to(v) for i in range(3)]
    return others


def _better(energy: Values, other: Tensor, best: Tensor, least: Tensor) -> tuple[Tensor, Tensor]:
    """Replace the best point by another one, for the images where that has less energy."""
    its = energy(other)
    gain = its < least
    spread = gain.view(-1, *[1] * (other.dim() - 1))
    return torch.where(spread, other, best), torch.where(gain, its, least)


def _descended(energy: Values, start: Tensor) -> Tensor:
    x = start.detach().clone().requires_grad_()
    optimiser = torch.optim.LBFGS([x], max_iter=30, history_size=20, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        total = energy(x).sum()
        total.backward()
        return total.detach()

    with torch.enable_grad():
        optimiser.step(closure)
    return x.detach().nan_to_num(0.0)


def _how(value: Values, found: Tensor, best: Tensor, v: Tensor, tau: float, excess: float) -> str:
    with suppress(RuntimeError, InvpriorError):
        # At a minimiser v - x is tau times the gradient, so the ratio is the tau that was used.
        scale = scale_of(v - found, tau * automatic(value, found), 0.02)
        if scale is not None and abs(scale - 1) > 0.02:
            return f"the prox uses {scale:.3g} tau instead of tau"
    apart = float((found - best).square().flatten(1).mean(1).max().sqrt())
    return (
        f"the prox stops short of the minimiser by {apart:.0e} (root mean square over pixels, at tau {tau:g}); "
        f"its energy is {excess:.1e} too high"
    )
