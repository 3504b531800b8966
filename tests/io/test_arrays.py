import numpy as np
import pytest

from invprior.errors import MeasurementError
from invprior.io.arrays import read_plane


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (np.full((3, 3), 1 + 2j), "complex"),
        (np.full((3, 3), "a"), "<U1"),
        (np.zeros((3, 3), "datetime64[s]"), "datetime64"),
    ],
)
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_values_that_are_no_real_numbers_are_refused(tmp_path, array, kind, suffix):
    path = tmp_path / f"k.{suffix}"
    np.save(path, array) if suffix == "npy" else np.savez(path, k=array)
    with pytest.raises(MeasurementError, match=f"kernel .* must hold real numbers; it is {kind}"):
        read_plane(path, "kernel")


def test_numbers_stay_as_they_are(tmp_path):
    array = np.array([[0, 3], [-7, 400]])
    np.save(tmp_path / "k.npy", array)
    assert np.array_equal(read_plane(tmp_path / "k.npy", "kernel"), array)
