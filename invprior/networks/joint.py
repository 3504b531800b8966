"""The layer that joins a skip connection to the enlarged scale below."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from invprior.networks.layers import Upsampling, batch_norm


class Joint(nn.Module):
    """Enlarge the scale below twice, concatenate it to the skip connection, normalise, convolve.

    With nearest upsampling and zero padding, the same function is computed without enlarging. Batch
    norm commutes with enlarging, and enlarging and convolving are one transposed convolution of
    stride 2. This takes less than half of the multiplications.

    Args:
        channels: channels of the skip connection plus those of the scale below.
        conv: the convolution, after its padding layer if it has one.
        upsample: method that enlarges.
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
        """Join (B, channels - N, H/2, W/2) to the skip connection, (B, N, H, W) or None."""
        # Reflection padding is a layer of its own, and then the fold below does not apply.
        last = self.conv[-1]
        if self.upsample == "nearest" and len(self.conv) == 1 and isinstance(last, nn.Conv2d):
            return self._folded(bridge, below, last)
        joined = F.interpolate(below, scale_factor=2, mode=self.upsample)
        if bridge is not None:
            joined = torch.cat((bridge, joined), 1)
        out: Tensor = self.conv(joined if self.norm is None else self.norm(joined))
        return out

    def _folded(self, bridge: Tensor | None, below: Tensor, conv: nn.Conv2d) -> Tensor:
        """Apply batch norm and the convolution to each part at its own size, and add the results."""
        first = 0 if bridge is None else bridge.shape[1]
        # Nearest enlarging repeats every value four times, so mean and variance stay the same.
        below = self._normalised(below, slice(first, None))
        margin = conv.kernel_size[0] // 2
        # The convolution of concatenated channels is the sum of two convolutions.
        kernel = doubled(conv.weight[:, first:])
        # With this padding, K + 1 taps and stride 2 give exactly twice the height and width.
        out = F.conv_transpose2d(below, kernel, conv.bias, stride=2, padding=margin)
        if bridge is None:
            return out
        bridge = self._normalised(bridge, slice(first))
        # In place, as a convolution's backward pass does not need its result. `out` has the bias.
        return F.conv2d(bridge, conv.weight[:, :first], padding=margin).add_(out)

    def _normalised(self, x: Tensor, part: slice) -> Tensor:
        norm = self.norm
        if norm is None:
            return x
        # Batch norm treats each channel alone, so the parameters can be split.
        weight, bias = norm.weight[part], norm.bias[part]
        # Always the statistics of this map, as `batch_norm` keeps no running ones.
        return F.batch_norm(x, None, None, weight, bias, training=True, eps=norm.eps)


def doubled(weight: Tensor) -> Tensor:
    """Return the kernel of the transposed convolution that enlarges by 2 and convolves.

    Enlarging is by nearest neighbours.

    Args:
        weight: weights of the convolution, (out, in, K, K), K odd.

    Returns:
        The convolution of the flipped weights with a 2x2 box, (in, out, K + 1, K + 1).
    """
    # A transposed convolution applies its kernel flipped, and has (in, out) in place of (out, in).
    kernel = weight.flip(2, 3).transpose(0, 1)
    kernel = F.pad(kernel, (0, 0, 0, 1)) + F.pad(kernel, (0, 0, 1, 0))
    return F.pad(kernel, (0, 1)) + F.pad(kernel, (1, 0))
