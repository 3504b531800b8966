"""SHA-256 of files, computed once for each state of a file."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

_SIZE = 1 << 14  # files that are remembered


def is_file(path: Path) -> bool:
    """Whether a plain file has this name. A name that no file can have, such as one of 300 letters, is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        OSError: it cannot be read.
    """
    about = path.stat()
    return _hash(str(path.absolute()), about.st_ino, about.st_size, about.st_mtime_ns)


@lru_cache(
    maxsize=_SIZE
)  # by these facts too, so that a file that was edited or replaced is read again
def _hash(at: str, number: int, size: int, changed: int) -> str:
    with Path(at).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
