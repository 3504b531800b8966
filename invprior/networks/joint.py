"""Where a scale's bridge meets the enlarged scale below: enlarge, join, normalise, convolve."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from invprior.networks.layers import Upsampling, batch_norm


class Joint(nn.Module):
    """Enlarge the scale below twice, put the bridge before it, normalise, convolve.

    With nearest upsampling and zero padding the same function is computed without enlarging: batch
    norm commutes with it, and enlarging and convolving are one transposed convolution of stride 2,
    with less than half of the multiplications.

    Args:
        channels: channels of the bridge and of the scale below, together.
        conv: the convolution, after its padding layer if it has one.
        upsample: how to enlarge.
        norm: whether to normalise.
    """

    def __init__(
        self, channels: int, conv: list[nn.Module], *, upsample: Upsampling, norm: bool
    ) -> None:
        super().__init__()
        self.upsample = upsample
        self.norm = batch_norm(channels) if norm else None
        self.conv = nn.Sequential(*conv)

    def forward(self, bridge: Tensor | None, below: Tensor) -> Tensor:
        """Join (B, channels - N, H/2, W/2) to the bridge, (B, N, H, W) or None."""
        last = self.conv[-1]
        if self.upsample == "nearest" and len(self.conv) == 1 and isinstance(last, nn.Conv2d):
            return self._folded(bridge, below, last)
        joined = F.interpolate(below, scale_factor=2, mode=self.upsample)
        if bridge is not None:
            joined = torch.cat((bridge, joined), 1)
        out: Tensor = self.conv(joined if self.norm is None else self.norm(joined))
        return out

    def _folded(self, bridge: Tensor | None, below: Tensor, conv: nn.Conv2d) -> Tensor:
        """Apply batch norm and the convolution to both parts, each at its own size."""
        first = 0 if bridge is None else bridge.shape[1]
        below = self._normalised(below, slice(first, None))
        margin = conv.kernel_size[0] // 2
        kernel = doubled(conv.weight[:, first:])
        out = F.conv_transpose2d(below, kernel, conv.bias, stride=2, padding=margin)
        if bridge is None:
            return out
        bridge = self._normalised(bridge, slice(first))
        return F.conv2d(bridge, conv.weight[:, :first], padding=margin).add_(out)

    def _normalised(self, x: Tensor, part: slice) -> Tensor:
        norm = self.norm
        if norm is None:
            return x
        weight, bias = norm.weight[part], norm.bias[part]
        return F.batch_norm(x, None, None, weight, bias, training=True, eps=norm.eps)


def doubled(weight: Tensor) -> Tensor:
    """Kernel of the transposed convolution that enlarges by nearest neighbours and convolves.

    Args:
        weight: the convolution's, (out, in, K, K), K odd.

    Returns:
        The convolution of the flipped weight with a 2x2 box, (in, out, K + 1, K + 1).
    """
    kernel = weight.flip(2, 3).transpose(0, 1)
    kernel = F.pad(kernel, (0, 0, 0, 1)) + F.pad(kernel, (0, 0, 1, 0))
    return F.pad(kernel, (0, 1)) + F.pad(kernel, (1, 0))
