"""Files that Pillow reads, and those of 16 bits that it would cut."""

import struct

import numpy as np
import pytest
import torch
from PIL import Image

from invprior.errors import MeasurementError
from invprior.io import images, room

GENERATOR = np.random.default_rng(0)


def noise(*shape, dtype="uint8"):
    return GENERATOR.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def levels(x, top=255):
    return (x[0] * top).round().numpy().transpose(1, 2, 0)


@pytest.mark.parametrize("suffix", [".bmp", ".webp", ".ppm", ".pnm", ".jp2", ".gif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_formats(tmp_path, suffix, channels):
    array = np.repeat(noise(9, 8, 1) // 128 * 255, channels, -1)
    path = tmp_path / f"x{suffix}"
    Image.fromarray(array[..., 0] if channels == 1 else array).save(
        path, **({"lossless": True} if suffix == ".webp" else {})
    )
    found = images.load(path)
    assert found.depth == "uint8"
    assert np.array_equal(levels(found.x), np.broadcast_to(array, levels(found.x).shape))


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_frames_are_a_stack(tmp_path, suffix):
    frames = [Image.fromarray(noise(9, 8)) for _ in range(3)]
    path = tmp_path / f"x{suffix}"
    options = {"lossless": True} if suffix == ".webp" else {}
    frames[0].save(path, save_all=True, append_images=frames[1:], **options)
    stack = images.load_stack(path)
    assert stack.axes == "TYXS"
    assert len(stack.images) == 3
    for image, frame in zip(stack.images, frames, strict=True):
        assert np.array_equal(levels(image.x)[..., 0], np.asarray(frame))
    with pytest.raises(MeasurementError, match="holds 3 images"):
        images.load(path)


@pytest.mark.parametrize("top", [4095, 65535])
@pytest.mark.parametrize("kind", ["P5", "P6"])
def test_deep_pnm_keeps_its_levels(tmp_path, kind, top):
    channels = 3 if kind == "P6" else 1
    array = GENERATOR.integers(0, top, (4, 5, channels), endpoint=True)
    head = f"{kind}\n# a comment\n5 4\n{top}\n".encode()
    (tmp_path / "x.pnm").write_bytes(head + array.astype(">u2").tobytes())
    image = images.load(tmp_path / "x.pnm")
    assert image.depth == "uint16"
    assert np.allclose(levels(image.x, top), array)
    (tmp_path / "x.pnm").write_bytes(head + array.astype(">u2").tobytes()[:-1])
    with pytest.raises(MeasurementError, match="end too early"):
        images.load(tmp_path / "x.pnm")


@pytest.mark.parametrize("channels", [1, 3])
def test_deep_jpeg_2000_keeps_its_levels(tmp_path, channels):
    codecs = pytest.importorskip("imagecodecs")
    array = noise(40, 40, channels, dtype="uint16")
    data = codecs.jpeg2k_encode(array.squeeze(), level=0, reversible=True)
    (tmp_path / "x.jp2").write_bytes(data)
    image = images.load(tmp_path / "x.jp2")
    assert image.depth == "uint16"
    assert np.array_equal(levels(image.x, 65535), array)


@pytest.mark.parametrize("mode", ["CMYK", "LAB"])
def test_colours_for_print_are_refused(tmp_path, mode):
    path = tmp_path / ("x.jpg" if mode == "CMYK" else "x.tif")
    Image.new(mode, (8, 8)).save(path)
    with pytest.raises(MeasurementError, match=rf"{mode}, not grey or RGB. Convert.*magick"):
        images.load(path)


def test_more_than_89_megapixels_are_read_where_they_fit(tmp_path, monkeypatch):
    Image.new("L", (100, 100)).save(tmp_path / "x.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert images.load(tmp_path / "x.png").x.shape == (1, 1, 100, 100)
    assert Image.MAX_IMAGE_PIXELS == 1000


def test_a_small_file_that_claims_to_be_huge_is_refused(tmp_path, monkeypatch):
    Image.new("L", (8, 8)).save(tmp_path / "x.bmp")
    data = bytearray((tmp_path / "x.bmp").read_bytes())
    data[18:26] = struct.pack("<ii", 60000, 60000)
    (tmp_path / "x.bmp").write_bytes(data)
    monkeypatch.setattr(room, "free_memory", lambda: 10**9)
    with pytest.raises(MeasurementError, match=r"3,600,000,000 values.*1.0 GB are free. Crop"):
        images.load(tmp_path / "x.bmp")


def test_a_transparent_frame_gives_every_frame_an_alpha_channel(tmp_path):
    opaque = Image.new("RGBA", (8, 8), (9, 9, 9, 255))
    clear = Image.new("RGBA", (8, 8), (9, 9, 9, 0))
    opaque.save(tmp_path / "x.png", save_all=True, append_images=[clear], blend=0)
    first, second = images.load_stack(tmp_path / "x.png").images
    assert torch.equal(first.alpha, torch.ones(1, 1, 8, 8))
    assert torch.equal(second.alpha, torch.zeros(1, 1, 8, 8))
