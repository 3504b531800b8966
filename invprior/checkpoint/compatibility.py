"""The check that a checkpoint belongs to a run, so that the run may resume from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from invprior.checkpoint.fingerprint import fingerprint
from invprior.errors import OptionError
from invprior.io import strict_json
from invprior.problem.problem import Problem
from invprior.provenance import data_hash
from invprior.registry.options import plain_name
from invprior.solvers.base import Solver

# A difference in these is another run. The stopping rule is missing on purpose: it may be changed to go on longer.
# device_type is here because a random stream cannot continue on another type of device.
_SAME = ("operator", "fidelity", "prior", "solver", "seed", "dtype", "image_shape", "measurement_shape",
         "measurement_sha256", "noise_level", "initial_estimate", "parts_sha256", "device_type",
         "weight_rule")  # fmt: skip
# These change at most the last bits.
_ALIKE = ("device", "threads", "platform", "versions", "plugins")


def identity(
    record: Mapping[str, Any], problem: Problem, solver: Solver, x0: Tensor | None
) -> dict[str, Any]:
    """Return what a run is recognised by: its provenance, and hashes of what no option's text shows."""
    return {
        **record,
        "solver_name": plain_name(type(solver)),
        "initial_estimate": None if x0 is None else data_hash(x0),
        "parts_sha256": fingerprint(problem, solver),
        "device_type": problem.y.device.type,
    }


def compare(then: Mapping[str, Any], now: Mapping[str, Any], where: Path) -> tuple[str, ...]:
    """Refuse the checkpoint of another run; return notes on what else has changed.

    Args:
        then: the `identity` of the run that wrote the checkpoint.
        now: the same of the run that resumes.
        where: the checkpoint's folder, for messages.

    Raises:
        OptionError: the problem, the solver or the seed differs.
    """
    # As JSON, which has lists for tuples, like the record in the file.
    now = json.loads(strict_json.dumps(now))
    differing = [name for name in _SAME if then.get(name) != now.get(name)]
    if differing:
        parts = [_difference(name, then.get(name), now.get(name)) for name in differing]
        raise OptionError(
            f'The checkpoint in "{where}" belongs to another run: {"; ".join(parts)}. Give the options of that run, '
            "name another folder, or remove this one to start over."
        )
    before, after = (_flat({k: a.get(k) for k in _ALIKE}) for a in (then, now))
    changed = [
        f"{k} was {before.get(k)} and is {after.get(k)}" for k in after if before.get(k) != after[k]
    ]
    if not changed:
        return ()
    return (
        f"the run resumes on another machine or version, so its last bits may differ: {', '.join(changed)}",
    )


_TENSORS = {
    "measurement_sha256": "its measurement differs",
    "initial_estimate": "its initial estimate x0 differs",
    "parts_sha256": "a tensor or a file of its operator, fidelity, prior or solver differs",
}


def _difference(name: str, then: object, now: object) -> str:
    if name in _TENSORS:
        return _TENSORS[name]
    return f"its {name.replace('_', ' ')} is {then}, not {now}"


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found.update(value if isinstance(value, dict) else {key: value})
    return found
