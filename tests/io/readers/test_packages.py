"""Files of astronomers, physicians and laboratories, written by the packages that read them."""

import zlib

import numpy as np
import pytest
import torch

from invprior.errors import MeasurementError
from invprior.io import codecs, images
from invprior.io.readers import apart
from tests.io.readers.made import GENERATOR, PLANE, dicom_of, fits_of, integers, write


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "uint32", "float32"])
def test_fits(tmp_path, dtype):
    pytest.importorskip("astropy")
    array = PLANE if dtype == "float32" else integers(dtype, 9, 8)
    fits_of(array).writeto(tmp_path / "x.fits")
    image = images.load(tmp_path / "x.fits", torch.float64)
    assert np.array_equal(image.x[0, 0], array)  # the first row is the file's first
    assert image.depth == {"uint8": "int16", "uint16": "int32"}.get(dtype, dtype)
    assert not image.scaled


def test_fits_applies_its_scale_and_its_blank(tmp_path):
    pytest.importorskip("astropy")
    units = fits_of(np.arange(72).reshape(9, 8) * 0.5 + 100)
    units[0].scale("int16", bscale=0.5, bzero=100)
    units[0].header["BLANK"] = 10
    units.writeto(tmp_path / "x.fits")
    image = images.load(tmp_path / "x.fits")
    assert image.missing.nonzero().tolist() == [[0, 0, 1, 2]]
    assert image.x[0, 0, 0, 2] == 101
    assert image.depth == "float64"


def test_fits_of_several_images(tmp_path):
    pytest.importorskip("astropy")
    path = tmp_path / "x.fits"
    fits_of(None, PLANE, 2 * PLANE).writeto(path)
    with pytest.raises(MeasurementError, match=r"2 images \(1, 2\), not one.*FILE:1"):
        images.load(path)
    assert np.array_equal(images.load(f"{path}:2").x[0, 0], 2 * PLANE)
    units = fits_of(None, PLANE, name="sci")
    units.append(fits_of(None, 3 * PLANE, name="err")[1])
    units.writeto(path, overwrite=True)
    assert np.array_equal(images.load(f"{path}:ERR").x[0, 0], 3 * PLANE)
    with pytest.raises(MeasurementError, match=r'no images named "DQ"\. Choose one of: SCI, ERR'):
        images.load(f"{path}:DQ")


@pytest.mark.parametrize(("shape", "count"), [((1, 1, 9, 8), 1), ((3, 9, 8), 3)])
def test_the_planes_of_a_fits_cube_are_images(tmp_path, shape, count):
    pytest.importorskip("astropy")
    fits_of(np.zeros(shape, np.float32)).writeto(tmp_path / "x.fit")
    assert len(images.load_stack(tmp_path / "x.fit").images) == count


def test_dicom_is_read_in_its_unit(tmp_path):
    pytest.importorskip("pydicom")
    array = np.arange(72, dtype=np.int16).reshape(9, 8)
    array[3, 4] = -2000
    dicom_of(
        tmp_path / "x.dcm", array, RescaleSlope=1, RescaleIntercept=-1024, PixelPaddingValue=-2000
    )
    image = images.load(tmp_path / "x.dcm")
    assert image.depth == "int32"
    assert image.x[0, 0, 1, 1] == 9 - 1024
    assert image.missing.nonzero().tolist() == [[0, 0, 3, 4]]
    dicom_of(tmp_path / "x.dcm", array, RescaleSlope=0.5, RescaleIntercept=0)
    assert images.load(tmp_path / "x.dcm").x[0, 0, 1, 1] == 4.5


def test_dicom_frames_and_colours(tmp_path):
    pytest.importorskip("pydicom")
    frames = integers("uint16", 4, 9, 8)
    dicom_of(tmp_path / "x.dcm", frames, NumberOfFrames=4)
    stack = images.load_stack(tmp_path / "x.dcm")
    assert (stack.axes, stack.shape) == ("TYX", (4, 9, 8))
    assert np.array_equal(stack.images[2].x[0, 0], frames[2])
    colours = integers("uint8", 9, 8, 3)
    dicom_of(tmp_path / "y.dcm", colours)
    image = images.load(tmp_path / "y.dcm")
    assert image.scaled
    assert np.allclose(image.x[0] * 255, colours.transpose(2, 0, 1), atol=1e-4)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti(tmp_path, suffix):
    nibabel = pytest.importorskip("nibabel")
    volume = integers("int16", 8, 9, 3)  # x, y, z
    image = nibabel.Nifti1Image(volume, np.diag([-1, 1, 1, 1]))
    nibabel.save(image, tmp_path / f"x{suffix}")
    stack = images.load_stack(tmp_path / f"x{suffix}")
    assert (stack.axes, stack.shape) == ("ZYX", (3, 9, 8))
    assert stack.images[0].depth == "int16"
    assert np.array_equal(stack.images[1].x[0, 0], volume[..., 1].T)
    image.header.set_slope_inter(0.25, 10)
    image.header.set_data_dtype(np.int16)
    nibabel.save(
        nibabel.Nifti1Image(volume * 0.25 + 10, None, image.header), tmp_path / f"y{suffix}"
    )
    found = images.load_stack(tmp_path / f"y{suffix}").images[1]
    assert np.allclose(found.x[0, 0], volume[..., 1].T * 0.25 + 10, atol=0.5)
    assert found.depth == "float64"


