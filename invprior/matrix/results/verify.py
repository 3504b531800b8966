"""Whether a record and its images are those that a run wrote."""

from __future__ import annotations

from pathlib import Path

from invprior.errors import MeasurementError
from invprior.matrix.results import record
from invprior.matrix.results.cells import key_of
from invprior.matrix.results.hashes import file_hash, is_file
from invprior.matrix.results.record import Record, path_of


def load(path: Path) -> Record:
    """Read a record and check that it belongs to its key; errors as `record.load`."""
    made = record.load(path)
    if key_of(made.options) != made.key:
        raise MeasurementError(f"{path}: its key does not match its options; it has been changed.")
    return made


def load_whole(path: Path) -> Record:
    """Read a record and check its images too; errors as `load`."""
    made = load(path)
    check_images(path.parent.parent, made)
    return made


def check_images(folder: Path, made: Record) -> None:
    """Check that the images of a record have the hashes that it names.

    Args:
        folder: of results.
        made: one of its records.

    Raises:
        MeasurementError: one is missing or damaged; the message names the record and the file.
    """
    for place, name in made.places.values():
        fault = image_fault(folder / place / name, made)
        if fault:
            raise MeasurementError(f"{path_of(folder, made.key)}: its file {name} {fault}.")


def image_fault(path: Path, made: Record) -> str:
    """Return why an image is not the one of a record, or ""."""
    if not is_file(path):
        return "is missing"
    try:
        same = file_hash(path) == made.files[path.name]
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "" if same else "has been changed"
