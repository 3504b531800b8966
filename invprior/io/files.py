"""Output files: checked before a run, and written completely or not at all."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from invprior.errors import MeasurementError

LONGEST = 255  # bytes of a file's name, on nearly every file system
_TEMPORARY = re.compile(r"\.(.*)\.[0-9a-f]{8}\.tmp", re.DOTALL)


def check_name(path: str | os.PathLike[str]) -> Path:
    """Refuse a path with a name that no file system holds; the system's own calls would raise OSError.

    Raises:
        MeasurementError: the name of the file or of a folder is longer than 255 bytes.
    """
    path = Path(path)
    for part in path.parts:
        size = len(os.fsencode(part))
        if size > LONGEST:
            raise MeasurementError(
                f'The name "{part[:40]}..." must have at most {LONGEST} bytes; it has {size}. '
                "Choose a shorter name."
            )
    return path


def shortened(name: str, size: int) -> str:
    """Return the beginning of a name that fits into a number of bytes, in whole characters."""
    while len(os.fsencode(name)) > size:
        name = name[:-1]
    return name


def inside(folder: Path, name: object) -> Path:
    """Return the path of a name that was read from a file: a plain name, which cannot leave the folder.

    Every name in a record, a run file or a checkpoint goes through this check before it is used.

    Raises:
        MeasurementError: it is no text, or more than one name, such as "../x" or "/x".
    """
    plain = isinstance(name, str) and "\0" not in name and Path(name).name == name != ".."
    if not (plain and name):
        raise MeasurementError(
            f'A file in "{folder}" must be named by a plain name, without a folder; got {str(name)[:80]!r}. '
            "The file that holds this name is damaged, or somebody has changed it."
        )
    assert isinstance(name, str)
    return check_name(folder / name)


def remove_leftovers(*paths: Path) -> None:
    """Delete what killed processes left of writing these files; call it as their only writer."""
    # Names that `atomic` gives: the file's own name, perhaps shortened, and eight digits.
    stems = {(path.parent, shortened(path.name, 200)) for path in paths}
    for folder in {path.parent for path in paths}:  # listed once, as it may hold many files
        with suppress(OSError):
            for left in folder.iterdir():
                found = _TEMPORARY.fullmatch(left.name)
                if found and (folder, found[1]) in stems:
                    left.unlink(missing_ok=True)


def writable(path: str | Path, *, overwrite: bool = False) -> Path:
    """Check that a file can be written, without creating it; call this before a long run.

    Raises:
        MeasurementError: the file exists and must not be replaced, its name is too long, or its
            folder is missing or read-only.
    """
    path = check_name(path)
    folder = path.parent
    if path.is_dir():
        raise MeasurementError(f'Cannot write "{path}": it is a folder. Name a file inside it.')
    if path.exists() and not overwrite:
        raise _exists(path)
    if folder.exists() and not folder.is_dir():
        raise MeasurementError(
            f'Cannot write "{path}": "{folder}" is a file, not a folder. Choose another folder.'
        )
    if not folder.is_dir():
        raise MeasurementError(
            f'Cannot write "{path}": the folder "{folder}" does not exist. Make it first.'
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise MeasurementError(
            f'Cannot write "{path}": the folder "{folder}" is read-only. '
            "Choose another folder, or allow writing there."
        )
    if path.exists() and not os.access(path, os.W_OK):
        raise MeasurementError(
            f'Cannot write "{path}": the file is read-only. Choose another name.'
        )
    return path


def makeable(folder: Path, remedy: str) -> None:
    """Check that a folder exists or can be created, without creating it.

    Args:
        folder: the folder to be.
        remedy: the last sentence of the message, which tells the user what to do.

    Raises:
        MeasurementError: a file is in the way, or the folder above is read-only.
    """
    check_name(folder)
    existing = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
        fault = "is read-only" if existing.is_dir() else "is a file"
        raise MeasurementError(f'Cannot make the folder "{folder}": "{existing}" {fault}. {remedy}')


@contextmanager
def atomic(path: str | Path, *, overwrite: bool = False) -> Iterator[BinaryIO]:
    """Open a file for writing that appears under its name only when it is complete.

    The bytes go to a hidden file in the same folder, which replaces `path` at the end. On any
    failure, Ctrl-C included, the hidden file is removed and an old file at `path` is kept.

    Raises:
        MeasurementError: as `writable` raises, or when the system refuses to write (disk full, no
            permission).
    """
    path = writable(path, overwrite=overwrite)
    # In the same folder, since a rename is atomic only within one file system.
    temporary = path.with_name(f".{shortened(path.name, 200)}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            # The bytes must reach the disk before the name does, or a crash leaves an empty file.
            file.flush()
            os.fsync(file.fileno())
        _publish(temporary, path, overwrite)
    except OSError as error:
        raise MeasurementError(
            f'Cannot write "{path}": {error.strerror or error}. '
            "Free some space or choose another folder."
        ) from error
    finally:
        with suppress(OSError):  # after a successful rename there is nothing to remove
            temporary.unlink()


def _publish(temporary: Path, path: Path, overwrite: bool) -> None:
    """Give a complete file its name; a file that another program has created meanwhile is kept."""
    if not overwrite:
        try:  # unlike a rename, a link never replaces a file
            os.link(temporary, path)
            return
        except FileExistsError:
            raise _exists(path) from None
        except OSError:  # a file system without links
            pass
    writable(path, overwrite=overwrite)
    temporary.replace(path)


def _exists(path: Path) -> MeasurementError:
    return MeasurementError(
        f'"{path}" exists already and is kept. Choose another name, or replace it with '
        "--overwrite (overwrite=True)."
    )