def test_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["entry/data"] = PLANE
        file["entry/time"] = np.arange(5)
    assert np.array_equal(images.load(path).x[0, 0], PLANE)
    with h5py.File(path, "a") as file:
        file["entry/other"] = np.stack([PLANE] * 5)
        file["entry/other"].attrs["_FillValue"] = PLANE[1, 2]
    with pytest.raises(
        MeasurementError, match=r"2 data sets \(entry/data, entry/other\).*FILE:/entry/data"
    ):
        images.load(path)
    stack = images.load_stack(f"{path}:/entry/other")
    assert len(stack.images) == 5
    assert "(5, 9, 8), has no names for its axes; it is read as 5 images" in stack.notes[0]
    assert stack.images[3].missing.nonzero().tolist() == [[0, 0, 1, 2]]


def test_mat(tmp_path):
    import scipy.io

    colours = GENERATOR.random((9, 8, 3))
    scipy.io.savemat(tmp_path / "x.mat", {"image": colours, "name": "text", "gain": 2.0})
    with pytest.raises(MeasurementError, match=r'no arrays named "name".*image'):
        images.load(tmp_path / "x.mat:name")
    # The number beside it is no image.
    image = images.load(tmp_path / "x.mat", torch.float64)
    assert np.array_equal(image.x, images.load(tmp_path / "x.mat:image", torch.float64).x)
    assert np.array_equal(image.x[0], colours.transpose(2, 0, 1))
    assert "3 channels (the last axis)" in image.notes[0]


def test_mat_of_version_7_3_has_its_axes_in_the_order_of_matlab(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "x.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["image"] = PLANE.T
    data = bytearray(path.read_bytes())
    data[:20] = b"MATLAB 7.3 MAT-file "
    path.write_bytes(data)
    assert np.array_equal(images.load(path).x[0, 0], PLANE)


def test_numpy_stacks_and_archives(tmp_path):
    stack = integers("uint8", 5, 9, 8)
    np.save(tmp_path / "x.npy", stack)
    found = images.load_stack(tmp_path / "x.npy")
    assert len(found.images) == 5
    assert np.allclose(found.images[4].x[0, 0] * 255, stack[4], atol=1e-4)
    np.save(tmp_path / "x.npy", stack.transpose(1, 2, 0))
    image = images.load(tmp_path / "x.npy")
    assert image.x.shape == (1, 5, 9, 8)
    assert "5 channels (the last axis)" in image.notes[0]
    np.savez(tmp_path / "x.npz", a=PLANE, b=2 * PLANE)
    assert np.array_equal(images.load(f"{tmp_path}/x.npz:b").x[0, 0], 2 * PLANE)


@pytest.mark.parametrize(
    "code", ["", "import os; os.abort()", "import time; time.sleep(60)", 'print("{")']
)
def test_a_crash_of_a_library_is_an_error(tmp_path, monkeypatch, code):
    pytest.importorskip("h5py")
    script = tmp_path / "crash.py"
    script.write_text(f"print('ready', flush=True); {code}")
    monkeypatch.setattr(apart, "_SCRIPT", script)
    monkeypatch.setattr(apart, "_PATIENCE", 0.5)
    write(tmp_path / "x.h5", ".h5")
    with pytest.raises(MeasurementError, match=r"x\.h5"):
        images.load(tmp_path / "x.h5")


def test_an_hdf5_file_cannot_fill_the_memory(tmp_path, monkeypatch):
    """A chunk of 4 kB that unpacks to 512 MB: the library itself knows no limit."""
    h5py = pytest.importorskip("h5py")
    monkeypatch.setattr(apart, "free_memory", lambda: -(2**32) + 2**29)  # 512 MB, Python included
    write(tmp_path / "y.h5", ".h5")
    assert images.load(tmp_path / "y.h5").x.numel() == 1600
    with h5py.File(tmp_path / "x.h5", "w") as file:
        data = file.create_dataset("a", (64, 64), "u1", chunks=(64, 64), compression="gzip")
        packer = zlib.compressobj(1)
        pieces = [packer.compress(bytes(2**24)) for _ in range(32)]
        data.id.write_direct_chunk((0, 0), b"".join([*pieces, packer.flush()]))
    with pytest.raises(MeasurementError, match=r"x\.h5"):
        images.load(tmp_path / "x.h5")


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("x.fits", "astropy", "fits"),
        ("x.fits.gz", "astropy", "fits"),
        ("x.dcm", "pydicom", "dicom"),
        ("x.nii.gz", "nibabel", "nifti"),
        ("x.h5", "h5py", "hdf5"),
    ],
)
def test_a_missing_package_is_named(tmp_path, monkeypatch, name, package, extra):
    import importlib

    found = importlib.import_module

    def without(module, *arguments):
        if module.partition(".")[0] == package:
            raise ImportError(module)
        return found(module, *arguments)

    monkeypatch.setattr(importlib, "import_module", without)
    (tmp_path / name).write_bytes(b"any content")
    with pytest.raises(
        MeasurementError,
        match=rf"{package}, which is not installed. .*pip install 'invprior\[{extra}\]'",
    ):
        images.load(tmp_path / name)


def test_every_suffix_is_found():
    from pathlib import Path

    assert {codecs.suffix_of(Path(f"a.b{s.upper()}")) for s in codecs.SUFFIXES} == set(
        codecs.SUFFIXES
    )
    assert codecs.suffix_of(Path("x.gz")) is None
