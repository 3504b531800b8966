"""PNG with 16 bits per channel. Pillow reads it with 8 bits and cannot write it in colour.

Source: Portable Network Graphics specification, third edition, W3C 2025.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # of each colour type; the last of 2 and of 4 is alpha


def is_png16(data: bytes) -> bool:
    """Return whether these bytes, 26 or more, begin a PNG file with 16 bits per channel."""
    return data.startswith(SIGNATURE + b"\0\0\0\rIHDR") and data[24:25] == b"\x10"


def decode(data: bytes) -> NDArray[np.uint16]:
    """Decode a whole file.

    Returns:
        (H, W, C): C is 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha).

    Raises:
        ValueError: the file is broken, truncated or interlaced.
    """
    chunks = _chunks(data)
    width, height, _, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    if interlaced:
        raise ValueError("it is an interlaced PNG of 16 bits; save it without interlacing")
    size = 2 * CHANNELS[colour]
    expected = height * (1 + width * size)
    inflater = zlib.decompressobj()
    # The limit keeps a small malicious file from filling the memory.
    raw = inflater.decompress(chunks[b"IDAT"], expected)
    if len(raw) < expected:
        raise ValueError("its pixels end too early")
    lines = np.frombuffer(raw, np.uint8).reshape(height, -1)
    pixels = _unfilter(lines[:, 0], lines[:, 1:].reshape(height, width, size))
    image = np.ascontiguousarray(pixels).view(">u2").astype(np.uint16)
    if b"tRNS" in chunks and colour in (0, 2):  # one colour of the image is transparent
        key = np.frombuffer(chunks[b"tRNS"], ">u2")
        alpha = (image != key).any(-1, keepdims=True) * np.uint16(65535)
        image = np.concatenate([image, alpha], -1)
    return image


def encode(file: BinaryIO, image: NDArray[np.uint16]) -> None:
    """Write an image, (H, W, C) with C from 1 to 4 as in `decode`."""
    height, width, channels = image.shape
    colour = {count: code for code, count in CHANNELS.items()}[channels]
    lines = image.astype(">u2").view(np.uint8).reshape(height, -1)
    # Filter 2, the difference to the line above, compresses well and needs no loop.
    up = lines.copy()
    up[1:] -= lines[:-1]
    filtered = np.concatenate([np.full((height, 1), 2, np.uint8), up], 1)
    file.write(SIGNATURE)
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    for name, body in (
        (b"IHDR", header),
        (b"IDAT", zlib.compress(filtered.tobytes())),
        (b"IEND", b""),
    ):
        file.write(struct.pack(">I", len(body)) + name + body)
        file.write(struct.pack(">I", zlib.crc32(name + body)))


def _chunks(data: bytes) -> dict[bytes, bytes]:
    """Split a file into its chunks, verify their checksums, and join the IDAT chunks."""
    found: dict[bytes, bytes] = {}
    pixels = []
    at = len(SIGNATURE)
    while b"IEND" not in found:
        if at + 12 > len(data):
            raise ValueError("it ends too early")
        (length,) = struct.unpack_from(">I", data, at)
        name, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length
        if at > len(data):
            raise ValueError("it ends too early")
        if zlib.crc32(name + body) != struct.unpack_from(">I", data, at - 4)[0]:
            raise ValueError(f"the checksum of its part {name!r} is wrong")
        if name == b"IDAT":
            pixels.append(body)
        found[name] = body
    found[b"IDAT"] = b"".join(pixels)
    return found


def _unfilter(kinds: NDArray[np.uint8], lines: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Undo the prediction of each byte from its neighbours, (H, W, bytes of a pixel).

    A pixel depends on its left, upper and upper left neighbours. All pixels of one anti-diagonal
    can therefore be computed together.
    """
    height, width, size = lines.shape
    if kinds.max() > 4:
        raise ValueError("it holds an unknown filter")
    if (kinds == 0).all():
        return lines
    if (kinds == 2).all():  # as `encode` writes
        return np.add.accumulate(lines, 0, dtype=np.uint8)
    # A border of zeros stands for the neighbours outside; int16 holds sums of two bytes.
    out = np.zeros((height + 1, width + 1, size), np.int16)
    kind = kinds.astype(np.intp)[:, None]
    for diagonal in range(height + width - 1):
        row = np.arange(max(0, diagonal - width + 1), min(height, diagonal + 1))
        column = diagonal - row
        left, above, corner = out[row + 1, column], out[row, column + 1], out[row, column]
        predictions: list[NDArray[Any]] = [np.zeros_like(left), left, above, (left + above) >> 1]
        predictions.append(_paeth(left, above, corner))
        prediction = np.choose(kind[row], predictions)
        out[row + 1, column + 1] = (lines[row, column] + prediction) & 255
    return out[1:, 1:].astype(np.uint8)


def _paeth(left: NDArray[Any], above: NDArray[Any], corner: NDArray[Any]) -> NDArray[Any]:
    """Return the neighbour nearest to left + above - corner; the specification orders the ties."""
    to_left, to_above = np.abs(above - corner), np.abs(left - corner)
    to_corner = np.abs(left + above - 2 * corner)
    nearest = np.where(to_above <= to_corner, above, corner)
    return np.where((to_left <= to_above) & (to_left <= to_corner), left, nearest)
