"""The convolutional decoder: enlarge, convolve, rectify, normalise, from a small z upwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import MinLen
from torch import nn

from invprior.networks.decoder import Decoder
from invprior.networks.layers import Padding, Positive, Upsampling, batch_norm, conv_layers


@dataclass(frozen=True, kw_only=True)
class ConvDecoder(Decoder):
    """The decoder part of an hourglass alone, with 3x3 convolutions.

    Made for undersampled measurements, magnetic resonance first of all; it has weights enough to fit
    noise in the end. The authors' network for knees has channels of [160] * 7, and its layers
    enlarge by whatever factor leads to the image's size; here each doubles.

    Source: Darestani and Heckel, "Accelerated MRI with un-trained neural networks", IEEE
    Transactions on Computational Imaging 2021.

    Args:
        padding: what stands beyond the border.
    """

    channels: Annotated[tuple[Positive, ...], MinLen(1)] = (64,) * 6
    upsample: Upsampling = "nearest"
    padding: Padding = "zero"

    def _layer(self, inputs: int, outputs: int, *, enlarge: bool) -> list[nn.Module]:
        """Enlarge first, so that the convolution smooths what nearest neighbours leave."""
        conv = conv_layers(inputs, outputs, 3, padding=self.padding, bias=False)
        return [*self._enlarge(enlarge), *conv, nn.ReLU(inplace=True), batch_norm(outputs)]
