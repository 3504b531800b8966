"""Checks of every plugin: its options are kept, and what should be frozen is."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

from invprior.errors import InvpriorError
from invprior.registry.options import option_values, options_of
from invprior.testing.report import Fault


def options_kept(obj: Any) -> None:
    """Each option is an attribute of its name, with which an equal object can be made, so that records are true."""
    cls: Any
    cls, values = option_values(obj)
    lost = [o.name for o in options_of(cls) if not hasattr(obj, o.name)]
    if lost:
        raise Fault(
            f"the option {' and '.join(lost)} is not kept as an attribute, so a record of a run cannot name it"
        )
    _, *parameters = inspect.signature(cls.__init__).parameters.values()
    if any(p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty for p in parameters):
        return  # an operator's size, the rules of a joint one: no options can make it again
    try:
        again = cls(**values)
    except InvpriorError as error:
        raise Fault(f"it cannot be made again from its own options: {error}") from None
    for name, value in values.items():
        other = getattr(again, name, None)
        if type(other) is not type(value) or (_plain(value) and other != value):
            raise Fault(f"the option {name} is {value!r}, and {other!r} when given as that again")


def _plain(value: Any) -> bool:
    return isinstance(value, bool | int | float | str)


def frozen(obj: Any) -> None:
    """It cannot be changed once it is made: all state lives in the run."""
    names = (
        [f.name for f in dataclasses.fields(obj)] if dataclasses.is_dataclass(obj) else ["_tried"]
    )
    name = names[0] if names else "_tried"
    before = getattr(obj, name, None)
    try:
        setattr(obj, name, before)
    except (dataclasses.FrozenInstanceError, AttributeError):
        return
    raise Fault(
        "it can be changed after it was made; write @dataclass(frozen=True, kw_only=True) above the class"
    )
