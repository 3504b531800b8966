"""What a check says of an object: a verdict, and a report of all of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Outcome = Literal["pass", "fail", "skip", "expected"]


class Fault(Exception):
    """Raised by a check: how the object is wrong, in one phrase."""


class Skip(Exception):
    """Raised by a check that does not apply to this object, or cannot be done here; the reason."""


@dataclass(frozen=True)
class Check:
    """One thing that objects of a type must hold.

    Attributes:
        name: how it is called in reports and `expected_failures`.
        form: the base class of the objects that it is for, or several.
        run: takes the object, and returns what is worth reporting of one that passes, or None.
    """

    name: str
    form: type | tuple[type, ...]
    run: Callable[[Any], str | None]

    @property
    def meaning(self) -> str:
        """What the object must do, the first line of the function's docstring."""
        return (inspect.getdoc(self.run) or "").partition("\n")[0]


@dataclass(frozen=True)
class Verdict:
    """The outcome of one check.

    Attributes:
        check: the check's name.
        outcome: "pass"; "fail"; "skip", where it cannot be told; or "expected", a failure known before.
        text: how the object is wrong, why it was skipped, or what there is to report.
        meaning: what the check asks for.
    """

    check: str
    outcome: Outcome
    text: str = ""
    meaning: str = ""


@dataclass(frozen=True)
class Report:
    """The verdicts of one object.

    Attributes:
        subject: the object's kind and class, for people.
        verdicts: in the order of the checks.
    """

    subject: str
    verdicts: tuple[Verdict, ...]

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return not self.failures

    @property
    def failures(self) -> Mapping[str, str]:
        """What is wrong, by the name of the check that found it."""
        return {v.check: v.text for v in self.verdicts if v.outcome == "fail"}

    def __getitem__(self, check: str) -> Verdict:
        """The verdict of one check, by its name."""
        return next(v for v in self.verdicts if v.check == check)

    def __str__(self) -> str:
        lines = [f"{v.outcome:<8}  {v.check}  {v.text}".rstrip() for v in self.verdicts]
        return "\n".join([self.subject, *lines])


def checks_for(
    form: type | tuple[type, ...], *functions: Callable[[Any], str | None]
) -> tuple[Check, ...]:
    """Name each function's check by the function: `input_untouched` is input-untouched."""
    return tuple(Check(f.__name__.strip("_").replace("_", "-"), form, f) for f in functions)
