"""Stein's unbiased risk estimate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from invprior.problem import Problem
from invprior.weights._freedom import probed
from invprior.weights.base import Trial, WeightRule, gaussian_variance, residual


@dataclass(frozen=True, kw_only=True)
class SURE(WeightRule):
    """Minimises an unbiased estimate of the error of A x, for Gaussian noise of known or estimated level.

    With N measurements, ||Ax - y||^2 / sigma^2 - N + 2 trace(d(Ax)/dy) is on average the error ||Ax - A x_true||^2 /
    sigma^2; for denoising that is the error of x itself. The trace is found by one random probe, or in closed form for
    denoising with wavelet (l1 in an orthogonal basis) or tikhonov. Not for other noise, nor where sigma is far off:
    take holdout or gcv then.

    Sources: Stein 1981; Ramani, Blu and Unser 2008 (any solver); Eldar 2009 (through an operator: the error is
    measured where the operator sees it).
    """

    criterion: ClassVar[str] = "estimated error of A x, per measurement, in units of sigma^2"

    def start(self, problem: Problem, generator: torch.Generator) -> Trial:
        """The problem, and one with the probe added to y."""
        variance = gaussian_variance(problem, self)
        views, freedom = probed(problem, variance, generator)
        count = problem.measurements

        def figure(weighted: Problem, pictures: Sequence[Tensor]) -> float:
            misfit = float(residual(problem, pictures[0]).square().sum()) / variance
            return (misfit - count + 2 * freedom(weighted, pictures)) / count

        return Trial(views, figure)
