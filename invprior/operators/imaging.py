"""Whether an operator's measurements are images, which a noise estimate for images needs."""

from __future__ import annotations

import torch

from invprior.operators.base import Compose, LocalOperator, Operator
from invprior.operators.masked import Masked

_SHARE = 0.9  # of the energy of an image's middle that stays in the middle of its measurement
_SHORT = 8  # sides of fewer pixels have no middle


@torch.no_grad()
def measures_images(operator: Operator, like: torch.Tensor) -> bool:
    """Return whether y is an image: what is in the middle of x is in the middle of y.

    A blurred, masked or smaller image is one. A sinogram or a k-space is none, although it may have an image's shape.
    An operator that does not say that it acts locally is applied to noise in the middle of a black image.

    Args:
        operator: the operator.
        like: a tensor of the dtype and the device that it takes.
    """
    if isinstance(operator, Masked):
        return measures_images(operator.inner, like)
    if isinstance(operator, Compose):
        return all(measures_images(part, like) for part in operator.operators)
    if operator.measures_pictures is not None:
        return operator.measures_pictures
    if operator.is_identity or operator.is_mask or isinstance(operator, LocalOperator):
        return True
    if len(operator.measurement_shape) != 3:
        return False
    black = like.new_zeros(1, *operator.image_shape)
    noise = torch.randn(black.shape, generator=torch.Generator().manual_seed(0)).to(like)
    response = operator(torch.where(_middle(black, 3 / 8), noise, black)) - operator(black)
    energy = response.abs().square()
    inside = torch.where(_middle(energy, 1 / 4), energy, torch.zeros_like(energy))
    return float(inside.sum()) >= _SHARE * float(energy.sum())


def _middle(x: torch.Tensor, margin: float) -> torch.Tensor:
    """Return the pixels that are further from every border than a fraction of the side, boolean, of x's shape."""
    mask = torch.zeros_like(x, dtype=torch.bool)
    rows, columns = (
        slice(int(margin * n), n - int(margin * n)) if n >= _SHORT else slice(None)
        for n in x.shape[2:]
    )
    mask[..., rows, columns] = True
    return mask
