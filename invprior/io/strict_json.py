"""JSON by its standard, which has neither NaN nor infinities: they are written as text.

Python's own `json` prints the words NaN and Infinity, which parsers of other languages refuse.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def dumps(value: Any, **options: Any) -> str:
    """Print a value as strict JSON.

    Args:
        value: numbers, texts, paths, and mappings, lists and tuples of them; keys become text.
        options: of `json.dumps`, such as `indent`.
    """
    return json.dumps(_strict(value), allow_nan=False, **options)


def loads(text: str) -> Any:
    """Read strict JSON.

    Raises:
        ValueError: the text is no JSON, has NaN or an infinity, or is nested too deeply.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _strict(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): _strict(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(v) for v in value]
    return str(value) if isinstance(value, Path) else value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")
