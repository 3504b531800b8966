"""The parts of total variation: forward differences, their adjoint, and a norm at each pixel."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

Kind: TypeAlias = Literal["isotropic", "anisotropic", "vectorial"]
# Over the channels of each difference: the moduli of complex differences whose parts are channels.
Norm: TypeAlias = Kind | Literal["moduli"]

# The axes of a field of differences, (2, C, H, W), over which each kind takes one Euclidean norm.
JOINED: dict[Norm, tuple[int, ...]] = {
    "isotropic": (-4,),
    "anisotropic": (),
    "vectorial": (-4, -3),
    "moduli": (-3,),
}


def differences(x: Tensor) -> Tensor:
    """Return the differences to the next pixel below and to the right.

    The differences across the border are zero.

    Args:
        x: images, (..., C, H, W).

    Returns:
        The field D x, (..., 2, C, H, W).
    """
    down = functional.pad(x.diff(dim=-2), (0, 0, 0, 1))
    right = functional.pad(x.diff(dim=-1), (0, 1))
    return torch.stack((down, right), -4)


def differences_into(field: Tensor, x: Tensor) -> None:
    """Write D x into `field`, all but the border.

    The border must be zero already, as it is in every D x.
    """
    # Saves the padding and the stacking of `differences` in the inner loop of the prox.
    down, right = field.unbind(-4)
    torch.sub(x[..., 1:, :], x[..., :-1, :], out=down[..., :-1, :])
    torch.sub(x[..., 1:], x[..., :-1], out=right[..., :-1])


def subtract_adjoint(v: Tensor, field: Tensor, factor: float, out: Tensor | None = None) -> Tensor:
    """Return v - factor * D^T field.

    Args:
        v: images, (..., C, H, W).
        field: (..., 2, C, H, W), with zero borders as in a field of differences.
        factor: any number.
        out: tensor that takes the result; a new one when absent.
    """
    down, right = field.unbind(-4)
    out = torch.add(v, down, alpha=factor, out=out)
    out.add_(right, alpha=factor)
    out[..., 1:, :].sub_(down[..., :-1, :], alpha=factor)
    out[..., 1:].sub_(right[..., :-1], alpha=factor)
    return out


def square_norms(field: Tensor, kind: Norm) -> Tensor:
    """Return the squared norms at each pixel, (..., 2, C, H, W) with joined axes of length 1."""
    if not JOINED[kind]:
        return field * field
    if kind == "moduli":
        return (field * field).sum(-3, keepdim=True)
    down, right = field.unbind(-4)
    squares = (down * down).addcmul_(right, right).unsqueeze(-4)
    return squares.sum(-3, keepdim=True) if kind == "vectorial" else squares
