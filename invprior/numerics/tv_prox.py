"""The proximal map of total variation: min over x of tau TV(x) + 1/2 ||x - v||^2, to a duality gap.

The dual field u has the shape of the differences D x, and norms of at most 1 at every pixel. With
x_u = v - tau D^T u, the duality gap

    gap(x, u) = tau (TV(x) - <D x, u>) + 1/2 ||x - x_u||^2

bounds how far the energy of x lies above the minimum, and 1/2 ||x - x_min||^2 <= gap(x, u).

Source: the over-relaxed primal-dual iteration of Condat 2013 (J. Optim. Theory Appl. 158),
Algorithm 3.1. The primal step shrinks as in Chambolle and Pock 2011 (J. Math. Imaging Vis. 40),
Algorithm 2, down to a floor from which Condat's proof holds. The initial estimate is the solution
of the same problem at half the size. A signal, one row or one column of one channel, is solved exactly
(`tv_prox_of_signal`).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from invprior.errors import OptionError
from invprior.numerics.complex_parts import from_parts, parts
from invprior.numerics.tv_differences import (
    JOINED,
    Norm,
    differences,
    differences_into,
    square_norms,
    subtract_adjoint,
)
from invprior.numerics.tv_line import tv_prox_of_signal

GAP = 1e-4  # the default of the prior and of the denoiser

# Chosen on noisy and clean images with tau from 0.01 to 1000. None of them is critical.
RELAXATION = 1.9  # must be below 2
SHRINKING = 0.7  # of the primal step; the proven rate without over-relaxation is 2
FIRST_STEP, WARM_STEP, LAST_STEP = 1.0, 0.1, 0.003
COARSEST, COARSE_GAP = 16, 1e-3  # side in pixels of the smallest image, and its gap
MOST_STEPS = 50_000


def tv_prox(v: Tensor, tau: float, kind: Norm, gap: float = GAP) -> Tensor:
    """Return argmin_x tau TV(x) + 1/2 ||x - v||^2, each image to its own gap.

    Autograd does not pass through.

    Args:
        v: images, (B, C, H, W), real or complex. The norms of complex differences are those of their moduli.
        tau: positive.
        kind: which norm TV takes of the differences.
        gap: the energy of each result is at most this fraction above the minimum.

    Returns:
        New images of v's shape. A value of v that is not finite gives NaN in its channel, and in
        every channel of its image when `kind` is vectorial.

    Raises:
        OptionError: when rounding in v's dtype keeps the gap from being reached.
    """
    if v.is_complex():
        return _prox_of_complex(v, tau, kind, gap)
    # Image by image: each stops at its own gap, and a batch would wait for its slowest.
    with torch.no_grad():
        return torch.stack([_prox_of_image(image, tau, kind, gap) for image in v])


def _prox_of_complex(v: Tensor, tau: float, kind: Norm, gap: float) -> Tensor:
    """Solve for the real and imaginary parts as channels with a joint norm."""
    # Without a norm over all channels, each complex one is a problem of its own.
    groups = (v,) if kind == "vectorial" else v.split(1, 1)
    joint: Norm = "moduli" if kind == "anisotropic" else "vectorial"
    return torch.cat([from_parts(tv_prox(parts(group), tau, joint, gap)) for group in groups], 1)


def _prox_of_image(v: Tensor, tau: float, kind: Norm, gap: float) -> Tensor:
    """Check the gap, remove the mean, and solve for one image, (C, H, W)."""
    least = 10 * torch.finfo(v.dtype).eps
    if gap < least:
        raise OptionError(
            f"The gap of tv must be >= {least:.1g} for {v.dtype} images; got {gap:g}. "
            "Use float64 or a larger gap."
        )
    # TV does not depend on the mean, and rounding errors are smaller without it.
    mean = v.mean((-2, -1), keepdim=True)
    centred = v - mean
    rest = centred.mean((-2, -1), keepdim=True)  # what rounding leaves of a large mean
    centred -= rest
    # Without a joint norm, channels are separate problems, and one of them fits in the CPU's cache.
    pieces = (centred,) if kind in ("vectorial", "moduli") else centred.split(1)
    return torch.cat([_solved(piece, tau, kind, gap) for piece in pieces]).add_(rest).add_(mean)


def _solved(v: Tensor, tau: float, kind: Norm, gap: float) -> Tensor:
    # Long constant segments take an iteration many steps.
    if len(v) == 1 and min(v.shape[-2:]) == 1:
        return tv_prox_of_signal(v.flatten(), tau).view_as(v)
    return _solve(v, tau, kind, gap)[0]


def _solve(v: Tensor, tau: float, kind: Norm, gap: float) -> tuple[Tensor, Tensor]:
    """Iterate from a coarser solution and return x and u; v has mean zero in each channel."""
    x, u = v.clone(), v.new_zeros(2, *v.shape)
    variation = square_norms(differences(v), kind).sqrt_()
    zero_energy = 0.5 * float(v.square().sum())
    # Below this energy, x differs from v by rounding alone.
    rounding = zero_energy * (4 * torch.finfo(v.dtype).eps) ** 2
    if tau * float(variation.sum()) <= rounding:
        return x, u
    step = FIRST_STEP
    # A small tau acts on direct neighbours only, which a coarse image does not resolve.
    if max(v.shape[-2:]) >= 2 * COARSEST and tau > 0.5 * float(variation.mean()):
        x, u = _from_coarse(v, tau, kind, gap)
        step = WARM_STEP

    x_u, ahead = torch.empty_like(v), torch.empty_like(v)
    field, moved = torch.zeros_like(u), torch.empty_like(u)
    check = 4
    for k in range(1, MOST_STEPS + 1):
        # x and u are the over-relaxed pair. The gap is that of `primal` and `moved`, the pair
        # before relaxation, because an over-relaxed u may have norms above 1.
        pull = step / (1.0 + step)  # the prox of 1/2 ||x - v||^2 is a step towards v
        subtract_adjoint(v, u, tau, out=x_u)
        primal = torch.lerp(x, x_u, pull) if k == check else None
        torch.lerp(x, x_u, 2.0 * pull, out=ahead)
        x.lerp_(x_u, RELAXATION * pull)
        differences_into(field, ahead)
        torch.add(u, field, alpha=1.0 / (8.0 * step * tau), out=moved)  # ||D||^2 <= 8
        _project(moved, kind)
        u.lerp_(moved, RELAXATION)
        step = max(LAST_STEP, step / (1.0 + SHRINKING * step) ** 0.5)
        if primal is None:
            continue
        differences_into(field, primal)
        subtract_adjoint(v, moved, tau, out=x_u)
        energy, above, zero_above = _energy_and_gaps(v, primal, moved, field, x_u, tau, kind)
        goal = max(gap * energy, rounding)
        if above <= goal:
            return primal, moved
        if zero_above <= gap * zero_energy:  # the mean of each channel is good enough
            return torch.zeros_like(v), moved
        if not energy < float("inf"):  # NaN too
            return torch.full_like(v, float("nan")), u
        # The gap falls about as 1 / k^3, and a check costs as much as two steps. The next check is
        # therefore at the step where the gap should be reached.
        check = k + max(4, int(k * min(1.0, (above / goal) ** 0.25 - 1.0)))
    raise OptionError(
        f"The gap of tv must be larger for this image; got {gap:g}, and after {MOST_STEPS} steps "
        f"the gap is {above / energy:.1e}. Give a larger gap or float64 images."
    )


def _project(u: Tensor, kind: Norm) -> Tensor:
    """Scale u in place where its norms exceed 1."""
    if kind == "anisotropic":
        return u.clamp_(-1.0, 1.0)
    return u.mul_(square_norms(u, kind).clamp_(min=1.0).rsqrt_())


def _energy_and_gaps(
    v: Tensor, x: Tensor, u: Tensor, field: Tensor, x_u: Tensor, tau: float, kind: Norm
) -> list[float]:
    """Return the energy of x, gap(x, u) and gap(0, u).

    The last one is for a large tau, whose solution is the mean, 0. `field` is D x on entry. It
    serves as scratch space and keeps only its zero border.
    """
    norms = square_norms(field, kind).sqrt_()
    aligned = field.mul_(u)
    if joined := JOINED[kind]:
        aligned = aligned.sum(joined, keepdim=True)
    energy = tau * norms.sum() + 0.5 * _square(x - v)
    # A sum of differences, not a difference of sums: a small gap keeps its digits.
    gap = tau * norms.sub_(aligned).sum() + 0.5 * _square(x - x_u)
    return torch.stack((energy, gap, 0.5 * _square(x_u))).tolist()


def _square(x: Tensor) -> Tensor:
    return torch.dot(x.flatten(), x.flatten())


def _from_coarse(v: Tensor, tau: float, kind: Norm, gap: float) -> tuple[Tensor, Tensor]:
    """Solve at half the size and enlarge x and u to v's.

    Halving each side leaves 1/4 of the fidelity and 1/2 of TV, hence tau / 2. The field u is a flow
    between pixels in units of tau. Its values stay on edges between coarse pixels. On edges inside
    a coarse pixel it is the mean of both sides.
    """
    height, width = v.shape[-2:]
    half = functional.avg_pool2d(
        v[None], (min(2, height), min(2, width)), ceil_mode=True, count_include_pad=False
    )[0]
    mean = half.mean((-2, -1), keepdim=True)  # not 0 when a side is odd
    x, u = (
        t.repeat_interleave(2, -2).repeat_interleave(2, -1)[..., :height, :width].contiguous()
        for t in _solve(half - mean, tau / 2, kind, max(gap, COARSE_GAP))
    )
    down, right = u[0], u[1].transpose(-2, -1)
    for flow in (down, right):
        flow[..., 0, :] *= 0.5
        inside = flow[..., 2::2, :]
        inside.add_(flow[..., 1:-1:2, :]).mul_(0.5)
        flow[..., -1, :] = 0.0
    return x.add_(mean), _project(u, kind)
