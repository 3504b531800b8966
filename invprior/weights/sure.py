"""Stein's unbiased risk estimate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Gt
from torch import Tensor

from invprior.numerics.linalg import chebyshev, chebyshev_form, dot
from invprior.operators.base import LinearOperator
from invprior.problem.problem import Problem
from invprior.weights.base import Trial, WeightRule, linear_operator, noise_variance
from invprior.weights.degrees_of_freedom import MAX_PROBES, followed, random_signs

# Degree of the polynomial in A A^H that stands for the damped inverse where that has no closed form. The estimate is
# unbiased for any symmetric M; conjugate gradients took thirty times the run on a blur.
_POLYNOMIAL = 12


@dataclass(frozen=True, kw_only=True)
class SURE(WeightRule):
    """Minimises an unbiased estimate of the error of A x, for noise of known or estimated variance.

    With N measurements, ||Ax - y||^2 / sigma^2 - N + 2 trace(d(Ax)/dy) is on average the error
    ||Ax - A x_true||^2 / sigma^2. For denoising that is the error of x itself. One random probe estimates the trace. It
    has a closed form for denoising with wavelet (l1 in an orthogonal basis) or tikhonov. For photon noise, each row of
    the derivative is weighted by the variance y / peak of its measurement, which is the unbiased estimate to first
    order in 1 / peak. Use holdout for other noise, and gcv when sigma is far off.

    Where A keeps less than half of x, as in strong downsampling, most of the error lies in what it does not keep. Gains
    in A x up to the noise of a measurement then count as none, and the weight stays near the default.

    Sources: Stein 1981; Ramani, Blu and Unser 2008, for any solver; Eldar 2009, for the error through an operator;
    Luisier, Blu and Unser 2011, for photon noise.

    Args:
        damping: estimate the error of x itself where the operator keeps it, by the generalised estimate with
            (A A^H + d I)^-1 in place of the pseudo-inverse, d = damping ||A||^2. A small value covers more of x, with
            more noise. When absent, the error of A x is estimated. For an operator without a closed form, a polynomial
            stands for the inverse.
    """

    damping: Annotated[float, Gt(0)] | None = None

    criterion_name: ClassVar[str] = "estimated error per measurement, in units of sigma^2"

    def start(self, problem: Problem, generator: torch.Generator) -> Trial:
        """Return a trial of the problem and of others with a probe added to y."""
        variances, variance = noise_variance(problem, self)
        count = problem.measurements
        weigh, misfit = self._weighing(problem)
        relative = variances / variance if variances.dim() else None
        # A polynomial amplifies the noise of a probe less than the inverse does, and each probe is one more solve.
        most = MAX_PROBES if weigh is None or linear_operator(problem, self).direct else 1
        views, evaluate = followed(problem, variance, generator, weigh, relative, most)
        noise = 1.0
        if weigh is not None:
            # The mean of r^T M r / sigma^2 when r is noise alone, by one random probe.
            signs = random_signs(problem, generator)
            noise = misfit(signs if relative is None else relative.sqrt() * signs) / count

        def criterion(weighted: Problem, images: Sequence[Tensor]) -> float:
            r, degrees = evaluate(weighted, images)
            return (misfit(r) / variance + 2 * degrees) / count - noise

        # From 0 at half as many measurements as pixels to 1, the noise of a measurement, at none.
        pixels = math.prod(problem.operator.image_shape)
        return Trial(views, criterion, slack=max(0.0, 1.0 - 2.0 * count / pixels))

    def _weighing(
        self, problem: Problem
    ) -> tuple[Callable[[Tensor], Tensor] | None, Callable[[Tensor], float]]:
        """Return M = ||A||^2 (A A^H + d I)^-1 on measurements, None for the identity; and r to r^T M r."""
        operator = problem.operator
        if self.damping is None or operator.is_identity:
            return None, lambda r: float(r.square().sum())
        assert isinstance(operator, LinearOperator)
        norm_squared = operator.norm() ** 2
        damping = self.damping * norm_squared

        def weigh(r: Tensor) -> Tensor:
            # The Woodbury identity: the operator's solver for A^H A + d I serves A A^H + d I too.
            kept: Tensor = operator(operator.solve_damped(operator.adjoint(r), damping))
            return (r - kept) * (norm_squared / damping)

        if operator.direct:
            return weigh, lambda r: float(dot(r, weigh(r)).sum())

        relative = self.damping
        spectrum = relative, 1 + relative

        def gram(r: Tensor) -> Tensor:
            product: Tensor = operator(operator.adjoint(r))
            return product / norm_squared + relative * r

        return (
            lambda r: chebyshev(gram, r, spectrum, _POLYNOMIAL),
            lambda r: float(chebyshev_form(gram, r, spectrum, _POLYNOMIAL).sum()),
        )
