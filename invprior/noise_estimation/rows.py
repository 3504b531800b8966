"""Estimate the noise of rows of samples, such as a signal, from their differences."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from invprior.noise_estimation.constant_areas import constant_areas

_ORDERS = (1, 2, 3, 4)  # of the differences: the first bear jumps best, the last bear peaks
_FEWEST = 16  # differences; with fewer there is no estimate
_CUT = 2.5  # standard deviations, beyond which a difference is one of the signal
_ROUNDS = 20
_MEDIAN = 0.6745  # of the absolute values of standard normal numbers
# Variance of standard normal numbers that are cut there.
_KEPT = 1 - 2 * _CUT * math.exp(-(_CUT**2) / 2) / math.sqrt(2 * math.pi) / math.erf(
    _CUT / math.sqrt(2)
)
_CHANCE = 1.1  # uncertainty for one sample, measured on pure noise


@dataclass(frozen=True)
class RowLevel:
    """The noise in rows of samples.

    Attributes:
        sigma: its standard deviation, or in units of `scale` if that was given.
        uncertainty: relative standard deviation of sigma, by chance and by how far the orders of the differences agree.
    """

    sigma: float
    uncertainty: float


def level_of_rows(y: Tensor, known: Tensor, scale: Tensor | None = None) -> RowLevel | None:
    """Estimate the standard deviation of white noise in rows of samples.

    A difference of order k vanishes on a polynomial of degree k - 1. It is taken of each k + 1 successive known
    samples, as a divided difference, so that gaps do not matter, and scaled such that white noise keeps its standard
    deviation. What is beyond 2.5 standard deviations is left out, as jumps and narrow peaks are. Signals only add to
    differences: the order with the least spread counts.

    Args:
        y: (rows, length), float64.
        known: which samples carry data, (rows, length), boolean.
        scale: the standard deviation of the noise up to a factor, of y's shape; None if it is the same everywhere.

    Returns:
        The level; None for fewer than 16 differences.

    Sources: Gasser, Sroka and Jennen-Steinmetz 1986, "Residual variance and residual pattern in nonlinear regression",
    Biometrika 73; Hall, Kay and Titterington 1990, "Asymptotically optimal difference-based estimation of variance in
    nonparametric regression", Biometrika 77.
    """
    if y.shape[-1] <= _ORDERS[-1]:
        return None
    known = known & ~constant_areas(y, known, extremes=True)  # nothing corrects for clipping here
    # Known samples first, in their order.
    order = (~known).to(torch.uint8).argsort(dim=-1, stable=True)
    values, places, counts = y.gather(-1, order), order.double(), known.sum(-1, keepdim=True)
    scales = None if scale is None else scale.gather(-1, order)
    found = []
    for k in _ORDERS:
        differences = _differences(values, places, k)
        if scales is not None:
            differences = differences / scales.unfold(-1, k + 1, 1).mean(-1)
        complete = torch.arange(differences.shape[-1]) + k < counts
        found.append(differences[complete])
    if len(found[-1]) < _FEWEST:
        return None
    least, second, *_ = sorted(_spread(differences) for differences in found)
    # Of white noise, all orders have the same spread.
    excess = second / least - 1 if least > 0 else 0.0
    return RowLevel(least, math.hypot(_CHANCE / math.sqrt(len(found[0])), excess))


def _differences(values: Tensor, places: Tensor, k: int) -> Tensor:
    """Return the divided differences of order k along the rows, with weights of norm 1."""
    at = places.unfold(-1, k + 1, 1)
    apart = at[..., :, None] - at[..., None, :]
    weights = 1 / (apart + torch.eye(k + 1, dtype=apart.dtype)).prod(-1)
    # The order of unknown samples behind the known ones descends nowhere, so no two places are equal.
    weights = weights / weights.norm(dim=-1, keepdim=True)
    found: Tensor = (weights * values.unfold(-1, k + 1, 1)).sum(-1)
    return found


def _spread(differences: Tensor) -> float:
    """Return the standard deviation of normal numbers, some of which are far too large."""
    sizes = differences.abs()
    sigma = float(sizes.median()) / _MEDIAN
    if sigma == 0:  # more than half are equal, as in small counts
        sigma = float(sizes.mean()) / math.sqrt(2 / math.pi)
    for _ in range(_ROUNDS):
        inside = sizes[sizes <= _CUT * sigma]
        sigma = math.sqrt(float(inside.square().mean()) / _KEPT)
    return sigma
