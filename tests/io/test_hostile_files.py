"""Files made to run a program, to block, or to fill the memory: each is refused before its content is read."""

import bz2
import gzip
import io
import os
import socket
import struct
import zipfile
import zlib

import numpy as np
import pytest

from invprior.errors import MeasurementError
from invprior.io import codecs, images, png16, room
from invprior.io.arrays import read_mask, read_numbers, read_plane
from invprior.io.readers import tiff
from tests.io.readers.made import dicom_of

READERS = (images.load_stack, lambda path: read_plane(path, "kernel"), read_mask, read_numbers)
POSTSCRIPT = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 9 8
%%EndComments
(marker) (w) file closefile showpage
%%EOF
"""
SIDE = 2000  # an image of this side is larger than what `room` lets pass without asking


@pytest.mark.parametrize(
    "suffix", [s for s in codecs.SUFFIXES if s not in (".mat", ".h5", ".hdf5")]
)
def test_a_postscript_file_of_another_name_starts_no_program(tmp_path, monkeypatch, suffix):
    for name in ("gs", "gswin32c", "gswin64c"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    path = tmp_path / f"x{suffix}"
    path.write_bytes(POSTSCRIPT)
    for read in READERS:
        with pytest.raises(MeasurementError, match=r"x\."):
            read(path)
    assert not (tmp_path / "started").exists()


@pytest.fixture(params=["pipe", "socket", "device", "folder"])
def no_file(request, tmp_path):
    """A path that ends in .npy and is no file."""
    path = tmp_path / "x.npy"
    if request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "device":
        path.symlink_to("/dev/zero")
    elif request.param == "folder":
        path.mkdir()
    else:
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(str(path))
    return path


@pytest.mark.parametrize("read", READERS)
def test_what_is_no_file_is_refused_at_once(no_file, read):
    with pytest.raises(MeasurementError, match=r"no plain file|is a folder"):
        read(no_file)


def npy(shape, kept=100):
    """A file of zeros that ends too early."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    return file.getvalue() + bytes(kept)


def bomb(suffix):
    """A small file of a large image."""
    file = io.BytesIO()
    if suffix == ".npy":
        return npy((10**7, 10**6))
    if suffix in (".npz", "-lying.npz"):
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            lying = suffix == "-lying.npz"
            archive.writestr(
                "a.npy", npy((10**7, 10**6)) if lying else npy((SIDE, SIDE), 4 * SIDE**2)
            )
    elif suffix == ".png":
        png16.encode(file, np.zeros((SIDE, SIDE, 1), np.uint16))
    elif suffix == ".csv":
        return b"0 0 0 0 0 0 0 0\n" * 100_000
    return file.getvalue()


@pytest.mark.parametrize("suffix", [".npy", ".npz", "-lying.npz", ".png", ".csv"])
def test_a_small_file_of_a_large_array_is_refused(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(room, "free_memory", lambda: 10**7)
    path = tmp_path / f"x{suffix}"
    path.write_bytes(bomb(suffix))
    for read in READERS[suffix == ".csv" :]:
        if suffix == ".png" and read is read_numbers:
            continue
        with pytest.raises(MeasurementError, match=r"GB of memory, and 0\.0 GB are free"):
            read(path)


def endless(suffix):
    """The compressed file of a header without an end."""
    if suffix == ".dcm":
        file = io.BytesIO()
        dicom_of(file, np.zeros((SIDE, SIDE), np.uint8), deflated=True)
        return file.getvalue()
    card = b"SIMPLE  =                    T".ljust(80) if ".fit" in suffix else bytes(80)
    return (bz2 if "bz2" in suffix else gzip).compress(card + b" " * 10**7)


@pytest.mark.parametrize("suffix", [".fits.gz", ".fits", "-bz2.fits", ".nii.gz", ".dcm"])
def test_an_endless_header_is_refused(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(room, "free_memory", lambda: 10**7)
    path = tmp_path / f"x{suffix}"
    path.write_bytes(endless(suffix))
    with pytest.raises(MeasurementError, match=r"GB are free|Decompress it first"):
        images.load(path)


def test_absent_strips_of_a_tiff_file_are_no_black_pixels(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, np.ones((8, 9), np.uint8), compression="zlib", rowsperstrip=8)
    with tifffile.TiffFile(path) as file:
        height = file.pages[0].tags["ImageLength"].valueoffset
    data = bytearray(path.read_bytes())
    data[height + 1] = 1  # 264 rows instead of 8
    path.write_bytes(data)
    with pytest.raises(MeasurementError, match="strips or tiles are missing"):
        images.load(path)


def test_a_strip_of_a_tiff_file_that_unpacks_to_anything_is_refused(tmp_path, monkeypatch):
    """Without imagecodecs, which has a limit, as the package may be missing."""
    tifffile = pytest.importorskip("tifffile")
    monkeypatch.setattr(tiff, "find_spec", lambda name: None)
    monkeypatch.setattr(room, "free_memory", lambda: 10**7)
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, np.zeros((8, 9), np.uint8), compression="zlib")
    assert images.load(path).x.shape == (1, 1, 8, 9)
    with tifffile.TiffFile(path) as file:
        offset, count = (file.pages[0].tags[k] for k in ("StripOffsets", "StripByteCounts"))
    packed = zlib.compress(bytes(10**7))
    data = bytearray(path.read_bytes())
    data[offset.valueoffset : offset.valueoffset + 4] = struct.pack("<I", len(data))
    data[count.offset + 2 : count.offset + 4] = struct.pack("<H", 4)  # the type, a long integer
    data[count.offset + 8 : count.offset + 12] = struct.pack("<I", len(packed))
    path.write_bytes(data + packed)
    with pytest.raises(MeasurementError, match="GB are free"):
        images.load(path)


def test_a_member_of_an_archive_that_is_no_array_is_not_read(tmp_path):
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(10**6))
    for read in READERS:
        with pytest.raises(MeasurementError, match="magic string"):
            read(path)


def test_a_structure_of_matlab_is_not_read(tmp_path):
    import scipy.io

    path = tmp_path / "x.mat"
    scipy.io.savemat(path, {"s": {"large": np.zeros((9, 8))}}, do_compression=True)
    with pytest.raises(MeasurementError, match="holds no arrays of numbers"):
        images.load(path)
