"""A measurement as the input of a network, with fresh noise that the fit takes away again."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from invprior.operators.base import LinearOperator
from invprior.priors._generated import margins, middle

_KEPT = 0.5  # of a constant image, everywhere


@dataclass(frozen=True)
class Recorruption:
    """Splits y into y + n, which the network sees as an image, and y - factor n, which it is fitted to.

    With n of standard deviation `noise` and factor = (sigma / noise)^2, the noises of the two are independent. So the
    network cannot pass the noise on (Pang et al., "Recorrupted-to-Recorrupted", CVPR 2021).

    Attributes:
        operator: A.
        noise: standard deviation of n, in units of y.
        factor: (sigma / noise)^2, with sigma that of the noise in y.
        damping: d of the inverse B = (1 + d) (A^H A + d I)^-1 A^H, which takes measurements to images. B is the
            identity if A is.
    """

    operator: LinearOperator
    noise: float
    factor: float
    damping: float

    def image_of(self, y: Tensor) -> Tensor:
        """Return B y: (1, *measurement_shape) to (1, C, H, W)."""
        if self.operator.is_identity:
            return y
        return (1.0 + self.damping) * self.operator.back_project(y, self.damping)

    @torch.no_grad()
    def shows_all(self, like: Tensor) -> bool:
        """Return whether B A keeps a constant image, so that B y has neither holes nor dark margins.

        A network that sees holes learns to leave them. It lost 0.7 to 1 dB where half of the pixels were missing, and
        1.1 dB under a blur without its margins.

        Args:
            like: a tensor of the device and dtype of y.
        """
        ones = like.new_ones(1, *self.operator.image_shape)
        return float(self.image_of(self.operator(ones)).min()) > _KEPT

    @torch.no_grad()
    def draw(
        self, scratch: Tensor, size: tuple[int, int], generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return fresh noise for the network's input, B n in its middle, and the offset factor n of the predictions.

        Args:
            scratch: memory of the input's size, (h, w, C), on its device; it may be overwritten and returned.
            size: height and width of the image.
            generator: the source of n, on the device.
        """
        if self.operator.is_identity:
            # Noise in the margins, too. A copy, as the caller adds z to the noise in place.
            noise = scratch.normal_(0, self.noise, generator=generator).movedim(-1, 0)[None]
            return noise, (middle(noise, size) * self.factor).contiguous()
        n = scratch.new_empty(1, *self.operator.measurement_shape)
        n.normal_(0, self.noise, generator=generator)
        return F.pad(self.image_of(n), margins(size, scratch.shape[:2])), self.factor * n
