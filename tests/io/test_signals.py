"""Signals, arrays of one dimension: from files and arrays to images of one row, and back in kind and shape."""

import numpy as np
import pytest
import scipy.io
import torch

import invprior
from invprior.errors import MeasurementError
from invprior.io import images
from invprior.io.save import default_suffix, save

LENGTH = 40
VALUES = np.linspace(0, 3, LENGTH) ** 2


def written(folder, name):
    """Write the signal in the format of a name, as other programs do."""
    path = folder / name
    if name.endswith(".npy"):
        np.save(path, VALUES)
    elif name.endswith(".npz"):
        np.savez(path, anything=VALUES)
    elif name == "row.mat":
        scipy.io.savemat(path, {"v": VALUES[None], "rate": 250.0})
    elif name == "column.mat":
        scipy.io.savemat(path, {"v": VALUES[:, None]})
    elif name.endswith(".h5"):
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w") as file:
            file["entry/values"] = VALUES
    elif name.endswith(".fits"):
        pytest.importorskip("astropy.io.fits").writeto(path, VALUES)
    else:
        separators = {"line.txt": " ", "one.csv": ",\n"}
        path.write_text(separators.get(name, "\n").join(map(str, VALUES)))
    return path


def array_of(path):
    """Read a file as other programs do."""
    if path.suffix == ".npy":
        return np.load(path)
    if path.suffix == ".npz":
        return np.load(path)["x"]
    if path.suffix == ".mat":
        return scipy.io.loadmat(path)["x"]
    if path.suffix == ".h5":
        import h5py

        with h5py.File(path) as file:
            return file["x"][()]
    if path.suffix == ".fits":
        from astropy.io import fits

        return fits.getdata(path)
    return np.loadtxt(path)


SHAPES = {
    "a.npy": (LENGTH,),
    "a.npz": (LENGTH,),
    "row.mat": (1, LENGTH),
    "column.mat": (LENGTH, 1),
    "a.h5": (LENGTH,),
    "a.fits": (LENGTH,),
    "a.txt": (LENGTH,),
    "line.txt": (LENGTH,),
    "one.csv": (LENGTH,),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_signal_comes_back_in_its_kind_and_shape(tmp_path, name):
    image = images.load(written(tmp_path, name), torch.float64)
    assert image.x.shape == (1, 1, 1, LENGTH)
    assert np.array_equal(image.x.flatten(), VALUES)
    assert image.is_signal
    assert image.notes == ()
    assert default_suffix(image, 1, rows=1) == image.path.suffix
    out = tmp_path / f"out-{name}"
    save(out, 2 * image.x, like=image)
    assert array_of(out).shape == SHAPES[name]
    assert np.array_equal(array_of(out).ravel(), 2 * VALUES)
    # Downsampling shortens it, and keeps the orientation of MATLAB's vectors.
    save(out, image.x[..., ::2], like=image, overwrite=True)
    assert array_of(out).shape == tuple(n if n == 1 else LENGTH // 2 for n in SHAPES[name])


@pytest.mark.parametrize("name", ["a.npy", "column.mat", "one.csv"])
def test_solve_returns_one_dimension_for_a_file_of_one(tmp_path, name):
    found = invprior.solve(
        written(tmp_path, name), prior="tikhonov:weight=1", noise="gaussian:sigma=1"
    )
    assert found.to_numpy().shape == (LENGTH,)


def test_complex_signals_keep_their_values(tmp_path):
    np.save(tmp_path / "x.npy", VALUES + 1j)
    image = images.load(tmp_path / "x.npy", torch.float64)
    save(tmp_path / "y.npy", image.x, like=image)
    assert np.array_equal(np.load(tmp_path / "y.npy"), VALUES + 1j)
    with pytest.raises(MeasurementError, match="complex"):
        save(tmp_path / "y.csv", image.x)


TABLE = "wave length, intensity\n" + "\n".join(f"{400 + i}, {v}" for i, v in enumerate(VALUES))


def test_a_table_needs_the_name_or_the_number_of_a_column(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(TABLE)
    with pytest.raises(
        MeasurementError, match=r"2 columns \(wave length, intensity\).*behind a colon"
    ):
        images.load(path)
    for column in ("intensity", "2"):
        image = images.load(f"{path}:{column}", torch.float64)
        assert np.array_equal(image.x.flatten(), VALUES)
        assert "left out: wave length" in image.notes[0]
    assert float(images.load(f"{path}:wave length").x[0, 0, 0, 1]) == 401
    with pytest.raises(MeasurementError, match='no columns named "3"'):
        images.load(f"{path}:3")
    path.write_text(TABLE.partition("\n")[2])  # without names
    with pytest.raises(MeasurementError, match=r"2 columns \(1, 2\)"):
        images.load(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\nx\n2", 'line 2 holds "x"'),
        ("1 2\n3", "line 2 has 1 numbers"),
        ("a\nb\n", 'line 2 holds "b"'),
        ("# nothing\n", "no numbers"),
    ],
)
def test_broken_text_is_named_with_a_remedy(tmp_path, text, message):
    (tmp_path / "x.txt").write_text(text)
    with pytest.raises(MeasurementError, match=message + ".*Expected one number in each line"):
        images.load(tmp_path / "x.txt")


def test_vectors_beside_an_image_are_its_coordinates(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["image"], file["x"], file["y"] = np.ones((4, 5)), VALUES, VALUES
    assert images.load(tmp_path / "x.h5").x.shape == (1, 1, 4, 5)
    assert images.load(f"{tmp_path / 'x.h5'}:/x").x.shape == (1, 1, 1, LENGTH)


def test_an_image_of_one_row_stays_an_image(tmp_path):
    np.save(tmp_path / "x.npy", VALUES[None])
    image = images.load(tmp_path / "x.npy")
    assert not image.is_signal
    save(tmp_path / "y.npy", image.x, like=image)
    assert np.load(tmp_path / "y.npy").shape == (1, LENGTH)
    assert invprior.solve(VALUES[None], prior="none").to_numpy().shape == (1, LENGTH)


def test_text_holds_a_signal_and_no_image(tmp_path):
    with pytest.raises(MeasurementError, match="holds one signal"):
        save(tmp_path / "x.csv", torch.zeros(1, 1, 4, 5))
    with pytest.raises(MeasurementError, match="holds one signal"):
        save(tmp_path / "x.csv", torch.zeros(1, 3, 1, 5))
    save(tmp_path / "x.csv", torch.tensor([0.1, float("nan")]))
    assert (tmp_path / "x.csv").read_text() == "0.1\nnan\n"


def test_a_signal_in_a_format_of_images_has_one_row(tmp_path):
    save(tmp_path / "x.tif", torch.linspace(0, 1, 9))
    assert images.load(tmp_path / "x.tif").x.shape == (1, 1, 1, 9)
