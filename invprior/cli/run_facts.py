"""The file of facts by which an unfinished run of `solve` is found, read, resumed and removed."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import invprior
from invprior.checkpoint import checkpoint
from invprior.cli.solve_options import Options
from invprior.errors import InvpriorError, MeasurementError, OptionError
from invprior.io import files, sealed, small_files, strict_json
from invprior.io.typed import typed

# The facts of one image, of a stack and of several files, and the images of one.
RUN, STACK, SEVERAL, IMAGES = "run.json", "stack.json", "several.json", "images.safetensors"
_FORMAT_1_IMAGES = "pictures.safetensors"
# Of a stack: the pages that are done, the one that is not, and its locks.
_PAGE = re.compile(r"(page-[0-9]{4,})(\.safetensors|\.checkpoint)|\.page-[0-9]{4,}.*\.(lock|tmp)")


@dataclass(frozen=True)
class _Facts:
    """The types of what all kinds of runs keep; the entries of some kinds alone have defaults."""

    run: str
    command: tuple[str, ...]
    directory: str
    options: Mapping[str, Any]
    results: Mapping[str, str | None] = field(default_factory=dict)
    own: Mapping[str, str | None] = field(default_factory=dict)
    done: tuple[str, ...] = ()
    stack_sha256: str = ""


def find(place: Path, name: str) -> Path | None:
    """Return the folder that holds the file of facts: the place itself or `checkpoint` inside it; else None."""
    files.check_name(place)
    return next((f for f in (place, place / "checkpoint") if (f / name).is_file()), None)


def holds_run(folder: Path) -> bool:
    """Return whether a folder holds an unfinished run; what a killed process left of making one does not count."""
    if any((folder / name).exists() for name in (RUN, STACK, SEVERAL)):
        return True
    return checkpoint.holds_state(folder)  # of a call from Python


def check_free(folder: Path) -> None:
    """Refuse to start where an unfinished run keeps its state.

    Raises:
        MeasurementError: there is one.
    """
    if not holds_run(folder):
        return
    resume = f"Resume it with: {resume_command(folder)}"
    if all(find(folder, name) is None for name in (RUN, STACK, SEVERAL)):
        resume = "It began in Python: resume it there"
    raise MeasurementError(
        f'"{folder}" holds an unfinished run. {resume}; or discard it with --overwrite.'
    )


def clear(folder: Path) -> None:
    """Delete all files of a run, then its folders, except folders in which the user has put other files.

    The facts come last: a run that is half removed can be resumed, and begins anew.
    """
    for path in folder.glob("*page-*"):
        if path.is_symlink() or not _PAGE.fullmatch(path.name):
            continue
        if path.is_dir():
            clear(path)
        else:
            with suppress(OSError):
                path.unlink()
    checkpoint.clear(folder, IMAGES, _FORMAT_1_IMAGES, SEVERAL, STACK, RUN)


def resume_command(folder: Path) -> str:
    """Return the command that resumes the run in a folder."""
    return shlex.join(["invprior", "solve", "--resume", os.fspath(folder)])


def write(
    path: Path,
    number: int,
    *,
    run: str,
    command: list[str],
    directory: str,
    options: Options,
    **more: Any,
) -> None:
    """Write the facts of a run.

    Args:
        path: the file.
        number: of its format.
        run: the identity of the run, which all its files carry.
        command: the command line.
        directory: where the command ran, to which its options may be relative.
        options: of the command.
        **more: what else the kind of run needs, as JSON can hold it.
    """
    facts = {
        "format": number,
        "invprior": invprior.__version__,
        "run": run,
        "command": command,
        "directory": directory,
        "options": options.kept(),
        **more,
    }
    sealed.write(path, facts)


def read(path: Path, number: int) -> dict[str, Any]:
    """Return the facts of a run; call it, and take them apart, inside `reading`.

    Raises:
        OptionError: another version wrote them in another format.
    """
    facts: dict[str, Any] = strict_json.loads(small_files.read_text(path))
    # The format first: facts of another one are not sealed as these are.
    if facts.get("format", 1) == number:
        facts = sealed.checked(facts)
        typed(_Facts, facts, "the run")
        return facts
    raise OptionError(
        f'The run in "{path.parent}" was written by invprior {facts["invprior"]} in format {facts.get("format", 1)}; '
        f"invprior {invprior.__version__} reads format {number}. Resume it with the version that wrote it, or remove "
        f"the folder and start over: {shlex.join(['invprior', *facts['command']])}"
    )


def belongs(path: Path, run: str) -> bool:
    """Return whether a file of facts exists and belongs to a run."""
    with suppress(InvpriorError):
        return path.is_file() and sealed.read(path).get("run") == run
    return False


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
        reason = str(error) or type(error).__name__
        raise OptionError(f'Cannot read the run in "{folder}": {reason}. Start over.') from None
