"""HDF5 files, and MAT files of version 7.3, by h5py, in a process of its own.

On about one damaged file in a thousand, the HDF5 library crashes or never ends, and would take Python with it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BufferedReader
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import IO, Any, cast

import numpy as np

from invprior.io.readers.base import (
    Array,
    Decoded,
    checked_shape,
    chosen,
    optional,
    pages_of,
    plain,
    unnamed,
)
from invprior.io.room import free_memory

_LETTERS = {
    "y": "Y",
    "row": "Y",
    "x": "X",
    "column": "X",
    "c": "C",
    "channel": "C",
    "z": "Z",
    "t": "T",
    "time": "T",
}
_SCRIPT = Path(__file__).with_name("hdf5_child.py")
_PATIENCE = 5.0  # seconds, and as many more as the file has megabytes
_CRASHED = "it is damaged: the HDF5 library crashes on it or comes to no end"
_PYTHON = 2**32  # bytes that Python, NumPy and h5py reserve before they read


def read(path: Path, name: str | None, *, reverse: bool = False) -> Decoded:
    """Read one data set, chosen by its path where there are several.

    Args:
        path: the file.
        name: path of the data set in the file, or None.
        reverse: whether the order of the axes is MATLAB's.
    """
    optional("h5py", "hdf5", "MAT files of version 7.3" if reverse else "HDF5 files")
    with _child(path) as (say, hear):
        found = {key: (shape, np.dtype(kind)) for key, (shape, kind) in _answer(hear).items()}
        names = [key for key, (_, dtype) in found.items() if plain(dtype)]
        key = chosen(names, name, "data sets", "/")
        checked_shape(*found[key])
        say.write(json.dumps(key).encode() + b"\n")
        say.flush()
        facts = _answer(hear)
        array: Array = np.empty(*found[key])
        if hear.readinto(array.reshape(-1).view(np.uint8).data) < array.nbytes:
            raise ValueError(_CRASHED)
    letters = "".join(_LETTERS.get(label, "Q") for label in facts["labels"])
    if reverse:
        array = array.T
    if not reverse and letters.count("Y") == letters.count("X") == 1:
        decoded = Decoded(*pages_of(array, letters))
    else:
        decoded = unnamed(array, f"The data set {facts['name']}")
    if facts["fill"] is None:
        return decoded
    return replace(decoded, missing=[page == facts["fill"] for page in decoded.pages])


@contextmanager
def _child(path: Path) -> Iterator[tuple[IO[bytes], BufferedReader]]:
    """Start a process that serves a file, see `hdf5_child`; it ends with the block, or when its time is over.

    Yields:
        Its input and its output.
    """
    # -P: the script's folder has modules with names of others, such as `pillow`.
    memory = free_memory() + _PYTHON
    command = [sys.executable, "-P", str(_SCRIPT), str(path), str(memory)]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL) as child:
        assert child.stdin is not None
        hear = cast(BufferedReader, child.stdout)
        hear.readline()  # it is ready
        end = threading.Timer(_PATIENCE + path.stat().st_size / 1e6, child.kill)
        end.start()
        try:
            yield child.stdin, hear
        finally:
            end.cancel()
            child.kill()


def _answer(hear: IO[bytes]) -> dict[str, Any]:
    """Return what the process says next.

    Raises:
        ValueError: the library refuses the file, or has crashed on it.
    """
    line = hear.readline()
    if not line:
        raise ValueError(_CRASHED)
    said = json.loads(line)
    if "error" in said:
        raise ValueError(said["error"])
    answer: dict[str, Any] = said["answer"]
    return answer
