"""The file of facts by which an unfinished run of `solve` is found, read and resumed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import invprior
from invprior.cli.solve_options import Options
from invprior.errors import InvpriorError, OptionError
from invprior.io import files


def find(place: Path, name: str) -> Path | None:
    """Return the folder that holds the file of facts: the place itself or `checkpoint` inside it; else None."""
    files.check_name(place)
    return next((f for f in (place, place / "checkpoint") if (f / name).is_file()), None)


def write(
    path: Path, number: int, *, command: list[str], directory: str, options: Options, **more: Any
) -> None:
    """Write the facts of a run.

    Args:
        path: the file.
        number: of its format.
        command: the command line.
        directory: where the command ran, to which its options may be relative.
        options: of the command.
        **more: what else the kind of run needs, as JSON can hold it.
    """
    facts = {
        "format": number,
        "invprior": invprior.__version__,
        "command": command,
        "directory": directory,
        "options": options.kept(),
        **more,
    }
    with files.atomic(path, overwrite=True) as file:
        file.write(json.dumps(facts, indent=2).encode())


def read(path: Path, number: int) -> dict[str, Any]:
    """Return the facts of a run; call it, and take them apart, inside `reading`.

    Raises:
        OptionError: another version wrote them in another format.
    """
    facts: dict[str, Any] = json.loads(path.read_text())
    if facts.get("format", 1) == number:
        return facts
    raise OptionError(
        f'The run in "{path.parent}" was written by invprior {facts["invprior"]} in format {facts.get("format", 1)}; '
        f"invprior {invprior.__version__} reads format {number}. Resume it with the version that wrote it, or remove "
        f"the folder and start over: {shlex.join(['invprior', *facts['command']])}"
    )


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Turn any fault of damaged facts into one error, which names the folder of the run.

    Raises:
        OptionError: the facts are damaged.
    """
    try:
        yield
    except InvpriorError:
        raise
    except Exception as error:  # a damaged file can raise anything
        raise OptionError(f'Cannot read the run in "{folder}": {error}. Start over.') from None
