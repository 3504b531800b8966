"""JSON files that hold their own checksum, so that no change of a letter goes unseen.

The checksum protects against damage. It is no signature: whoever writes a file can seal it, so what it says is still
checked (`typed`, `files.inside`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from invprior.errors import MeasurementError
from invprior.io import files, small_files, strict_json

SEAL = "sha256"  # the key of the checksum


def seal(values: Mapping[str, Any]) -> str:
    """Print an object as strict JSON, with the SHA-256 of all its other values."""
    assert SEAL not in values  # its own key
    plain = json.loads(strict_json.dumps(values))  # as a reader will see them
    return strict_json.dumps({**plain, SEAL: _digest(plain)}, indent=1) + "\n"


def unseal(text: str) -> dict[str, Any]:
    """Read what `seal` printed.

    Raises:
        ValueError: the text is no JSON object, or has been changed.
    """
    return checked(strict_json.loads(text))


def checked(values: Any) -> dict[str, Any]:
    """Return a sealed object that is parsed already, without its checksum; errors as `unseal`."""
    if not isinstance(values, dict):
        raise ValueError("it has no JSON object")
    content = {key: value for key, value in values.items() if key != SEAL}
    if values.get(SEAL) != _digest(content):
        raise ValueError("its content does not match its checksum")
    return content


def write(path: Path, values: Mapping[str, Any]) -> None:
    """Write a sealed object, atomically; an older file is replaced."""
    with files.atomic(path, overwrite=True) as file:
        file.write(seal(values).encode())


def read(path: Path) -> dict[str, Any]:
    """Read a sealed object.

    Raises:
        MeasurementError: there is no such file, or it is damaged.
    """
    try:
        return unseal(small_files.read_text(path))
    except ValueError as error:
        if isinstance(error, MeasurementError):
            raise
        raise MeasurementError(f'"{path}" is damaged: {error}.') from None


def _digest(values: Mapping[str, Any]) -> str:
    # A text may hold half a surrogate pair, which cannot be encoded: then it is refused, with a ValueError.
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
