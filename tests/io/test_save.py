"""What `save` writes beyond the values of test_images: counts, and faults of the encoders."""

import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from invprior.errors import MeasurementError
from invprior.io import encoders, images
from invprior.io.save import default_suffix, save, writable


@pytest.mark.parametrize("depth", ["int16", "int32", "uint32"])
def test_counts_are_rounded_and_clipped_to_their_type(tmp_path, depth):
    limits = np.iinfo(depth)
    x = torch.tensor([-1e12, limits.min, 0.4, 0.6, 1000.5, 1e12], dtype=torch.float64)
    like = images.Image(torch.zeros(1, 1, 1, 6), depth=depth)
    save(tmp_path / "x.tif", x.reshape(1, 1, 2, 3), like=like)
    values = tifffile.imread(tmp_path / "x.tif")
    assert values.dtype == depth
    assert values.ravel().tolist() == [limits.min, limits.min, 0, 1, 1001, limits.max]


def test_alpha_of_counts_covers_their_range(tmp_path):
    like = images.Image(torch.zeros(1, 1, 2, 2), depth="int16", alpha=torch.ones(1, 1, 2, 2))
    save(tmp_path / "x.tif", torch.full((1, 1, 2, 2), 300.0), like=like)
    assert tifffile.imread(tmp_path / "x.tif")[0, 0].tolist() == [300, 32767]


@pytest.mark.parametrize("fault", [ValueError("the data is odd.\nMore"), OSError(-2), KeyError(7)])
def test_a_fault_of_an_encoder_is_one_message(tmp_path, monkeypatch, fault):
    def encode(file, *_, **__):
        file.write(b"half")
        raise fault

    monkeypatch.setattr(encoders, "encode", encode)
    with pytest.raises(MeasurementError) as caught:
        save(tmp_path / "x.png", torch.zeros(1, 1, 4, 4))
    assert f'Cannot write "{tmp_path / "x.png"}" as a PNG file: ' in str(caught.value)
    assert "More" not in str(caught.value)
    assert "Write another format" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


GREY = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5


@pytest.mark.parametrize("suffix", [".bmp", ".webp", ".ppm", ".pnm", ".jp2", ".mat", ".h5"])
@pytest.mark.parametrize("depth", ["uint8", "uint16"])
def test_colours_return_from_every_format(tmp_path, suffix, depth):
    if depth not in encoders.DEPTHS[suffix]:
        pytest.skip("the format has 8 bits")
    colours = np.stack([GREY, GREY[::-1], GREY[:, ::-1]]).astype(depth)
    x = torch.from_numpy(colours / np.float32(np.iinfo(depth).max))[None]
    path = tmp_path / f"x{suffix}"
    save(path, x, depth=depth)
    back = images.load(path)
    assert back.depth == depth
    assert torch.equal(back.x, x)


@pytest.mark.parametrize("suffix", [".pgm", ".fits", ".fits.gz", ".nii", ".nii.gz", ".h5", ".mat"])
def test_grey_returns_from_every_format(tmp_path, suffix):
    depth = "uint16" if suffix == ".pgm" else "float32"
    x = torch.from_numpy(GREY / np.float32(257 if depth == "uint16" else 3))[None, None]
    path = tmp_path / f"x{suffix}"
    save(path, x / (255 if depth == "uint16" else 1), depth=depth)
    back = images.load(path).x
    assert torch.allclose(back, x / (255 if depth == "uint16" else 1), atol=1e-5)
    with pytest.raises(MeasurementError, match=r"1 channel, this image 2|1 or 3 channels"):
        writable(
            path if suffix in encoders.GREY else tmp_path / "y.bmp", channels=2, overwrite=True
        )


@pytest.mark.parametrize(
    ("suffix", "package"), [(".fits", "astropy"), (".nii.gz", "nibabel"), (".h5", "h5py")]
)
def test_a_missing_package_is_named_before_the_run(tmp_path, monkeypatch, suffix, package):
    for name in [m for m in sys.modules if m.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MeasurementError, match=rf"{package}.*not installed.*pip install"):
        writable(tmp_path / f"x{suffix}")


@pytest.mark.parametrize(
    ("name", "depth", "channels", "pages", "expected"),
    [
        ("a.tif", "uint8", 3, 1, ".tif"),
        ("a.TIFF", "int16", 1, 5, ".tiff"),
        ("a.jpg", "uint8", 3, 1, ".png"),
        ("a.npy", "float32", 7, 1, ".npy"),
        ("a.fits", "int32", 1, 1, ".fits"),
        ("a.nii.gz", "float32", 1, 9, ".nii.gz"),
        ("a.png", "uint8", 3, 2, ".tif"),
        ("a.png", "uint8", 4, 1, ".tif"),
        ("a.gif", "uint8", 3, 1, ".png"),
        ("a.dcm", "int16", 1, 1, ".tif"),
        (None, "uint8", 3, 1, ".png"),
    ],
)
def test_a_result_takes_the_format_of_its_source(name, depth, channels, pages, expected):
    path = None if name is None else Path(name)
    like = images.Image(torch.zeros(1, 1, 2, 2), depth=depth, path=path)
    assert default_suffix(like, channels, pages) == expected
