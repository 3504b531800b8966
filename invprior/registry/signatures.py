"""The check that a plugin's class can be called like every plugin of its kind.

A method whose arguments differ from those of its base class would fail in the middle of a run. Python's
error would name neither the plugin nor its package.
"""

from __future__ import annotations

import inspect
from functools import cache
from types import FunctionType
from typing import Any

from invprior.registry.discovery import CORE


@cache
def fault_of(cls: type) -> str | None:
    """Return what is wrong with the signatures of a class derived from a base class of invprior, or None."""
    # The class that sets plugin_group is the base class of its kind.
    base = next((b for b in cls.__mro__ if "plugin_group" in vars(b)), cls)
    if not _of_core(base):
        return f"{cls.__name__} is not derived from invprior's base class"
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(cls.__abstractmethods__))  # type: ignore[attr-defined]
        return f"{cls.__name__} must define {missing}"
    return renamed_fault(cls) or _constructor_fault(cls, base) or _method_fault(cls)


# Names of before the first release. A class that still defines one would be used as if it did not.
_RENAMED = {
    "curvature": "lipschitz",
    "freedom": "degrees_of_freedom",
    "grain": "alignment",
    "learning_rate": "default_solver",
    "observed": "observation_mask",
    "posed": "condition",
    "reach": "halo",
    "restricted": "restrict",
}


@cache
def renamed_fault(cls: type) -> str | None:
    """Return which name a class outside invprior defines that its base class has under another name, or None."""
    for owner in cls.__mro__:
        for old, new in _RENAMED.items():
            if not _of_core(owner) and old in vars(owner) and hasattr(cls, new):
                return f"{cls.__name__} defines {old}, which is now {new}; rename it"
    return None


def _of_core(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == CORE


def _constructor_fault(cls: type, base: type) -> str | None:
    """Check the positional parameters: those of the base class come first, and options are keyword-only."""
    required = _needed(base)
    try:
        inspect.signature(cls.__init__).bind_partial(None, *required)  # type: ignore[misc]
        extra = _needed(cls)[len(required) :]
    except TypeError:
        return f"the constructor of {cls.__name__} must take {', '.join(required)} first"
    except ValueError:  # written in C: no signature to read
        return None
    if not extra:
        return None
    return f"the constructor of {cls.__name__} must take {extra[0]} by keyword: put a * before it"


def _needed(cls: type) -> list[str]:
    """Name the constructor's positional parameters that have no default."""
    _, *parameters = inspect.signature(cls.__init__).parameters.values()  # type: ignore[misc]
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in parameters if p.kind in positional and p.default is p.empty]


def _method_fault(cls: type) -> str | None:
    for base in cls.__mro__[1:]:
        if not _of_core(base):  # invprior calls a method as its own base classes declare it
            continue
        for name, method in vars(base).items():
            own: Any = inspect.getattr_static(cls, name)  # static: a property must not run
            plain = isinstance(method, FunctionType) and isinstance(own, FunctionType)
            if name.startswith("_") or not plain or own is method:
                continue
            positional, named = _arguments(method)
            try:
                inspect.signature(own).bind(*positional, **named)
            except TypeError:
                return f"{cls.__name__}.{name} takes {_text(own)}; it must take {_text(method)}"
    return None


def _arguments(method: FunctionType) -> tuple[list[None], dict[str, None]]:
    """Return placeholders for all arguments of a method: positional ones and those by keyword."""
    parameters = inspect.signature(method).parameters.values()
    named = {p.name: None for p in parameters if p.kind is p.KEYWORD_ONLY}
    usual = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [None for p in parameters if p.kind in usual], named


def _text(method: FunctionType) -> str:
    parameters = inspect.signature(method).parameters.values()
    return f"({', '.join(str(p.replace(annotation=p.empty)) for p in parameters)})"
