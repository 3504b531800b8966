"""Whether invprior can call a plugin's class as it calls every plugin of its kind.

A method that takes other arguments than its base's would fail in the middle of a run, with an error
of Python's that names neither the plugin nor its package.
"""

from __future__ import annotations

import inspect
from functools import cache
from types import FunctionType
from typing import Any

from invprior.registry.discovery import CORE


@cache
def fault_of(cls: type) -> str | None:
    """Tell what is wrong with the signatures of a class derived from a base of invprior's; None when nothing is."""
    base = next((b for b in cls.__mro__ if "plugin_group" in vars(b)), cls)
    if not _of_core(base):
        return f"{cls.__name__} is not derived from invprior's base class"
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(cls.__abstractmethods__))  # type: ignore[attr-defined]
        return f"{cls.__name__} must define {missing}"
    return _constructor_fault(cls, base) or _method_fault(cls)


def _of_core(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == CORE


def _constructor_fault(cls: type, base: type) -> str | None:
    """Options are keyword-only; what stands before them is what the kind's base needs there."""
    given = _needed(base)
    try:
        inspect.signature(cls.__init__).bind_partial(None, *given)  # type: ignore[misc]
        extra = _needed(cls)[len(given) :]
    except TypeError:
        return f"the constructor of {cls.__name__} must take {', '.join(given)} first"
    except ValueError:  # written in another language: there is nothing to read
        return None
    if not extra:
        return None
    return f"the constructor of {cls.__name__} must take {extra[0]} by keyword: put a * before it"


def _needed(cls: type) -> list[str]:
    """Name the constructor's positional parameters without a default."""
    _, *parameters = inspect.signature(cls.__init__).parameters.values()  # type: ignore[misc]
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in parameters if p.kind in positional and p.default is p.empty]


def _method_fault(cls: type) -> str | None:
    for base in cls.__mro__[1:]:
        if not _of_core(base):
            continue
        for name, method in vars(base).items():
            own: Any = inspect.getattr_static(cls, name)
            plain = isinstance(method, FunctionType) and isinstance(own, FunctionType)
            if name.startswith("_") or not plain or own is method:
                continue
            positional, named = _arguments(method)
            try:
                inspect.signature(own).bind(*positional, **named)
            except TypeError:
                return f"{cls.__name__}.{name} takes {_text(own)}, and must take {_text(method)}"
    return None


def _arguments(method: FunctionType) -> tuple[list[None], dict[str, None]]:
    """Stand-ins for everything that a method can be called with."""
    parameters = inspect.signature(method).parameters.values()
    named = {p.name: None for p in parameters if p.kind is p.KEYWORD_ONLY}
    usual = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [None for p in parameters if p.kind in usual], named


def _text(method: FunctionType) -> str:
    parameters = inspect.signature(method).parameters.values()
    return f"({', '.join(str(p.replace(annotation=p.empty)) for p in parameters)})"
