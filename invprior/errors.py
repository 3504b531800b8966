"""Errors that a user can cause; each message names the remedy.

All derive from `InvpriorError`. The command line prints the message without a traceback and exits with
`exit_code`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InvpriorError(ValueError):
    """Base class of every error that invprior raises on purpose."""

    exit_code = 2  # as typer exits on a wrong command line


class SpecError(InvpriorError):
    """A specification's text does not follow the grammar `name:key=value,key=value`."""


class OptionError(InvpriorError):
    """One or more options are wrong; the message lists all of them."""


class PluginError(InvpriorError):
    """A plugin is unknown, ambiguous or broken.

    Attributes:
        reason: what is wrong with a broken plugin; None for an unknown or ambiguous one.
    """

    def __init__(self, message: str, reason: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason


class IncompatibleError(InvpriorError):
    """The parts are valid but do not fit together, such as their shapes, or a solver and a prior."""


class MeasurementError(InvpriorError):
    """An image, mask, kernel or measurement cannot be used, or a file cannot be written."""


def is_complex(value: object) -> bool:
    """Return whether a tensor or an array holds complex numbers; False for anything else."""
    return _name(getattr(value, "dtype", None)).startswith("complex")


def _name(dtype: object) -> str:
    return str(dtype).removeprefix("torch.")


def refuse_complex(dtype: object, what: str) -> None:
    """Refuse complex values where a conversion to floats would keep the real part alone.

    Args:
        dtype: of numpy or of torch.
        what: the subject of the message, such as "The measurement".

    Raises:
        MeasurementError: the dtype is complex.
    """
    name = _name(dtype)
    if name.startswith("complex"):
        raise MeasurementError(
            f"{what} must be real; got {name}. Give the real and the imaginary parts as two channels, with an "
            "operator that takes them so, or give the magnitude."
        )


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return ' (did you mean "x"?)' for the choice closest to a word, or an empty string."""
    if len(word) > 100:  # no name that somebody mistyped
        return ""
    near = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.5)  # below difflib's 0.6
    return f' (did you mean "{near[0]}"?)' if near else ""
