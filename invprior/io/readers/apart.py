"""Files whose library crashes on damaged ones are read in a process of their own.

On about one damaged file in a thousand, the libraries for HDF5 and MAT files crash or never end, and would take Python
with them. The process imports one library alone. It starts in about the time that the import takes here.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import IO, Any, Literal, cast

import numpy as np

from invprior.io.readers.base import Array
from invprior.io.room import free_memory

_SCRIPT = Path(__file__).with_name("apart_child.py")
_PATIENCE = 5.0  # seconds, and as many more as the file has megabytes
_CRASHED = "it is damaged: the library that reads it crashes or comes to no end"
_PYTHON = 2**32  # bytes that Python and its packages reserve before they read


class Apart:
    """A file that a process serves.

    Attributes:
        found: the arrays in the file by name, each with its shape and its type; the type is None where the file does
            not tell it.
    """

    def __init__(self, say: IO[bytes], hear: BufferedReader) -> None:
        self._say, self._hear = say, hear
        answer = self._answer().items()
        self.found = {
            key: (tuple(shape), None if kind is None else np.dtype(kind))
            for key, (shape, kind) in answer
        }

    def read(self, key: str) -> tuple[Array, dict[str, Any]]:
        """Read one array; return its values and what the file says of it. Call it once.

        Raises:
            ValueError: the library refuses the file, or has crashed on it.
        """
        self._say.write(json.dumps(key).encode() + b"\n")
        self._say.flush()
        about = self._answer()
        array: Array = np.empty(about["shape"], np.dtype(about["dtype"]))
        if self._hear.readinto(array.reshape(-1).view(np.uint8).data) < array.nbytes:
            raise ValueError(_CRASHED)
        return array, about

    def _answer(self) -> dict[str, Any]:
        line = self._hear.readline()
        if not line:
            raise ValueError(_CRASHED)
        said = json.loads(line)
        if "error" in said:
            raise ValueError(said["error"])
        answer: dict[str, Any] = said["answer"]
        return answer


@contextmanager
def opened(kind: Literal["hdf5", "mat"], path: Path) -> Iterator[Apart]:
    """Start a process that serves a file; it ends with the block, or when its time is over.

    Raises:
        ValueError: the library refuses the file, or has crashed on it.
    """
    # -P: the script's folder has modules with names of others, such as `pillow`.
    memory = free_memory() + _PYTHON
    command = [sys.executable, "-P", str(_SCRIPT), kind, str(path), str(memory)]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL) as child:
        assert child.stdin is not None
        hear = cast(BufferedReader, child.stdout)
        hear.readline()  # it is ready
        end = threading.Timer(_PATIENCE + path.stat().st_size / 1e6, child.kill)
        end.start()
        try:
            yield Apart(child.stdin, hear)
        finally:
            end.cancel()
            child.kill()
