import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from invprior.io import png16


def encoded(picture):
    file = io.BytesIO()
    png16.encode(file, picture)
    return file.getvalue()


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def filtered(picture, kinds, extra=b"", interlaced=0):
    """A PNG file made byte by byte from the definition of the filters."""
    height, width, channels = picture.shape
    step = 2 * channels
    lines = picture.astype(">u2").view(np.uint8).reshape(height, -1).astype(int)
    out = bytearray()
    for i, kind in enumerate(kinds):
        out.append(kind)
        for j, value in enumerate(lines[i]):
            left = lines[i, j - step] if j >= step else 0
            above = lines[i - 1, j] if i else 0
            corner = lines[i - 1, j - step] if i and j >= step else 0
            estimate = left + above - corner
            nearest = min((left, above, corner), key=lambda n: abs(estimate - n))
            guess = (0, left, above, (left + above) // 2, nearest)[kind]
            out.append((value - guess) % 256)
    colour = {1: 0, 3: 2, 2: 4, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, interlaced)
    pixels = zlib.compress(bytes(out))
    half = len(pixels) // 2
    body = chunk(b"IHDR", header) + extra
    body += chunk(b"IDAT", pixels[:half]) + chunk(b"IDAT", pixels[half:]) + chunk(b"IEND", b"")
    return png16.SIGNATURE + body


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_every_filter_is_undone(data):
    height, width = data.draw(st.integers(1, 7)), data.draw(st.integers(1, 7))
    channels = data.draw(st.integers(1, 4))
    kinds = data.draw(st.lists(st.integers(0, 4), min_size=height, max_size=height))
    generator = np.random.default_rng(data.draw(st.integers(0, 99)))
    picture = generator.integers(0, 65535, (height, width, channels), np.uint16, endpoint=True)
    assert np.array_equal(png16.decode(filtered(picture, kinds)), picture)
    assert np.array_equal(png16.decode(encoded(picture)), picture)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_pillow_sees_the_same_picture(channels):
    picture = np.random.default_rng(0).integers(0, 65535, (9, 5, channels), np.uint16)
    data = encoded(picture)
    assert png16.is_png16(data)
    with Image.open(io.BytesIO(data)) as image:
        seen = np.asarray(image.convert("LA") if channels == 2 else image)
    expected = picture[..., 0] if channels == 1 else picture >> 8
    assert np.array_equal(seen, expected)


def test_pillows_own_grey_file_is_read():
    ramp = np.add.outer(np.arange(40) * 900, np.arange(30) * 77).astype(np.uint16)
    file = io.BytesIO()
    Image.fromarray(ramp).save(file, "PNG")
    assert np.array_equal(png16.decode(file.getvalue())[..., 0], ramp)


def test_a_transparent_colour_becomes_alpha():
    picture = np.arange(18, dtype=np.uint16).reshape(2, 3, 3)
    key = picture[1, 2].astype(">u2").tobytes()
    decoded = png16.decode(filtered(picture, [0, 0], chunk(b"tRNS", key)))
    assert np.array_equal(decoded[..., :3], picture)
    assert decoded[..., 3].tolist() == [[65535] * 3, [65535, 65535, 0]]


def test_interlaced_files_are_refused():
    picture = np.zeros((2, 2, 3), np.uint16)
    with pytest.raises(ValueError, match="without interlacing"):
        png16.decode(filtered(picture, [0, 0], interlaced=1))


@pytest.mark.parametrize("kept", [8, 20, 50, 90])
def test_a_cut_file_is_refused(kept):
    picture = np.random.default_rng(0).integers(0, 65535, (9, 9, 3), np.uint16)
    with pytest.raises(ValueError, match="ends too early"):
        png16.decode(encoded(picture)[:kept])
