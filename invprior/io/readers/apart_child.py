"""The process of `apart`: a script, which imports nothing of invprior.

It says that it is ready, prints a line of JSON on what the file holds, reads the name of an array, prints a line on it
and writes the bytes of its values.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias

import numpy as np

# The arrays by name, each with its shape and type, or none where the file does not tell it; and how to read one, with
# what the file says of it.
_File: TypeAlias = tuple[
    dict[str, tuple[tuple[int, ...], str | None]], Callable[[str], tuple[Any, dict[str, Any]]]
]
# MATLAB's names of the types that can be an image's: the shape of a structure says nothing of the sizes in it.
_NUMBERS = ("logical", "single", "double", *(f"{u}int{n}" for u in ("", "u") for n in (8, 16, 32, 64)))  # fmt: skip


def main(kind: str, path: str, memory: int) -> None:
    """Serve one file.

    Args:
        kind: "hdf5" or "mat".
        path: the file.
        memory: the most bytes that the process may take: values of a few bytes can unpack to anything.
    """
    opened = _hdf5(path) if kind == "hdf5" else _mat(path)
    with suppress(ImportError, ValueError):  # not on every system, and not above its own limit
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    _say("ready")  # now that all is imported, which may take long
    with opened as (found, read):
        _say({"answer": found})
        array, about = read(json.loads(sys.stdin.readline()))
        values = np.ascontiguousarray(array)
        _say({"answer": {"shape": values.shape, "dtype": values.dtype.str, **about}})
        sys.stdout.buffer.write(values.reshape(-1).view(np.uint8).data)


def _hdf5(path: str) -> Any:
    import h5py

    @contextmanager
    def opened() -> Iterator[_File]:
        with h5py.File(path, "r") as file:
            found: dict[str, tuple[tuple[int, ...], str | None]] = {}

            def collect(key: str, item: Any) -> None:
                hidden = key.startswith("#")  # MATLAB's own tables
                if isinstance(item, h5py.Dataset) and item.ndim >= 1 and not hidden:
                    found[key] = item.shape, item.dtype.str

            def read(key: str) -> tuple[Any, dict[str, Any]]:
                data = file[key]
                fill = data.attrs.get("_FillValue", data.attrs.get("missing_value"))
                number = None if fill is None else np.ravel(fill)[0].item()
                return data[()], {
                    "name": data.name,
                    "labels": [axis.label.lower() for axis in data.dims],
                    "fill": number if isinstance(number, int | float) else None,
                }

            file.visititems(collect)
            yield found, read

    return opened()


def _mat(path: str) -> Any:
    import scipy.io

    @contextmanager
    def opened() -> Iterator[_File]:
        listed = scipy.io.whosmat(path)
        found: dict[str, tuple[tuple[int, ...], str | None]] = {
            key: (shape, None) for key, shape, kind in listed if kind in _NUMBERS
        }
        yield found, lambda key: (scipy.io.loadmat(path, variable_names=[key])[key], {})

    return opened()


def _say(values: Any) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    except Exception as error:  # the libraries raise nearly every type on broken files
        _say({"error": str(error) or type(error).__name__})
