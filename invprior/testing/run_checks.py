"""Run the checks that an object's kind has."""

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
from invprior.testing.report import Check, Fault, Outcome, Report, Skip, Verdict


def check(obj: Any, *, expected_failures: Mapping[str, str] | None = None) -> Report:
    """Hold a plugin to every check of its kind.

    Args:
        obj: an operator, fidelity, noise, prior, network, denoiser, solver, stopping rule or metric; a class stands for
            what it makes without options, and an operator's class or recipe for the operator at several sizes.
        expected_failures: checks that are known to fail, each with the reason; beside those that the object's class
            states in an attribute of this name. One that passes after all is a failure.

    Returns:
        A verdict for each check; nothing is raised for a check that fails.

    Raises:
        OptionError: it is no plugin, or `expected_failures` names a check that it does not have.
    """
    obj = subject(obj)
    reasons = expected_of(obj, expected_failures)
    verdicts = tuple(judge(c, obj, reasons.get(c.name)) for c in checks_of(obj))
    return Report(label(obj), verdicts)


def judge(check: Check, obj: Any, reason: str | None = None) -> Verdict:
    """Run one check.

    Args:
        check: the check.
        obj: the object, as `subject` returns it.
        reason: why it is known to fail, if it is.
    """
    outcome: Outcome = "fail"
    try:
        text = check.run(obj) or ""
        outcome = "pass"
    except Skip as skip:
        return Verdict(check.name, "skip", str(skip), check.meaning)
    except Fault as fault:
        text = str(fault)
    except Exception as error:  # a plugin may raise anything
        text = f"raised {type(error).__name__}: {_first_line(error)}{_place(error)}"
    if reason is not None and outcome == "pass":
        outcome, text = "fail", f"it was expected to fail, and passes; the reason was: {reason}"
    elif reason is not None:
        outcome, text = "expected", f"{text}; known: {reason}"
    return Verdict(check.name, outcome, text, check.meaning)


def checks_of(obj: Any) -> tuple[Check, ...]:
    """The checks that an object of these types is held to."""
    cls = class_of(obj)
    return tuple(c for c in CHECKS.get(obj.plugin_group, COMMON) if issubclass(cls, c.form))


def subject(obj: Any) -> Any:
    """Make an object of a class, and a recipe of an operator's class.

    Raises:
        OptionError: it is no plugin.
    """
    group = getattr(obj, "plugin_group", None)
    if group not in GROUPS:
        kinds = ", ".join(GROUPS.values())
        raise OptionError(
            f"What is checked must be a plugin ({kinds}), made from invprior's base class; got {obj!r}."
            if not hasattr(obj, "terms")
            else "What is checked must be one prior; check the terms of a sum one by one."
        )
    made: Any = obj  # a class's type is not known here
    return made.from_options({}) if inspect.isclass(obj) else made


def expected_of(obj: Any, more: Mapping[str, str] | None) -> Mapping[str, str]:
    """Gather the failures that are expected of an object.

    Raises:
        OptionError: a name is not that of a check that the object has.
    """
    reasons = {**getattr(class_of(obj), "expected_failures", {}), **(more or {})}
    names = [c.name for c in checks_of(obj)]
    for name in reasons:
        if name not in names:
            raise OptionError(
                f'expected_failures names "{name}", which is no check of {label(obj)}'
                f"{did_you_mean(name, names)}; it has: {', '.join(names)}."
            )
    return reasons


def label(obj: Any) -> str:
    """An object's kind and class, for people: prior tv."""
    return f"{GROUPS[obj.plugin_group]} {plain_name(class_of(obj))}"


def class_of(obj: Any) -> type:
    """The class of an object, or of the operator that a recipe makes."""
    return obj.operator if isinstance(obj, Recipe) else type(obj)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _place(error: Exception) -> str:
    """Where in a plugin's own file an error was raised, if it was."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not _foreign(f.filename)]
    return (
        f" ({frames[-1].filename.rpartition('/')[2]}, line {frames[-1].lineno})" if frames else ""
    )


@cache
def _foreign(file: str) -> bool:
    return any(part in file for part in ("/torch/", "/invprior/testing/", "/invprior/options.py"))
