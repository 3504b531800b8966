"""What `save` writes beyond the values of test_images: counts, and faults of the encoders."""

import numpy as np
import pytest
import tifffile
import torch

from invprior.errors import MeasurementError
from invprior.io import encoders, images
from invprior.io.save import save


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
