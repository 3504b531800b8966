"""The options of a plugin's class: the keyword-only parameters of its constructor.

`options_of` lists them for `invprior describe`. `option_values` reads the options of an object from its
attributes of the same names.
"""

from __future__ import annotations

import inspect
import math
import re
import sys
import typing
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any

from invprior.registry.spec import Spec

REQUIRED: Any = inspect.Parameter.empty
_SMALLEST, _LARGEST = 1e-37, 1e37  # within single precision
_WIDTH = 60  # characters of a value in a message


@dataclass(frozen=True)
class Option:
    """An option of a plugin, a row of `invprior describe`.

    Attributes:
        name: its name.
        type: its type and range as text, such as `float > 0`.
        default: its default value; `REQUIRED` when it has none.
        description: its text in the docstring's Args section.
    """

    name: str
    type: str
    default: Any
    description: str

    @property
    def required(self) -> bool:
        """Whether the option has no default."""
        return self.default is REQUIRED


def sized(value: Any) -> Any:
    """Return a number that every precision can hold; infinities and NaN are for others to refuse.

    Raises:
        ValueError: it is too large or too small; the message says what it must be.
    """
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise ValueError("must be an integer of 64 bits")
    elif value != 0 and math.isfinite(value) and not _SMALLEST <= abs(value) <= _LARGEST:
        raise ValueError(f"must be 0 or from {_SMALLEST:g} to {_LARGEST:g} in size")
    return value


def shown(value: Any) -> str:
    """Return a value for a message, shortened: a spec as it is written, text in quotes."""
    text = str(value) if isinstance(value, Spec) else repr(value)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."


def plain_name(cls: type) -> str:
    """Return the name of a plugin's class for messages: MaxSteps is max-steps, PnP is pnp."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "-", cls.__name__).lower()


def options_of(cls: type) -> list[Option]:
    """List a plugin's options in the order of its constructor."""
    described = _descriptions(cls)
    return [
        Option(p.name, _type_text(hint), p.default, described.get(p.name, ""))
        for p, hint in parameters(cls)
    ]


def option_values(obj: Any) -> tuple[type, dict[str, Any]]:
    """Return a plugin's class and the values of its options; an option that is None is left out.

    A plugin stores each option as an attribute of the same name. An object that stands for another
    one, such as a recipe, has a method `described() -> (class, options)` instead.
    """
    cls: Any
    cls, given = obj.described() if hasattr(obj, "described") else (type(obj), None)
    values = {}
    for parameter, _ in parameters(cls):
        default = None if parameter.default is REQUIRED else parameter.default
        source = (
            getattr(obj, parameter.name, None)
            if given is None
            else given.get(parameter.name, default)
        )
        if source is not None:
            values[parameter.name] = source
    return cls, values


def short_repr(obj: Any, *before: Any) -> str:
    """Print an object on one line: its class and each option that is set, a tensor as its shape.

    Args:
        obj: an object of a plugin's class.
        before: values to print before the options, such as an operator's image shape.
    """
    cls, values = option_values(obj)
    texts = [*map(repr, before), *(f"{name}={_value_text(v)}" for name, v in values.items())]
    inside = ", ".join(texts)
    return f"{cls.__name__}({inside if len(inside) <= _WIDEST else inside[: _WIDEST - 3] + '...'})"


_WIDEST = 160  # characters, two lines of a terminal


def _value_text(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return repr(value) if shape is None else f"{type(value).__name__}{tuple(shape)}"


@cache
def parameters(cls: Any) -> tuple[tuple[inspect.Parameter, Any], ...]:
    """List the keyword-only parameters of a class's constructor, each with its type."""
    signature = inspect.signature(cls.__init__)
    return tuple(
        (p, _hint(cls, p)) for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY
    )


def _hint(cls: Any, parameter: inspect.Parameter) -> Any:
    """Evaluate an option's annotation; Any when it is absent or cannot be evaluated here."""
    from pydantic import ConfigDict, TypeAdapter

    written = Any if parameter.annotation is parameter.empty else parameter.annotation
    owners = [
        base for base in cls.__mro__ if parameter.name in vars(base).get("__annotations__", {})
    ]
    # The names in an annotation belong to the module of the class that wrote it.
    scopes = [getattr(cls.__init__, "__globals__", {})]
    scopes += [vars(sys.modules[base.__module__]) for base in owners]  # inherited dataclass fields
    for scope in scopes:
        holder = type("Holder", (), {"__annotations__": {"option": written}})
        with suppress(Exception):  # an annotation may run any code
            hint = typing.get_type_hints(holder, scope, include_extras=True)["option"]
            TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
            return hint
    return Any


def _type_text(hint: Any) -> str:
    """Print an annotation for users: `float > 0`, `l1 | l0`."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        bounds = [_bound(m) for m in arguments[1:]]
        return " ".join([_type_text(arguments[0]), ", ".join(filter(None, bounds))]).strip()
    if origin in (typing.Union, UnionType):
        return " or ".join(_type_text(a) for a in arguments if a is not type(None))
    if origin is typing.Literal:
        return " | ".join(str(a) for a in arguments)
    if origin in (tuple, list):
        inner = ", ".join(_type_text(a) for a in arguments if a is not ...)
        return f"[{inner}, ...]" if ... in arguments or origin is list else f"[{inner}]"
    if group := getattr(hint, "plugin_group", None):
        return f"a component of {group}"
    return getattr(hint, "__name__", str(hint))


def _bound(constraint: Any) -> str:
    symbols = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    found = [(s, getattr(constraint, a, None)) for a, s in symbols.items()]
    return ", ".join(f"{symbol} {value:g}" for symbol, value in found if value is not None)


def _descriptions(cls: Any) -> dict[str, str]:
    """Read the Args sections in the docstrings of a class, its bases and their constructors."""
    found: dict[str, str] = {}
    # Bases first, so that the description of a derived class wins.
    bases = [(base, vars(base).get("__init__")) for base in reversed(cls.__mro__)]
    for doc in (inspect.cleandoc(part.__doc__ or "") for pair in bases for part in pair):
        section = re.search(r"^Args:\n((?:[ \t]+.*\n?|\n)+)", doc, re.M)
        if section is None:
            continue
        for match in re.finditer(
            r"^ {4}(\w+)(?: \(.*?\))?:\s*(.*(?:\n {5,}.*)*)", section.group(1), re.M
        ):
            found[match.group(1)] = " ".join(match.group(2).split())
    return found
