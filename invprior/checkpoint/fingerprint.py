"""The data in the parts of a problem, some of which appears in no option's text, as one hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from invprior.io.sealed_tensors import digest
from invprior.problem.problem import Problem
from invprior.registry.options import option_values
from invprior.solvers.base import Solver


def fingerprint(problem: Problem, solver: Solver) -> str:
    """Return the SHA-256 of the data in the operator, the fidelity, the priors and the solver.

    These are parameters and buffers, tensors and arrays in public attributes, and the files that options name, also of
    parts inside parts. Private attributes are left out: they may be caches, filled at some time in a run.
    """
    parts = [problem.operator, problem.fidelity, *(t.functional for t in problem.prior.terms)]
    found: dict[str, str] = {}
    for index, part in enumerate([*parts, solver]):
        _collect(part, str(index), found, ())
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def _collect(value: Any, place: str, found: dict[str, str], around: tuple[object, ...]) -> None:
    """Add the hashes of the data in a value, by place; `around` are the objects that contain the value."""
    if any(value is other for other in around):
        return
    if isinstance(value, Tensor):
        found[place] = digest({"": value})
    elif isinstance(value, np.ndarray) and value.dtype != object:
        about = f"{value.dtype} {value.shape};".encode()
        found[place] = hashlib.sha256(about + np.ascontiguousarray(value).tobytes()).hexdigest()
    for name, item in _inside(value).items():
        _collect(item, f"{place}.{name}", found, (*around, value))
    if _is_part(value):
        for name, given in option_values(value)[1].items():
            if isinstance(given, str | Path) and Path(given).is_file():
                with Path(given).open("rb") as file:
                    found[f"{place}.{name} file"] = hashlib.file_digest(file, "sha256").hexdigest()


def _inside(value: Any) -> Mapping[Any, Any]:
    """Return what a container or a part holds, by name."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list | tuple):
        return dict(enumerate(value))
    if not (isinstance(value, nn.Module) or _is_part(value)):
        return {}
    held = {n: v for n, v in getattr(value, "__dict__", {}).items() if not n.startswith("_")}
    for name in list(held):
        if isinstance(getattr(type(value), name, None), cached_property):
            del held[name]
    if isinstance(value, nn.Module):
        held |= dict(value.named_parameters()) | dict(value.named_buffers())
    return held


def _is_part(value: object) -> bool:
    return hasattr(type(value), "plugin_group")
