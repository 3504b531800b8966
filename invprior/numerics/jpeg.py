"""The transforms of JPEG: its quantisation tables, its colours, its blocks of cosines and its coarse chroma.

Source: ITU-T T.81 (1992), annexes A and K; ITU-T T.871 (2011), the file format JFIF, for the colours.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from invprior.numerics.spectral import dct, idct
from invprior.numerics.tensors import Constant

BLOCK = 8  # side of a block, in pixels of its plane
GREY_LEVELS = 255.0
Chroma: TypeAlias = Literal["half", "full"]  # 4:2:0 and 4:4:4

# Steps of quality 50, row by row from low to high vertical frequencies.
_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
# Rows: luma, blue against luma, red against luma.
COLOURS = (
    (0.299, 0.587, 0.114),
    (-0.299 / 1.772, -0.587 / 1.772, 0.5),
    (0.5, -0.587 / 1.402, -0.114 / 1.402),
)


def tables(quality: int) -> tuple[Tensor, Tensor]:
    """Return the steps of luma and of chroma for a quality, (8, 8) each, in grey levels.

    They are those of the Independent JPEG Group's library, which nearly all programs use.

    Args:
        quality: 1 to 100.
    """
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    luma, chroma = (
        ((torch.tensor(table) * scale + 50) // 100).clamp(1, 255).double()
        for table in (_LUMA, _CHROMA)
    )
    return luma, chroma


# As a matrix: two products take all blocks at once.
_DCT = Constant(dct(torch.eye(BLOCK, dtype=torch.float64), 0))


def to_blocks(plane: Tensor) -> Tensor:
    """Apply the orthonormal DCT to each block of 8 x 8 pixels, in its place: (B, H, W) to the same shape.

    Pixels right of and below the last whole block stay as they are, so that the map is orthonormal for every size.
    """
    return _blockwise(plane, _DCT.like(plane))


def from_blocks(coefficients: Tensor) -> Tensor:
    """Apply the inverse of `to_blocks`, which is its adjoint."""
    return _blockwise(coefficients, _DCT.like(coefficients).T)


def _blockwise(plane: Tensor, basis: Tensor) -> Tensor:
    height, width = (n // BLOCK * BLOCK for n in plane.shape[-2:])
    if 0 in (height, width):
        return plane
    whole = plane[:, :height, :width].reshape(len(plane), -1, BLOCK, width)
    rows = torch.matmul(basis, whole).view(len(plane), height, -1, BLOCK)
    made = torch.matmul(rows, basis.T).view(len(plane), height, width)
    if (height, width) == plane.shape[-2:]:
        return made
    right = torch.cat([made, plane[:, :height, width:]], -1)
    return torch.cat([right, plane[:, height:]], -2)


def unsmoothed(plane: Tensor) -> Tensor:
    """Return the coarse chroma of a file from the means of 2 x 2 pixels of its decoded picture, (B, h, w).

    Decoders interpolate chroma linearly, with the weights 3/4 and 1/4. The means of what they make are the file's
    values averaged with weights of 1/8, 3/4 and 1/8 along both axes, and the nearest value beyond a border. Cosines
    diagonalise this average.
    """
    for dim in (-2, -1) if plane.numel() else ():
        count = plane.shape[dim]
        waves = torch.cos(
            math.pi / count * torch.arange(count, dtype=plane.dtype, device=plane.device)
        )
        response = (0.75 + 0.25 * waves).view(-1, *(1,) * (-1 - dim))
        plane = idct(dct(plane, dim) / response, dim)
    return plane


class Plane(NamedTuple):
    """One of the planes that JPEG compresses, and the map A from a picture to its coefficients.

    A plane of H x W pixels has as many coefficients, and A A^T is a multiple of I. Those of a coarse plane are of the
    means of 2 x 2 pixels, then come the details: three differences within 2 x 2 pixels, and the last row and column of
    an odd size.

    Attributes:
        weights: of the picture's channels.
        coarse: whether the file has half of the plane's height and half of its width.
        chroma: whether it holds chroma rather than luma.
    """

    weights: tuple[float, ...]
    coarse: bool
    chroma: bool

    @property
    def gain(self) -> float:
        """The factor a in A A^T = a I."""
        return sum(w * w for w in self.weights) / (4 if self.coarse else 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the coefficients of pictures, (B, C, H, W) to (B, H W)."""
        plane = self._mixed(x)
        if not self.coarse:
            return to_blocks(plane).flatten(1)
        means, *details = _squares(plane)
        return torch.cat([part.flatten(1) for part in (to_blocks(means), *details)], 1)

    def adjoint(self, coefficients: Tensor, height: int, width: int) -> Tensor:
        """Apply the adjoint of `forward`: (B, H W) to (B, C, H, W)."""
        if self.coarse:
            down, across = height // 2, width // 2
            sizes = [down * across] * 4 + [2 * down * (width % 2), width * (height % 2)]
            *inner, column, row = coefficients.split(sizes, 1)
            count = len(coefficients)
            squares = [part.view(count, down, across) for part in inner]
            squares[0] = from_blocks(squares[0])
            plane = _squares_adjoint(squares)
            plane = torch.cat([plane, column.view(count, 2 * down, width % 2) / 2], 2)
            plane = torch.cat([plane, row.view(count, height % 2, width) / 2], 1)
        else:
            plane = from_blocks(coefficients.view(len(coefficients), height, width))
        return torch.stack([w * plane for w in self.weights], 1)

    def blocks_of_file(self, y: Tensor) -> Tensor:
        """Return the coefficients in a file's blocks from its decoded picture, (B, C, H, W) to (B, h, w)."""
        plane = self._mixed(y)
        return to_blocks(unsmoothed(_squares(plane)[0]) if self.coarse else plane)

    def joined(self, blocks: Tensor, y: Tensor) -> Tensor:
        """Return all coefficients, (B, H W), from those of the blocks, (B, h, w), with the details of y."""
        if not self.coarse:
            return blocks.flatten(1)
        details = _squares(self._mixed(y))[1:]
        return torch.cat([part.flatten(1) for part in (blocks, *details)], 1)

    def _mixed(self, x: Tensor) -> Tensor:
        # One channel of several without a product, so that grey pictures stay exact.
        if 1.0 in self.weights and sum(map(abs, self.weights)) == 1.0:
            return x[:, self.weights.index(1.0)]
        return torch.einsum("c,bchw->bhw", x.new_tensor(self.weights), x)


