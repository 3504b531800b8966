"""Whether a checkpoint can hold what a run remembers."""

from __future__ import annotations

from torch import Tensor

from invprior.checkpoint.encode import Tree, Unpackable, pack
from invprior.testing.report import Fault


def pack_or_fault(
    value: object, owner: str, *, stateless: str | None = None
) -> tuple[dict[str, Tensor], Tree]:
    """Pack a value as a checkpoint does.

    Args:
        value: the value.
        owner: whose part cannot be stored, for the message: "its", "the state's".
        stateless: as for `pack`.

    Raises:
        Fault: a checkpoint cannot hold the value; the message names the part.
    """
    try:
        return pack(value, stateless=stateless)
    except Unpackable as error:
        raise Fault(
            f"a checkpoint cannot store {owner} {error.place.lstrip('.')}, a {error.kind}; "
            "keep tensors, modules, generators, numbers and strings"
        ) from None
