import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from invprior.io import png16


def encoded(image):
    file = io.BytesIO()
    png16.encode(file, image)
    return file.getvalue()


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def filtered(image, kinds, extra=b"", interlaced=0):
    """Return a PNG file made byte by byte from the definition of the filters."""
    height, width, channels = image.shape
    step = 2 * channels
    lines = image.astype(">u2").view(np.uint8).reshape(height, -1).astype(int)
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
    image = generator.integers(0, 65535, (height, width, channels), np.uint16, endpoint=True)
    assert np.array_equal(png16.decode(filtered(image, kinds)), image)
    assert np.array_equal(png16.decode(encoded(image)), image)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_pillow_sees_the_same_image(channels):
    image = np.random.default_rng(0).integers(0, 65535, (9, 5, channels), np.uint16)
    data = encoded(image)
    assert png16.is_png16(data)
    with Image.open(io.BytesIO(data)) as pillow:
        seen = np.asarray(pillow.convert("LA") if channels == 2 else pillow)
    expected = image[..., 0] if channels == 1 else image >> 8
    assert np.array_equal(seen, expected)


def test_pillows_own_grey_file_is_read():
    ramp = np.add.outer(np.arange(40) * 900, np.arange(30) * 77).astype(np.uint16)
    file = io.BytesIO()
    Image.fromarray(ramp).save(file, "PNG")
    assert np.array_equal(png16.decode(file.getvalue())[..., 0], ramp)


def test_a_transparent_colour_becomes_alpha():
    image = np.arange(18, dtype=np.uint16).reshape(2, 3, 3)
    key = image[1, 2].astype(">u2").tobytes()
    decoded = png16.decode(filtered(image, [0, 0], chunk(b"tRNS", key)))
    assert np.array_equal(decoded[..., :3], image)
    assert decoded[..., 3].tolist() == [[65535] * 3, [65535, 65535, 0]]


def test_interlaced_files_are_refused():
    image = np.zeros((2, 2, 3), np.uint16)
    with pytest.raises(ValueError, match="without interlacing"):
        png16.decode(filtered(image, [0, 0], interlaced=1))


@pytest.mark.parametrize("kept", [8, 20, 50, 90])
def test_a_cut_file_is_refused(kept):
    image = np.random.default_rng(0).integers(0, 65535, (9, 9, 3), np.uint16)
    with pytest.raises(ValueError, match="ends too early"):
        png16.decode(encoded(image)[:kept])
