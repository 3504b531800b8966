"""Checkpoints: the state of a run in one file, written atomically, from which a killed run resumes."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from invprior._version import __version__
from invprior.checkpoint.encode import Tree
from invprior.checkpoint.state import packed
from invprior.errors import MeasurementError, OptionError
from invprior.io import files, sealed_tensors

FILE = "checkpoint.safetensors"
_WEIGHTS = "weights.safetensors"  # the search for weights, which comes before the run
# Raise it when the layout of the file changes, and when a class of a state moves: the file names its module.
_FORMAT = "3"
_SHARE = 20  # of the run's time, writing takes at most 1 / _SHARE
_PART = re.compile(r"(run|tile|image)-[0-9]+")  # folders of parts; parts may have parts


@dataclass(frozen=True)
class Kept:
    """The content of a checkpoint file.

    Attributes:
        finished: true for a run's result, false for the state of an unfinished run.
        about: the run's provenance.
        tensors, tree: see `invprior.checkpoint.encode.pack`.
    """

    finished: bool
    about: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    tree: Tree


class Checkpoint:
    """A folder for the state of one run, made for the first file and removed when the run ends.

    Args:
        folder: the folder of the file.
        every: seconds between files, and before the first; 0 writes a file after every step. Otherwise writing takes
            at most a twentieth of the run's time, so a slow disk gets fewer files.
        strict: whether a state that cannot be packed is an error; else it is a note.
        run: the identity of the run, which each file carries. Files with another one are not used. Without it, any
            run of the same problem may use the files.
        keep: whether `remove` leaves the files to the owner of the folder.
        make_folder: makes the folder of a new run before its first file and returns it; it may differ from `folder`.
            What `folder` holds before is not looked at. By default `folder` itself is made, and the run resumes from
            what it holds.

    Raises:
        OptionError: `every` is not a number >= 0.
    """

    def __init__(
        self,
        folder: str | Path,
        every: float = 5.0,
        *,
        strict: bool = True,
        run: str | None = None,
        keep: bool = False,
        make_folder: Callable[[], Path] | None = None,
    ) -> None:
        number = isinstance(every, int | float) and not isinstance(every, bool)
        if not (number and every >= 0):
            raise OptionError(
                f'The option "checkpoint_every" must be a number of seconds >= 0; got {every!r}.'
            )
        self._place, self.every = Path(folder), float(every)
        self.strict, self.run, self.keep = strict, run, keep
        self.make_folder = make_folder
        self.due = time.perf_counter() + self.every
        self.whole: Checkpoint | None = None
        self.file = FILE

    @property
    def folder(self) -> Path:
        """The folder of the file. That of a new run may get its final name with the first file."""
        return self._place if self.whole is None else self.whole.folder / self._place

    @property
    def begun(self) -> bool:
        """Whether the folder is the run's own, so that its files count."""
        return self.make_folder is None if self.whole is None else self.whole.begun

    def is_due(self) -> bool:
        """Return whether the next file is due."""
        return time.perf_counter() >= self.due

    def delay(self) -> None:
        """Postpone the next file after a failure, by a second or more."""
        # Also with every=0, which would try a full disk again after each step.
        self.due = time.perf_counter() + max(self.every, 1.0)

    def within(self, name: str) -> Checkpoint:
        """Return the checkpoint of a part, in a folder inside this one.

        Raises:
            OptionError: the folder holds a checkpoint of a run without parts, which would be lost, or one of
                format 1.
        """
        assert _PART.fullmatch(name)
        if self.begun and (self.folder / FILE).exists():
            raise _other_run(self.folder, "a single run of one image, and this call has several")
        if self.begun and any(self.folder.glob(f"picture-*/{FILE}")):  # format 1's name for image-*
            raise OptionError(
                f'The checkpoint in "{self.folder}" has format 1, which invprior {__version__} cannot read. Resume it '
                "with the version that wrote it, name another folder, or remove this one to start over."
            )
        return self._inside(name, FILE)

    def of_weights(self) -> Checkpoint:
        """Return the checkpoint of the search for weights that comes before the run, in the same folder."""
        return self._inside(".", _WEIGHTS)

    def _inside(self, folder: str, file: str) -> Checkpoint:
        part = Checkpoint(folder, self.every, strict=self.strict, run=self.run)
        part.whole, part.file = self, file
        return part

    def prepare(self) -> Path:
        """Make the folder for a file, and return it.

        Raises:
            MeasurementError: the folder cannot be made.
        """
        if self.whole is not None:
            self.whole.prepare()
        elif self.make_folder is not None:
            self._place, self.make_folder = self.make_folder(), None
        return made(self.folder)

    def load(self) -> Kept | None:
        """Read the file; None if there is none of this run.

        Raises:
            OptionError: the file is damaged, has another format or belongs to another kind of run.
        """
        path = self.folder / self.file
        if not self.begun:
            return None
        if not path.exists():
            if self.file == FILE and any(
                _PART.fullmatch(p.parent.name) for p in self.folder.glob(f"*/{FILE}")
            ):
                raise _other_run(self.folder, "a run of several parts, and this call has one")
            return None
        try:
            tensors, facts = sealed_tensors.read(path, _FORMAT)
            kept = Kept(facts["finished"], facts["about"], tensors, facts["tree"])
            theirs = facts["run"]
        except sealed_tensors.OtherFormat as other:
            raise _other_format(path, other.facts) from None
        except Exception as error:  # a damaged file can raise any error
            reason = str(error) or type(error).__name__
            raise OptionError(
                f'The checkpoint "{path}" is damaged: {reason[0].lower()}{reason[1:]}. '
                "Remove it to start over."
            ) from None
        if theirs is not None and self.run is None:
            raise _other_run(self.folder, "a run of the command, see `invprior solve --resume`")
        return kept if theirs == self.run else None

    def peek(self) -> Mapping[str, Any] | None:
        """Return the provenance of the stored run or of its first part; None if nothing is stored.

        A damaged file is skipped here, and `load` reports it.
        """
        if not (self.begun and self.folder.is_dir()):
            return None
        # The run's own file has the shortest path; then comes the first part.
        for path in sorted(self.folder.rglob(FILE), key=lambda p: (len(p.parts), p)):
            try:
                facts = sealed_tensors.read_facts(path, _FORMAT)
                if facts["run"] == self.run:
                    about: Mapping[str, Any] = facts["about"]
                    return about
            except Exception:
                continue
        return None

    def save(self, value: Any, about: Mapping[str, Any], *, finished: bool = False) -> None:
        """Write the file; the previous one stays until the new one is complete.

        Raises:
            OptionError: the value holds something that cannot be saved.
            MeasurementError: the file cannot be written.
        """
        began = time.perf_counter()
        tensors, tree = packed(value, about)
        facts = {
            "format": _FORMAT,
            "run": self.run,
            "finished": finished,
            "about": about,
            "tree": tree,
        }
        # One file, so that one rename replaces tensors and tree together.
        sealed_tensors.write(self.prepare() / self.file, tensors, facts)
        now = time.perf_counter()
        self.due = now + max(self.every, _SHARE * (now - began)) if self.every > 0 else now

    def remove(self) -> None:
        """Delete the files, those of parts too; with `keep`, nothing is deleted."""
        if self.begun and not self.keep:
            clear(self.folder)


