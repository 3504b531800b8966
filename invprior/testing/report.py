"""What a check is, and the verdicts and reports that it gives."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Outcome = Literal["pass", "fail", "skip", "expected"]


class Fault(Exception):
    """Raised by a check that fails. The message says in one phrase how the object is wrong."""


class Skip(Exception):
    """Raised by a check that does not apply to the object or cannot run here. The message is the reason."""


@dataclass(frozen=True)
class Check:
    """One property that objects of a type must have.

    Attributes:
        name: the check's name in reports and in `expected_failures`.
        form: the base class, or classes, of the objects it applies to.
        run: takes the object and returns a note for the report, or None; raises `Fault` or `Skip`.
    """

    name: str
    form: type | tuple[type, ...]
    run: Callable[[Any], str | None]

    @property
    def meaning(self) -> str:
        """What the check requires: the first line of its function's docstring."""
        return (inspect.getdoc(self.run) or "").partition("\n")[0]


@dataclass(frozen=True)
class Verdict:
    """The outcome of one check.

    Attributes:
        check: the check's name.
        outcome: "pass"; "fail"; "skip", the check does not apply or cannot run here; or "expected", a known failure.
        text: how the object is wrong, why the check was skipped, or a note on an object that passes.
        meaning: what the check requires.
    """

    check: str
    outcome: Outcome
    text: str = ""
    meaning: str = ""


@dataclass(frozen=True)
class Report:
    """The verdicts on one object.

    Attributes:
        subject: the object's kind and class, such as "prior tv".
        verdicts: one for each check, in the order of the checks.
    """

    subject: str
    verdicts: tuple[Verdict, ...]

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return not self.failures

    @property
    def failures(self) -> Mapping[str, str]:
        """How the object is wrong, keyed by the name of the check that failed."""
        return {v.check: v.text for v in self.verdicts if v.outcome == "fail"}

    def __getitem__(self, check: str) -> Verdict:
        """Return the verdict of the check with this name."""
        return next(v for v in self.verdicts if v.check == check)

    def __str__(self) -> str:
        # 8 is the length of the longest outcome, "expected".
        lines = [f"{v.outcome:<8}  {v.check}  {v.text}".rstrip() for v in self.verdicts]
        return "\n".join([self.subject, *lines])


def checks_for(
    form: type | tuple[type, ...], *functions: Callable[[Any], str | None]
) -> tuple[Check, ...]:
    """Turn functions into checks named after them: `input_untouched` becomes "input-untouched"."""
    return tuple(Check(f.__name__.strip("_").replace("_", "-"), form, f) for f in functions)


def first_line(error: Exception) -> str:
    """Return the first line of an error's message; torch adds pages of advice below it."""
    return str(error).partition("\n")[0]
