"""Errors that a user can cause, each with its remedy in the message.

All derive from `InvpriorError`; the command line prints the message alone and exits with
`exit_code`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InvpriorError(ValueError):
    """Base of every error that invprior raises on purpose."""

    exit_code = 2


class SpecError(InvpriorError):
    """A specification's text does not follow the grammar `name:key=value,key=value`."""


class OptionError(InvpriorError):
    """One or more options of a plugin are wrong; the message lists all of them."""


class PluginError(InvpriorError):
    """A plugin is unknown, ambiguous or broken.

    Attributes:
        reason: what is wrong with a broken one; None for the others.
    """

    def __init__(self, message: str, reason: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason


class IncompatibleError(InvpriorError):
    """The parts are fine one by one but do not fit together (shapes, or solver against prior)."""


class MeasurementError(InvpriorError):
    """An image, mask, kernel or measurement cannot be used or cannot be written."""


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return ' (did you mean "x"?)' for the nearest of `choices`, or an empty string."""
    near = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.5)
    return f' (did you mean "{near[0]}"?)' if near else ""