def holds_state(folder: Path) -> bool:
    """Return whether a folder holds the state of a run or of a part."""
    return any(True for name in (FILE, _WEIGHTS) for _ in folder.rglob(name))


def clear(folder: Path, *more: str) -> None:
    """Delete the files of a run, of its parts and of killed writes, then each folder that is empty.

    Files of others stay, and so do links to other folders.

    Args:
        folder: the folder, which need not exist.
        more: names of files that are deleted too, in this order and after the checkpoint.
    """
    if not folder.is_dir():
        return
    # Parts first, as only an empty folder can be removed.
    for part in folder.iterdir():
        if _PART.fullmatch(part.name) and not part.is_symlink():
            clear(part)
    own = [folder / name for name in (FILE, _WEIGHTS, *more)]
    files.remove_leftovers(*own)
    for path in own:
        with suppress(OSError):
            path.unlink()
    with suppress(OSError):
        folder.rmdir()


def made(folder: Path) -> Path:
    """Make a folder and its parents if they are missing, and return it.

    Raises:
        MeasurementError: the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MeasurementError(
            f'Cannot make the folder "{folder}": {error.strerror}. Name another place for the checkpoint.'
        ) from None
    return folder


def _other_format(path: Path, facts: Mapping[str, Any]) -> OptionError:
    writer = "of another version"
    with suppress(Exception):  # a damaged file can hold anything
        writer = facts["about"]["versions"]["invprior"]
    return OptionError(
        f'The checkpoint "{path}" has format {facts["format"]}, written by invprior {writer}; invprior {__version__} '
        f"reads format {_FORMAT}. Resume it with the version that wrote it, or remove it to start over."
    )


def _other_run(folder: Path, whose: str) -> OptionError:
    return OptionError(
        f'The checkpoint in "{folder}" belongs to {whose}. Give the options of that run, name another folder, or '
        "remove this one to start over."
    )
