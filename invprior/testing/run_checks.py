"""Run the checks of an object's kind."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Mapping
from functools import cache
from typing import Any

from invprior.errors import OptionError, did_you_mean
from invprior.operators.base import Recipe
from invprior.registry import GROUPS
from invprior.registry.options import plain_name
from invprior.testing.checks_by_kind import CHECKS, COMMON
from invprior.testing.global_state import global_state_restored
from invprior.testing.report import Check, Fault, Outcome, Report, Skip, Verdict, first_line

# Frames in these folders say nothing about where a plugin's own code went wrong.
_FOREIGN = ("/torch/", "/invprior/testing/", "/invprior/registry/")


def check(obj: Any, *, expected_failures: Mapping[str, str] | None = None) -> Report:
    """Run every check of a plugin's kind.

    Args:
        obj: an operator, fidelity, noise, prior, network, denoiser, solver, stopping rule or metric. A class stands for
            the object that it makes without options. An operator's class or recipe is checked at several image sizes.
        expected_failures: the reason for each check that is known to fail. Those that the object's class lists in an
            attribute of this name count too. If the object passes such a check, the verdict is a failure.

    Returns:
        A verdict for each check. A check that fails raises nothing.

    Raises:
        OptionError: the object is no plugin, or `expected_failures` names a check that it does not have.
    """
    obj = subject(obj)
    reasons = expected_failures_of(obj, expected_failures)
    verdicts = tuple(run_check(c, obj, reasons.get(c.name)) for c in checks_of(obj))
    return Report(label(obj), verdicts)


def run_check(check: Check, obj: Any, reason: str | None = None) -> Verdict:
    """Run one check.

    Args:
        check: the check.
        obj: the object, as `subject` returns it.
        reason: why it is known to fail, if it is.
    """
    outcome: Outcome = "fail"
    try:
        with global_state_restored():
            text = check.run(obj) or ""
        outcome = "pass"
    except Skip as skip:
        return Verdict(check.name, "skip", str(skip), check.meaning)
    except Fault as fault:
        text = str(fault)
    except Exception as error:  # a plugin may raise anything
        text = f"raised {type(error).__name__}: {first_line(error)}{_place(error)}"
    if reason is not None and outcome == "pass":
        outcome, text = "fail", f"expected to fail, but passes; the reason given was: {reason}"
    elif reason is not None:
        outcome, text = "expected", f"{text}; known: {reason}"
    return Verdict(check.name, outcome, text, check.meaning)


def checks_of(obj: Any) -> tuple[Check, ...]:
    """Return the checks that apply to an object."""
    cls = class_of(obj)
    return tuple(c for c in CHECKS.get(obj.plugin_group, COMMON) if issubclass(cls, c.form))


def subject(obj: Any) -> Any:
    """Return the object to check: that of a class without options, or the recipe of an operator's class.

    Raises:
        OptionError: it is no plugin.
    """
    group = getattr(obj, "plugin_group", None)
    if group not in GROUPS:
        kinds = ", ".join(GROUPS.values())
        raise OptionError(
            f"What is checked must be a plugin ({kinds}), derived from invprior's base class; got {obj!r}."
            if not hasattr(obj, "terms")
            else "What is checked must be a single prior, not a sum; check its terms one by one."
        )
    made: Any = obj  # a class's type is not known here
    return made.from_options({}) if inspect.isclass(obj) else made


def expected_failures_of(obj: Any, more: Mapping[str, str] | None) -> Mapping[str, str]:
    """Collect the expected failures of an object: those of its class, then those given.

    Raises:
        OptionError: a name is not that of a check of the object.
    """
    # Of the object, as an option may decide; a recipe has the operator's class in its place.
    owner = class_of(obj) if isinstance(obj, Recipe) else obj
    reasons = {**getattr(owner, "expected_failures", {}), **(more or {})}
    names = [c.name for c in checks_of(obj)]
    for name in reasons:
        if name not in names:
            raise OptionError(
                f'expected_failures names "{name}", but {label(obj)} has no such check'
                f"{did_you_mean(name, names)}. It has: {', '.join(names)}."
            )
    return reasons


def label(obj: Any) -> str:
    """Name an object's kind and class in messages: prior tv."""
    return f"{GROUPS[obj.plugin_group]} {plain_name(class_of(obj))}"


def class_of(obj: Any) -> type:
    """Return the class of an object, or of the operator that a recipe makes."""
    return obj.operator if isinstance(obj, Recipe) else type(obj)


def _place(error: Exception) -> str:
    """Return file and line of the last frame in the plugin's own code, or "" if there is none."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not _foreign(f.filename)]
    return (
        f" ({frames[-1].filename.rpartition('/')[2]}, line {frames[-1].lineno})" if frames else ""
    )


@cache
def _foreign(file: str) -> bool:
    return any(part in file for part in _FOREIGN)
