"""The state of a run or of a search, packed for a file and put back from it, with errors in the user's words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from invprior.checkpoint.decode import restore
from invprior.checkpoint.encode import Tree, Unpackable, pack
from invprior.errors import OptionError


def packed(value: Any, about: Mapping[str, Any]) -> tuple[dict[str, Tensor], Tree]:
    """Pack a run's state.

    Raises:
        OptionError: part of it cannot be saved; the message names the solver or stopping rule, and the field.
    """
    try:
        return pack(value, stateless="watch")
    except Unpackable as fault:
        part, _, field = fault.place.partition(".")
        owner = f"solver {about['solver_name']}"
        if part == "watch":
            owner = f"stopping rule {about['stop']}"
        raise OptionError(
            f"The state of the {owner} must consist of tensors, modules, optimisers, generators, dataclasses, numbers "
            f"and text to be saved in a checkpoint; its {field or 'watcher'} is a {fault.kind}. "
            "Use one of these types, or run without a checkpoint."
        ) from None


def put_back(
    tensors: Mapping[str, Tensor], tree: Tree, fresh: Any, device: torch.device, where: Path
) -> Any:
    """Restore the content of a file into a fresh object.

    Raises:
        OptionError: the content does not fit the object.
    """
    try:
        return restore(tensors, tree, fresh, device)
    except Exception as fault:  # a file that somebody made can raise any error
        raise misfit(where, fault) from None


def misfit(where: Path, fault: Exception) -> OptionError:
    """Return the error for a checkpoint whose content the run cannot use."""
    reason = str(fault) or type(fault).__name__
    return OptionError(
        f'The checkpoint in "{where}" does not fit this run: {reason}. '
        "Use the versions that wrote it, or remove the folder to start over."
    )
