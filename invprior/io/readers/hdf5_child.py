"""The part of the HDF5 reader that runs in a process of its own: a script, which imports nothing of invprior.

It says that it is ready, prints a line of JSON on what the file holds, reads the name of a data set, prints its
attributes and writes the bytes of its values.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from typing import Any

import h5py
import numpy as np


def main(path: str, memory: int) -> None:
    """Serve one file.

    Args:
        path: the file.
        memory: the most bytes that the process may take: values of a few bytes can unpack to anything.
    """
    _say("ready")  # now that all is imported, which may take long
    with suppress(ImportError, ValueError):  # not on every system, and not above its own limit
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    with h5py.File(path, "r") as file:
        found: dict[str, tuple[tuple[int, ...], str]] = {}

        def collect(key: str, item: Any) -> None:
            hidden = key.startswith("#")  # MATLAB's own tables
            if isinstance(item, h5py.Dataset) and item.ndim >= 2 and not hidden:
                found[key] = item.shape, item.dtype.str

        file.visititems(collect)
        _say({"answer": found})
        data = file[json.loads(sys.stdin.readline())]
        fill = data.attrs.get("_FillValue", data.attrs.get("missing_value"))
        number = None if fill is None else np.ravel(fill)[0].item()
        fact = number if isinstance(number, int | float) else None
        labels = [axis.label.lower() for axis in data.dims]
        _say({"answer": {"name": data.name, "labels": labels, "fill": fact}})
        values = np.ascontiguousarray(data[()])
        sys.stdout.buffer.write(values.reshape(-1).view(np.uint8).data)


def _say(values: Any) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]))
    except Exception as error:  # h5py raises nearly every type on broken files
        _say({"error": str(error) or type(error).__name__})
