"""Checks of every plugin: it stores its options, and it is frozen where its kind requires that."""

from __future__ import annotations

import dataclasses
from typing import Any

from invprior.operators.base import Operator
from invprior.registry.options import option_values, options_of
from invprior.testing.rebuilding import built_again
from invprior.testing.report import Fault


def options_kept(obj: Any) -> None:
    """Each option is stored in an attribute of its name, and an equal object can be built from them."""
    cls: Any
    cls, values = option_values(obj)
    lost = [o.name for o in options_of(cls) if not hasattr(obj, o.name)]
    if lost:
        raise Fault(
            f"the option {' and '.join(lost)} is not stored as an attribute, "
            "so the record of a run cannot include it"
        )
    rebuilt = None if isinstance(obj, Operator) else built_again(obj)
    if rebuilt is None:
        return
    for name, value in values.items():
        other = getattr(rebuilt, name, None)
        # Plain values are compared; a network or an array inside an option need not define ==.
        if type(other) is not type(value) or (_plain(value) and other != value):
            raise Fault(f"the option {name}={value!r} becomes {other!r} when it is built again")


def _plain(value: Any) -> bool:
    return isinstance(value, bool | int | float | str)


def frozen(obj: Any) -> None:
    """Its attributes cannot be changed after construction: all state belongs to the run."""
    names = (
        [f.name for f in dataclasses.fields(obj)] if dataclasses.is_dataclass(obj) else ["_tried"]
    )
    name = names[0] if names else "_tried"
    before = getattr(obj, name, None)
    try:
        setattr(obj, name, before)  # the same value, so that the object stays as it was
    except (dataclasses.FrozenInstanceError, AttributeError):
        return
    raise Fault(
        "its attributes can be changed after construction; "
        "decorate the class with @dataclass(frozen=True, kw_only=True)"
    )
