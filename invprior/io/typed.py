"""Values from JSON files, checked against the types of a dataclass."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
_LARGEST = 2**63  # of integers; no count, size or seed is larger
_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}  # as `strict_json` writes them


def typed(kind: type[T], values: Any, where: str) -> T:
    """Make a dataclass from what `dataclasses.asdict` and JSON have kept of it.

    Fields that are absent take their defaults, and unknown ones are ignored.

    Args:
        kind: the dataclass. Its fields are texts, numbers, truth values, literals, dataclasses, and mappings and tuples
            of them; `Any` is not checked.
        values: the object from JSON.
        where: what messages call it.

    Raises:
        ValueError: a field is missing or has another type; the message names it.
    """
    made: T = _made(kind, values, where)
    return made


def _made(kind: Any, value: Any, where: str) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if is_dataclass(kind):
        return _dataclass(kind, value, where)
    if origin in (Union, types.UnionType):  # with None; the project has no other
        (other,) = (k for k in inner if k is not type(None))
        return None if value is None else _made(other, value, where)
    if origin is Literal:
        _check(
            isinstance(value, str) and value in inner, f"one of {', '.join(inner)}", value, where
        )
        return value
    if origin is tuple:
        return _tuple(inner, value, where)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        _check(isinstance(value, dict), "an object", value, where)
        return {name: _made(inner[1], v, f"{where}.{name}") for name, v in value.items()}
    return _single(kind, value, where)


def _dataclass(kind: Any, values: Any, where: str) -> Any:
    _check(isinstance(values, dict), "an object", values, where)
    hints, given = _hints(kind), {}
    for field in fields(kind):
        if field.name in values:
            place = f"{where}.{field.name}"
            given[field.name] = _made(hints[field.name], values[field.name], place)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{where} lacks {field.name}")
    return kind(**given)


def _tuple(inner: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    _check(isinstance(value, list | tuple), "a list", value, where)
    if inner[-1] is not Ellipsis:
        _check(len(value) == len(inner), f"a list of {len(inner)}", value, where)
    return tuple(_made(inner[0], item, f"{where}[{i}]") for i, item in enumerate(value))


def _single(kind: Any, value: Any, where: str) -> Any:
    if kind is float:
        value = _NOT_FINITE.get(value, value) if isinstance(value, str) else value
        number = isinstance(value, int | float) and not isinstance(value, bool)
        # Above this, Python has no float for an integer.
        _check(
            number and (isinstance(value, float) or abs(value) < _LARGEST), "a number", value, where
        )
        return float(value)
    if kind is int:  # in Python, True is an int
        whole = isinstance(value, int) and not isinstance(value, bool)
        _check(whole and abs(value) < _LARGEST, "an integer below 2^63", value, where)
        return value
    _check(isinstance(value, kind), {str: "a text", bool: "true or false"}[kind], value, where)
    return value


def _check(good: bool, must: str, got: object, where: str) -> None:
    if not good:
        shown = repr(got)
        raise ValueError(f"{where} must be {must}; got {shown[:60]}{'...' * (len(shown) > 60)}")


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
