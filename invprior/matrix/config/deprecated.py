"""Words of earlier releases that a user's files and commands may still have.

Everything here is accepted for one release. To end that, delete this file and its few calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Keys of a configuration, axes of --only and exclude, and fields of a cell.
_NAMES = {"pictures": "images", "picture": "image"}
_PLACEHOLDER, _NEW_PLACEHOLDER = "{picture}", "{image}"
_SIMPLE = {"first-guess": "initial-estimate"}
# The built-in matrix "quick" labels that row, and labels are a part of a cell's identity.
_LABELS = {"first guess": "initial estimate", **_SIMPLE}


def note(old: str, new: str, where: str) -> str:
    """Return the sentence that names the new spelling."""
    return f"{where}: {old} is deprecated, and the next release refuses it; write {new}."


def name(old: str) -> str:
    """Return the present name of a key, an axis or a field."""
    return _NAMES.get(old, old)


def table(values: Mapping[str, Any], where: str, notes: list[str]) -> dict[str, Any]:
    """Return a TOML table in the present words; tables inside it are not changed.

    Args:
        values: the table as parsed.
        where: how notes name it.
        notes: the list that notes are added to.
    """
    found: dict[str, Any] = {}
    for key, value in values.items():
        new = key if name(key) in values else name(key)  # with both, the old key stays as a fault
        if new != key:
            notes.append(note(f'the key "{key}"', f'"{new}"', where))
        found[new] = _value(new, value, where, notes)
    return found


def pattern(axis: str, text: str, where: str, notes: list[str]) -> tuple[str, str]:
    """Return an axis and a pattern, as --only and exclude have them, in the present words."""
    new = name(axis), _SIMPLE.get(text, text) if axis == "prior" else text
    if new != (axis, text):
        notes.append(note(f"{axis}={text}", "=".join(new), where))
    return new


def cell(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a cell, as a file of benchmarks holds them, in the present words."""
    found = {name(key): value for key, value in values.items()}
    if found.get("prior") in _SIMPLE:
        found["prior"] = _SIMPLE[found["prior"]]
        found["method"] = _LABELS.get(found["method"], found["method"])
    return found


def _value(key: str, value: Any, where: str, notes: list[str]) -> Any:
    if key == "simple" and isinstance(value, str) and value in _SIMPLE:
        notes.append(note(f'"{value}"', f'"{_SIMPLE[value]}"', where))
        return _SIMPLE[value]
    if key in ("truth", "measurement", "masked") and isinstance(value, str):
        if _PLACEHOLDER in value:
            notes.append(note(_PLACEHOLDER, _NEW_PLACEHOLDER, where))
        return value.replace(_PLACEHOLDER, _NEW_PLACEHOLDER)
    return value
