"""The user's defaults of options: from invprior.toml, from [tool.invprior] in pyproject.toml, and from the environment.

The command line wins over the environment, the environment over the file, and the file over invprior's own defaults.
"""

from __future__ import annotations

import os
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from invprior.errors import OptionError, did_you_mean

PREFIX = "INVPRIOR_"
_NAMES = ("invprior.toml", "pyproject.toml")


def find(folder: Path | None = None) -> Path | None:
    """Return the nearest file of defaults: in the current folder, or in one that holds it; None without one."""
    here = (folder or Path.cwd()).absolute()
    for place in (here, *here.parents):
        for name in _NAMES:
            path = place / name
            if path.is_file() and (name == _NAMES[0] or "tool.invprior" in _text(path)):
                return path
    return None


def defaults(context: typer.Context) -> dict[str, Any]:
    """Return the defaults of every command, as click takes them.

    Args:
        context: of the application.

    Raises:
        OptionError: a file or a variable names what is none, or has a value that cannot be; all faults at once.
    """
    path = find()
    variables = {k: v for k, v in os.environ.items() if k.startswith(PREFIX)}
    if path is None and not variables:  # the usual case takes no time
        return {}
    reader = _Reader(context, [])
    found: dict[str, Any] = {}
    if path is not None:
        reader.table(context.command, _table(path), str(path), "", found)
    for name, text in variables.items():
        reader.variable(name, text, found)
    if reader.faults:
        raise OptionError("\n".join(reader.faults))
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(
            f'"{path}", which has defaults of options, cannot be read: {error}.'
        ) from None


def _table(path: Path) -> Mapping[str, Any]:
    try:
        table: Any = tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise OptionError(
            f'"{path}", which has defaults of options, is no TOML: {error}.'
        ) from None
    for name in () if path.name == _NAMES[0] else ("tool", "invprior"):
        table = table.get(name, {}) if isinstance(table, dict) else {}
    return table if isinstance(table, dict) else {}


@dataclass(frozen=True)
class _Reader:
    """Checks names and values against the commands, and collects what is wrong."""

    context: typer.Context
    faults: list[str]

    def table(
        self, command: Any, values: Mapping[str, Any], origin: str, where: str, into: dict[str, Any]
    ) -> None:
        """Take the defaults of a command and of those below it."""
        commands, options = getattr(command, "commands", {}), _options(command)
        for key, value in values.items():
            named = f"{where} {key}".strip()
            if key in commands and isinstance(value, dict):
                self.table(commands[key], value, origin, named, into.setdefault(key, {}))
            elif (name := key.replace("_", "-")) in options and not isinstance(value, dict):
                self.take(options[name], value, f'"{origin}", {named}', into)
            else:
                known = [*commands, *options]
                self.faults.append(
                    f'"{origin}" names no command or option with "{named}"{did_you_mean(key, known)}; known here: '
                    f"{', '.join(known)}."
                )

    def variable(self, variable: str, text: str, into: dict[str, Any]) -> None:
        """Take a default from a variable such as INVPRIOR_SOLVE_PRIOR; one that names no command is not for us."""
        left = variable.removeprefix(PREFIX).lower().replace("_", "-")
        command: Any = self.context.command
        while commands := getattr(command, "commands", None):
            name = next((n for n in commands if left.startswith(f"{n}-")), None)
            if name is None:
                return
            command, left, into = commands[name], left[len(name) + 1 :], into.setdefault(name, {})
        options = _options(command)
        if left in options:
            option = options[left]
            many = option.multiple or option.nargs != 1
            self.take(option, shlex.split(text) if many else text, f"The variable {variable}", into)
        else:
            known = [name.upper().replace("-", "_") for name in options]
            self.faults.append(
                f"The variable {variable} names no option of {command.name}"
                f"{did_you_mean(left.upper().replace('-', '_'), known)}; it may end in: {', '.join(known)}."
            )

    def take(self, option: Any, value: Any, origin: str, into: dict[str, Any]) -> None:
        """Take one value, checked now: later nobody knows where it comes from."""
        try:
            option.process_value(self.context, value)
        except (typer.BadParameter, TypeError, ValueError) as error:
            reason = getattr(error, "message", str(error)).rstrip(".")
            self.faults.append(f"{origin}: {reason}.")
            return
        into[option.name] = value


def _options(command: Any) -> dict[str, Any]:
    """Return the options of a command by their long names, without the dashes."""
    return {
        text[2:]: parameter
        for parameter in command.params
        if parameter.param_type_name == "option" and parameter.expose_value
        for text in parameter.opts
        if text.startswith("--")
    }
