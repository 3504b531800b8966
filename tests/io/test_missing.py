import numpy as np
import pytest
import torch
from PIL import Image

from invprior.errors import MeasurementError
from invprior.io import images
from invprior.io.missing import with_missing


@pytest.mark.parametrize(
    ("dtype", "hole", "value"),
    [
        ("uint8", 0, 0),
        ("uint8", 255, "255"),
        ("uint16", 65535, 65535.0),
        ("int16", -9999, "-9999"),
        ("int32", -(2**31), "-2147483648"),
        ("float32", -9999.5, -9999.5),
        ("float32", 0.1, "0.1"),  # float32(0.1) is not 0.1
        ("float32", np.finfo(np.float32).min, "-3.4e38"),
        ("float64", -1e30, "-1e30"),
        ("float32", np.nan, "nan"),
    ],
)
@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_a_value_marks_missing_pixels(tmp_path, dtype, hole, value, precision):
    array = np.random.default_rng(0).integers(20, 100, (6, 5, 3)).astype(dtype)
    array[2, 3] = hole
    array[4, 1, 2] = hole
    np.save(tmp_path / "x.npy", array)
    image = with_missing(images.load(tmp_path / "x.npy", precision), value)
    assert image.missing.nonzero().tolist() == [[0, 0, 2, 3], [0, 0, 4, 1]]
    assert image.x.isnan().sum() == 4
    assert "No pixel" not in str(image.notes)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [("uint8", -9999), ("uint8", 256), ("uint8", 1.5), ("int16", "nan"), ("float32", 7)],
)
def test_a_value_that_no_pixel_has_is_told(tmp_path, dtype, value):
    np.save(tmp_path / "x.npy", np.ones((4, 4), dtype))
    image = with_missing(images.load(tmp_path / "x.npy"), value)
    assert image.missing is None
    assert image.notes == (f"No pixel is missing by the value {value}.",)


def test_transparent_pixels_may_be_missing(tmp_path):
    array = np.full((4, 5, 4), 200, np.uint8)
    array[1, 2, 3] = 0
    Image.fromarray(array).save(tmp_path / "x.png")
    image = images.load(tmp_path / "x.png")
    assert image.missing is None
    assert with_missing(image, "alpha").missing.nonzero().tolist() == [[0, 0, 1, 2]]
    with pytest.raises(MeasurementError, match=r"it has none\. Give the value"):
        with_missing(images.Image(torch.zeros(1, 1, 4, 4)), "alpha")
    with pytest.raises(MeasurementError, match='a number or "alpha"; got "none"'):
        with_missing(image, "none")
