"""The convolutional decoder: layers that enlarge, convolve, rectify and normalise a small z."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import MinLen
from torch import nn

from invprior.networks.decoder import Decoder
from invprior.networks.layers import Padding, Positive, Upsampling, batch_norm, conv_layers


@dataclass(frozen=True, kw_only=True)
class ConvDecoder(Decoder):
    """The decoder part of an hourglass, with 3x3 convolutions.

    It is made for undersampled measurements, mainly of magnetic resonance. It has enough weights to
    fit noise in a long run. The authors' network for knees has channels of [160] * 7. Its layers
    enlarge by factors that lead to the image's size; here each layer doubles.

    Source: Darestani and Heckel, "Accelerated MRI with un-trained neural networks", IEEE
    Transactions on Computational Imaging 2021.

    Args:
        padding: values beyond the border.
    """

    channels: Annotated[tuple[Positive, ...], MinLen(1)] = (64,) * 6
    upsample: Upsampling = "nearest"
    padding: Padding = "zero"

    def _layer(self, inputs: int, outputs: int, *, enlarge: bool) -> list[nn.Module]:
        """Enlarge first, so that the convolution smooths the blocks of nearest neighbours."""
        conv = conv_layers(inputs, outputs, 3, padding=self.padding, bias=False)
        return [*self._enlarge(enlarge), *conv, nn.ReLU(inplace=True), batch_norm(outputs)]
