"""Amplitude of a weave of 2 pixels in an image's flat regions, beside that of the truth.

    python benchmarks/weave.py invprior-out/astronaut-blur-dip/restoration.png sample:astronaut:160

Networks that upsample may leave a weave or a checkerboard, which shows first where the image is flat. The exit code is
1 if its amplitude exceeds 1.5 times the truth's.
"""

from __future__ import annotations

import argparse
import sys

import torch
from torch import Tensor
from torch.nn import functional as F

import invprior
from invprior import samples

SIDE = 8  # pixels of a block
FLAT = 0.03  # largest standard deviation of a flat block, of the range
ALLOWED = 1.5


def weave(x: Tensor, truth: Tensor) -> float:
    """Return the root mean square amplitude at the Nyquist frequencies, over blocks that are flat in the truth.

    Args:
        x: the image, (1, C, H, W), in [0, 1].
        truth: the true image, of the same shape.

    Returns:
        The amplitude of stripes along rows, along columns and of a checkerboard together, in units of 1/255; NaN
        without a flat block.
    """
    sign = torch.tensor([1.0, -1.0]).repeat(SIDE // 2)
    patterns = torch.stack(
        (sign.expand(SIDE, SIDE), sign[:, None].expand(SIDE, SIDE), torch.outer(sign, sign))
    )
    flat = _blocks(truth).std((1, 2)) < FLAT
    amplitudes = torch.einsum("bij,pij->bp", _blocks(x)[flat], patterns) / SIDE**2
    return 255 * float(amplitudes.square().sum(1).mean().sqrt())


def _blocks(x: Tensor) -> Tensor:
    """Cut the mean of the channels into blocks that overlap by half, (B, SIDE, SIDE)."""
    return F.unfold(x.mean(1, keepdim=True), SIDE, stride=SIDE // 2)[0].T.reshape(-1, SIDE, SIDE)


def _read(source: str) -> Tensor:
    if not source.startswith(samples.PREFIX):
        return invprior.load(source).x
    name, _, size = source.removeprefix(samples.PREFIX).partition(":")
    return samples.load(name, int(size)).x


def main() -> int:
    """Print the amplitude of an image and of its truth."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("image", help="a file with the range of its type")
    parser.add_argument("truth", help="a file, or sample:NAME:SIZE")
    options = parser.parse_args()
    x, truth = (_read(source) for source in (options.image, options.truth))
    found, wanted = weave(x, truth), weave(truth, truth)
    print(f"amplitude {found:.2f} of 255, in the truth {wanted:.2f}: {found / wanted:.2f} times")
    return int(not found <= ALLOWED * wanted)


if __name__ == "__main__":
    sys.exit(main())
