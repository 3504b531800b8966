"""Estimates of the image without a solver: the pseudo-inverse, its smoothed form, and the range of intensities."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from invprior.numerics.complex_parts import magnitude, parts
from invprior.numerics.linalg import conjugate_gradients, negative_laplacian
from invprior.operators.base import LinearOperator, Operator
from invprior.problem.units import DataRange, estimated_range

# Weight of 1/2 ||grad x||^2 beside a Gaussian negative log-likelihood, for images in [0, 1]; it suits natural images
# at any noise level.
_SMOOTHNESS = 60.0
# Standard deviations in the range of a typical image.
_SPREAD = 4.0
# Standard deviations by which noise exceeds the range of an image of some thousand pixels, on each side.
_EXCESS = 3.5


def gain(operator: Operator) -> float:
    """Return the largest factor between the root mean squares of x and of A x; 1 for an operator that is not linear.

    Noise of sigma in y is noise of about sigma / gain in the image. For an average over windows it is 1: ||A|| is below
    1, but y has fewer values.
    """
    if not isinstance(operator, LinearOperator):
        return 1.0
    pixels, values = math.prod(operator.image_shape), math.prod(operator.measurement_shape)
    found = operator.norm() * (pixels / values) ** 0.5
    return found if 0 < found < math.inf else 1.0


def pseudo_inverse(operator: Operator, y: Tensor) -> Tensor:
    """Return the constant image that fits best plus the damped pseudo-inverse of the rest, (1, *image_shape).

    Without a linear operator it is the operator's own estimate, or else y where the shapes agree, or a constant.

    Args:
        operator: the forward operator.
        y: the measurement, (1, *measurement_shape), 0 where it carries no data.
    """
    shape = (1, *operator.image_shape)
    if not isinstance(operator, LinearOperator):
        if (found := operator.estimate(y)) is not None:
            return found
        return y.clone() if y.shape == shape else y.mean().expand(shape).clone()
    # Damping shrinks towards 0; with the constant taken off, it shrinks towards the constant: the mean of y, where A
    # keeps constants.
    response = operator(y.new_ones(shape))
    size = float(parts(response).double().square().sum())
    level = _sum(response.conj() * y) / size if size > 0 else 0.0
    constant = y.new_full(shape, level)
    damping = 0.01 * operator.norm() ** 2
    rest = operator.adjoint(y - level * response)
    # In y's dtype, whatever the operator's arithmetic with torch's default dtype made of it.
    return (constant + operator.solve_damped(rest, damping)).detach().to(y.dtype)


def smoothed(operator: LinearOperator, y: Tensor, start: Tensor, variance: float) -> Tensor:
    """Return the estimate with squared gradients as its prior, (1, C, H, W), from a start such as the pseudo-inverse.

    Args:
        operator: the forward operator.
        y: the measurement.
        start: where conjugate gradients begin.
        variance: of the noise, for images whose range has the width 1.
    """
    smoothing = _SMOOTHNESS * variance
    return conjugate_gradients(
        lambda x: operator.normal(x) + smoothing * negative_laplacian(x),
        operator.adjoint(y),
        start,
        tolerance=1e-3,
        steps=60,
    )


def image_range(operator: LinearOperator, y: Tensor, noise_level: float) -> DataRange:
    """Estimate the range of the image behind a measurement, with a margin.

    It is the range of the smoothed estimate, in which little noise is left. Where pixels are measured directly it also
    covers them, as far as they exceed it by more than noise does, since smoothing loses a star of one pixel.
    """
    # In units of the largest value, as squares of values near the limits of a dtype overflow.
    peak = float(y.abs().max()) or 1.0
    y, sigma = y / peak, noise_level / peak
    x = pseudo_inverse(operator, y)
    estimates = [x]
    if x.dim() == 4:
        spread = _SPREAD * float(_exact(x).std(correction=0)) or 1.0
        # Without the mean, as the tolerance of conjugate gradients is relative to the size of y. Smoother than an
        # initial estimate, whose remaining noise would widen the range by a tenth.
        mean = x.mean()
        rest = y - operator(mean.expand(x.shape))
        estimates = [mean + smoothed(operator, rest, x - mean, 2 * (sigma / spread) ** 2)]
    if operator.is_identity or operator.is_mask:
        mask = operator.observation_mask
        known = y if mask is None else y[mask.expand(y.shape)]
        known = magnitude(known)
        estimates += [known.max() - _EXCESS * sigma, known.min() + _EXCESS * sigma]
    found = estimated_range(estimates, sigma / gain(operator))
    return DataRange(found.low * peak, found.high * peak, found.source)


def _exact(x: Tensor) -> Tensor:
    return x.to(torch.complex128) if x.is_complex() else x.double()


def _sum(x: Tensor) -> complex | float:
    total: complex | float = _exact(x).sum().item()
    return total
