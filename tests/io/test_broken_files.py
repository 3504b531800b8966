"""Broken files of every format: a message or an image, and never an error of the library that reads it."""

import io
import warnings
from itertools import islice

import numpy as np
import pytest

from invprior.errors import InvpriorError
from invprior.io import encoders, images, room
from invprior.io.arrays import read_mask, read_plane
from tests.fuzzing import COUNT, timed
from tests.io.readers.made import write

IMAGE = np.random.default_rng(0).integers(0, 255, (9, 8, 3), np.uint8)


# These are read by a process of their own, which takes half a second to start: only every so many are.
STEPS = {".h5": 10, ".mat": 20}
READERS = (images.load, lambda path: read_plane(path, "kernel"), read_mask)


def content(suffix, depth):
    file = io.BytesIO()
    array = IMAGE.astype(depth) * (257 if depth == "uint16" else 1)
    encoders.encode(file, suffix, array, alpha=False)
    return file.getvalue()


def broken(data, generator):
    """Yield the beginnings of a file, copies with wrong bytes, and noise behind its first bytes; 30 in CI."""
    for size in (1, 4, 8, 20, 60, 128, 200, len(data) // 2, len(data) - 3):
        yield data[:size]
        yield data[:size] + generator.bytes(300)
    for count in (1, 3, 30) * (2 * COUNT // 60):
        for end in (100, len(data)):  # the header holds most of what can go wrong
            copy = bytearray(data)
            for place in generator.integers(0, end, count):
                copy[place] = generator.integers(0, 256)
            yield bytes(copy)


# One suffix for each reader of grey images.
@pytest.mark.parametrize(
    ("suffix", "depth"),
    [
        *((s, encoders.DEPTHS[s][0]) for s in (".png", ".jpg", ".tif", ".npy", ".npz", ".mat")),
        *((s, encoders.DEPTHS[s][0]) for s in (".webp", ".pnm", ".jp2", ".fits", ".nii.gz")),
        (".png", "uint16"),
        (".tif", "uint8"),
    ],
)
def test_broken_files(tmp_path, suffix, depth):
    generator = np.random.default_rng(len(suffix))
    path = tmp_path / f"x{suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # errors in tests, but not for users
        for data in islice(
            broken(content(suffix, depth), generator), 0, None, STEPS.get(suffix, 1)
        ):
            path.write_bytes(data)
            for read in READERS[: 1 if suffix in STEPS else 3]:
                named(timed(read, path), path)


@pytest.mark.parametrize(
    ("suffix", "package"),
    [(".gif", None), (".webp", None), (".tif", None), (".dcm", "pydicom"), (".h5", "h5py")],
)
def test_broken_files_of_other_formats(tmp_path, monkeypatch, suffix, package):
    if package is not None:
        pytest.importorskip(package)
    monkeypatch.setattr(room, "free_memory", lambda: 10**8)  # of sizes that a broken header claims
    path = tmp_path / f"x{suffix}"
    write(path, suffix)
    content = broken(path.read_bytes(), np.random.default_rng(len(suffix)))
    for data in islice(content, 0, None, STEPS.get(suffix, 1)):
        path.write_bytes(data)
        named(timed(images.load_stack, path), path)


def named(result, path):
    """Check that an error names the file."""
    assert str(path) in str(result) or not isinstance(result, InvpriorError)
