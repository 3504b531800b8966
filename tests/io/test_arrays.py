import numpy as np
import pytest

from invprior.errors import MeasurementError
from invprior.io.arrays import read_numbers, read_plane


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


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("k.txt", "# a kernel\n 0 1.5\t-2\n\n3 4e-1 5  # last\n"),
        ("k.csv", "0, 1.5, -2\n3,0.4,5\n"),
        ("k.csv", "\ufeff0;1.5;-2\r\n3;0.4;5\r\n"),
        ("k.tsv", "0\t1.5\t-2\n3\t0.4\t5"),
    ],
)
def test_tables_of_text(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    expected = [[0, 1.5, -2], [3, 0.4, 5]]
    assert read_plane(tmp_path / name, "kernel").tolist() == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2\n3", "line 2 has 1 numbers, those before have 2"),
        ("1 two", 'line 1 holds "two", which is no number'),
        ("# only a comment", "it holds no numbers"),
        ("1 nan", "must be finite"),
    ],
)
def test_text_that_is_no_table_is_refused(tmp_path, text, message):
    (tmp_path / "k.txt").write_text(text)
    with pytest.raises(MeasurementError, match=f"kernel .*k.txt.*{message}"):
        read_plane(tmp_path / "k.txt", "kernel")


def test_measurements_of_any_shape(tmp_path):
    vector = np.arange(7, dtype=np.int64)
    np.save(tmp_path / "y.npy", vector)
    np.savez(tmp_path / "y.npz", a=vector, b=vector * 1j)
    np.savetxt(tmp_path / "y.txt", vector)
    for name in ("y.npy", "y.npz:a", "y.txt"):
        assert np.array_equal(read_numbers(f"{tmp_path}/{name}"), vector)
    assert read_numbers(f"{tmp_path}/y.npz:b").dtype == np.complex128
    for name, message in (
        ("y.npz", r"2 arrays \(a, b\)"),
        ("no.npy", "There is no file"),
        ("y.png", "must be in a .npy"),
    ):
        with pytest.raises(MeasurementError, match=message):
            read_numbers(tmp_path / name)
    (tmp_path / "y.npy").write_bytes(b"broken")
    with pytest.raises(MeasurementError, match=r"Cannot read .*y.npy"):
        read_numbers(tmp_path / "y.npy")