# Signs of the pixels of a square, from left to right and from top to bottom, in its mean and in its differences.
_SIGNS = ((1, 1, 1, 1), (1, 1, -1, -1), (1, -1, 1, -1), (1, -1, -1, 1))


def _squares(plane: Tensor) -> tuple[Tensor, ...]:
    """Return means and differences of 2 x 2 pixels, and half of what is left of odd sizes."""
    height, width = (n // 2 * 2 for n in plane.shape[-2:])
    pixels = torch.stack([plane[:, i:height:2, j:width:2] for i in (0, 1) for j in (0, 1)])
    combined = torch.einsum("sp,pbhw->sbhw", plane.new_tensor(_SIGNS) / 4, pixels)
    return (*combined, plane[:, :height, width:] / 2, plane[:, height:] / 2)


def _squares_adjoint(squares: list[Tensor]) -> Tensor:
    signs = squares[0].new_tensor(_SIGNS) / 4
    pixels = torch.einsum("sp,sbhw->bhwp", signs, torch.stack(squares))
    count, down, across, _ = pixels.shape
    spread = pixels.view(count, down, across, 2, 2).transpose(2, 3)
    return spread.reshape(count, 2 * down, 2 * across)


def planes(channels: int, chroma: Chroma) -> tuple[Plane, ...]:
    """Return the planes of a picture: luma and two of chroma for three channels, else each channel as luma."""
    if channels == 3:
        luma, blue, red = COLOURS
        coarse = chroma == "half"
        return Plane(luma, False, False), Plane(blue, coarse, True), Plane(red, coarse, True)
    return tuple(
        Plane(tuple(float(k == c) for k in range(channels)), False, False) for c in range(channels)
    )


def steps_of(table: Tensor, like: Tensor, outside: float) -> Tensor:
    """Return the quantisation step of each coefficient of the blocks of a plane, (h, w).

    Args:
        table: the steps of a block, (8, 8).
        like: coefficients, (B, h, w).
        outside: the value for pixels beyond the last whole block.
    """
    height, width = like.shape[-2:]
    down, across = height // BLOCK, width // BLOCK
    found = like.new_full((height, width), outside)
    found[: down * BLOCK, : across * BLOCK] = table.to(like).repeat(down, across)
    return found
