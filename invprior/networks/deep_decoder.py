"""The deep decoder, which has too few weights to fit noise, however long it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import MinLen
from torch import nn

from invprior.networks.decoder import Decoder
from invprior.networks.layers import Positive, Upsampling, batch_norm, conv_layers


@dataclass(frozen=True, kw_only=True)
class DeepDecoder(Decoder):
    """Pixel-wise mixing of channels, bilinear enlargement, ReLU and channel normalisation.

    It needs no early stopping when the image has more values than the network has weights. The
    default has 100,224 weights, about an eighth of the values of a 3 x 512 x 512 image. Smaller
    images need fewer channels: 64 channels give 25,536 weights. An iteration is cheap, and fine
    detail is lost.

    Source: Heckel and Hand, "Deep Decoder: concise image representations from untrained
    non-convolutional networks", ICLR 2019.
    """

    channels: Annotated[tuple[Positive, ...], MinLen(1)] = (128,) * 6
    upsample: Upsampling = "bilinear"

    def _layer(self, inputs: int, outputs: int, *, enlarge: bool) -> list[nn.Module]:
        """Mix before enlarging, for the same result with a quarter of the multiplications."""
        mix = conv_layers(inputs, outputs, 1, padding="zero", bias=False)
        return [*mix, *self._enlarge(enlarge), nn.ReLU(inplace=True), batch_norm(outputs)]
