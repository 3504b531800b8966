"""The record by which a result can be reproduced, and the choices that were made for the user."""

from __future__ import annotations

import hashlib
import inspect
import platform
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor

from invprior import registry
from invprior.problem.functionals import Prior
from invprior.problem.problem import Problem
from invprior.registry.spec import Spec, Value
from invprior.solvers.base import Solver, State
from invprior.stopping.base import AllOf, AnyOf, StoppingRule, parts_of

LIBRARIES = ("invprior", "torch", "numpy", "scipy", "pywavelets", "scikit-image")


def provenance(
    problem: Problem, solver: Solver, why: str, stop: StoppingRule, seed: int
) -> dict[str, Any]:
    """Collect all options with defaults filled in, versions, plugins, data hash, seed and device."""
    given, found = problem.in_data_units, problem.data_range
    parts = [
        problem.operator,
        problem.fidelity,
        solver,
        *(t.functional for t in problem.prior.terms),
        *parts_of(stop),
    ]
    record: dict[str, Any] = {
        "operator": str(registry.describe(problem.operator)),
        "fidelity": str(registry.describe(problem.fidelity)),
        "prior": prior_text(problem.prior),
        "solver": str(registry.describe(solver)),
        "stop": stop_text(stop),
        "noise_level": given.noise_level,
        "noise_estimate": None if given.noise is None else given.noise.record(),
        "data_range": None if found is None else [found.low, found.high],
        "seed": seed,
        "image_shape": list(given.operator.image_shape),
        "measurement_shape": list(given.operator.measurement_shape),
        "measurements": problem.measurements,
        "measurement_sha256": data_hash(given.y),  # after masking, so of what was fitted
        "dtype": str(given.y.dtype).removeprefix("torch."),
        "device": device_text(given.y.device),
        # Their number changes the order of sums, and so the last bits.
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: version_of(name) for name in LIBRARIES},
        "plugins": _packages(map(registry.describe, parts)),
    }
    if problem.weights is not None:
        record["weights"] = problem.weights.record()
    if why:
        record["solver_chosen_because"] = why
    return record


def prior_text(prior: Prior) -> str:
    """Return a sum of terms, with weights filled in, as text that `prior_from` reads."""
    texts = []
    for term in prior.terms:
        spec = registry.describe(term.functional)
        if "weight" in term.functional.term_options:
            # First, where users write it.
            spec = Spec(spec.name, {"weight": float(term.weight), **spec.options})
        texts.append(str(spec))
    return " + ".join(texts)


def stop_text(stop: StoppingRule) -> str:
    """Return a stopping rule as text that `stop_from` reads."""
    if isinstance(stop, AnyOf):
        return " | ".join(stop_text(rule) for rule in stop.rules)
    if isinstance(stop, AllOf):
        inner = [(stop_text(rule), isinstance(rule, AnyOf)) for rule in stop.rules]
        # & binds more tightly than |, so only a group of alternatives needs brackets.
        return " & ".join(f"({text})" if group else text for text, group in inner)
    return str(registry.describe(stop))


def data_hash(y: Tensor) -> str:
    """Return the SHA-256 of a tensor's bytes; equal values in another dtype differ."""
    return hashlib.sha256(y.detach().cpu().contiguous().numpy().tobytes()).hexdigest()


def device_text(device: torch.device) -> str:
    """Return a device's name: the model of a GPU, else the type."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def _packages(specs: Iterable[Spec]) -> dict[str, str]:
    """Return the packages besides invprior that the specs and the specs inside them name."""
    # `describe` gives a plugin of another package the name package/name.
    used = {name.partition("/")[0] for spec in specs for name in _names(spec)}
    return {e.package: e.version for e in registry.entries() if e.package in used - {registry.CORE}}


def _names(value: Value) -> Iterator[str]:
    inside: Iterable[Value] = value if isinstance(value, list) else ()
    if isinstance(value, Spec):
        yield value.name
        inside = value.options.values()
    for part in inside:
        yield from _names(part)


@cache  # reading it takes longer than steps of a small image, and each image of a batch has a record
def version_of(name: str) -> str:
    """Return the installed version of a package."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


Choice = tuple[str, str, str]


def choices(
    problem: Problem, solver: Solver, why: str, state: State, stop: StoppingRule | None
) -> tuple[Choice, ...]:
    """Return what was chosen for the user in a run: subject, value and reason.

    Args:
        problem: the problem, with an estimate of the noise when it was not given.
        solver: the solver that runs.
        why: why `auto` picked it; "" for a given solver.
        state: the solver's state, which holds the step size.
        stop: the solver's own stopping rule; None when one was given.
    """
    found: list[Choice] = []
    if (noise := problem.in_data_units.noise) is not None:
        found.append(("noise", noise.text(), noise.method))
    # A range that the user gave was not chosen.
    if problem.data_range is not None and problem.data_range.source:
        low, high = problem.data_range.low, problem.data_range.high
        found.append(("range", f"{low:.4g} to {high:.4g}", problem.data_range.source))
    if why:
        found.append(("solver", str(registry.describe(solver)), why))
    if state.step_size is not None and solver.step_reason:
        found.append(("step size", f"{state.step_size:.4g}", solver.step_reason))
    if problem.reparameterization is not None:
        found.extend(problem.reparameterization.choices)
    if stop is not None:
        # The first line of a rule's docstring says what the rule does.
        reasons = (inspect.getdoc(type(rule)) or "" for rule in parts_of(stop))
        found.append(
            ("stop", stop_text(stop), " ".join(reason.partition("\n")[0] for reason in reasons))
        )
    return tuple(found)
