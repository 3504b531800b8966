"""Checkpoints: the state of a run in one file, written atomically, from which a killed run resumes."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from invprior._version import __version__
from invprior.checkpoint.decode import Mismatch, restore
from invprior.checkpoint.encode import Tree, Unpackable, pack
from invprior.errors import MeasurementError, OptionError
from invprior.io import files

FILE = "checkpoint.safetensors"
# Raise it when the layout of the file changes, and when a class of a state moves: the file names its module.
_FORMAT = "2"
_SHARE = 20  # of the run's time, writing takes at most 1 / _SHARE


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
        fresh: whether to ignore what the folder already holds, instead of resuming from it.
        keep: whether `remove` leaves the files to the owner of the folder.
        make_folder: makes the folder of a fresh checkpoint before its first file and returns it; it may differ from
            `folder`. By default `folder` itself is made.

    Raises:
        OptionError: `every` is not a number >= 0.
    """

    def __init__(
        self,
        folder: str | Path,
        every: float = 5.0,
        *,
        strict: bool = True,
        fresh: bool = False,
        keep: bool = False,
        make_folder: Callable[[], Path] | None = None,
    ) -> None:
        number = isinstance(every, int | float) and not isinstance(every, bool)
        if not (number and every >= 0):
            raise OptionError(
                f'The option "checkpoint_every" must be a number of seconds >= 0; got {every!r}.'
            )
        self.folder, self.every = Path(folder), float(every)
        self.strict, self.fresh, self.keep = strict, fresh, keep
        self.make_folder = make_folder
        self.due = time.perf_counter() + self.every
        self.parts: list[Checkpoint] = []

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
        if not self.fresh:
            self._check_parts()
        # A fresh folder may get its name only when the first part writes a file, so the part asks for it then.
        part = Checkpoint(
            self.folder / name,
            self.every,
            strict=self.strict,
            fresh=self.fresh,
            make_folder=lambda: made(self.prepare() / name),
        )
        self.parts.append(part)
        return part

    def _check_parts(self) -> None:
        if (self.folder / FILE).exists():
            raise OptionError(
                f'The checkpoint in "{self.folder}" belongs to a single run of one image, and this call has several. '
                "Give the options of that run, name another folder, or remove this one to start over."
            )
        if any(self.folder.glob(f"picture-*/{FILE}")):  # format 1's name for image-*
            raise OptionError(
                f'The checkpoint in "{self.folder}" has format 1, which invprior {__version__} cannot read. Resume it '
                "with the version that wrote it, name another folder, or remove this one to start over."
            )

    def prepare(self) -> Path:
        """Make the folder for a file, and return it.

        Raises:
            MeasurementError: the folder cannot be made.
        """
        if self.fresh and self.make_folder is not None:
            self.folder = self.make_folder()
        else:
            made(self.folder)
        self.fresh = False
        return self.folder

    def load(self) -> Kept | None:
        """Read the file; None if there is none.

        Raises:
            OptionError: the file is damaged or has another format.
        """
        path = self.folder / FILE
        if self.fresh or not path.exists():
            return None
        try:
            with safe_open(path, "pt") as file:
                header = json.loads((file.metadata() or {})["invprior"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            # The format first, as a checksum of another layout would call a sound file damaged.
            if header["format"] != _FORMAT:
                raise _other_format(path, header)
            if header["crc32"] != _crc32(tensors):
                raise ValueError("its checksum differs")
            return Kept(header["finished"], header["about"], tensors, header["tree"])
        # Another format is no damage.
        except OptionError:
            raise
        except Exception as error:  # a damaged file can raise any error
            reason = str(error) or type(error).__name__
            raise OptionError(
                f'The checkpoint "{path}" is damaged: {reason[0].lower()}{reason[1:]}. '
                "Remove it to start over."
            ) from None

    def peek(self) -> Mapping[str, Any] | None:
        """Return the provenance of the stored run or of its first part; None if nothing is stored.

        A damaged file is skipped here, and `load` reports it.
        """
        if self.fresh or not self.folder.is_dir():
            return None
        # The run's own file has the shortest path; then comes the first part.
        for path in sorted(self.folder.rglob(FILE), key=lambda p: (len(p.parts), p)):
            try:
                with safe_open(path, "pt") as file:
                    about: Mapping[str, Any] = json.loads(file.metadata()["invprior"])["about"]
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
        header = {
            "format": _FORMAT,
            "finished": finished,
            "about": about,
            "tree": tree,
            "crc32": _crc32(tensors),
        }
        # One file, so that one rename replaces tensors and tree together.
        data = save(tensors, {"invprior": json.dumps(header)})
        with files.atomic(self.prepare() / FILE, overwrite=True) as file:
            file.write(data)
        now = time.perf_counter()
        self.due = now + max(self.every, _SHARE * (now - began)) if self.every > 0 else now

    def remove(self) -> None:
        """Delete the files, those of parts and of killed writes too, and each folder that is then empty.

        With `keep`, nothing is deleted.
        """
        if self.keep:
            return
        # Parts first, as only an empty folder can be removed.
        for part in self.parts:
            part.remove()
        if self.fresh:  # nothing written yet, so all that is there belongs to an earlier run
            return
        for path in [self.folder / FILE, *self.folder.glob(f".{FILE}.*.tmp")]:
            with suppress(OSError):
                path.unlink()
        with suppress(OSError):
            self.folder.rmdir()


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


def _other_format(path: Path, header: Mapping[str, Any]) -> OptionError:
    writer = header["about"].get("versions", {}).get("invprior", "of another version")
    return OptionError(
        f'The checkpoint "{path}" has format {header["format"]}, written by invprior {writer}; invprior {__version__} '
        f"reads format {_FORMAT}. Resume it with the version that wrote it, or remove it to start over."
    )


def packed(value: Any, about: Mapping[str, Any]) -> tuple[dict[str, Tensor], Tree]:
    """Pack a run's state.

    Raises:
        OptionError: part of it cannot be saved; the message names the solver or stopping rule, and the field.
    """
    try:
        return pack(value, stateless="watch")
    except Unpackable as fault:
        part, _, field = fault.place.partition(".")
        owner = f"solver {about['solver_name']}"
        if part == "watch":
            owner = f"stopping rule {about['stop']}"
        raise OptionError(
            f"The state of the {owner} must consist of tensors, modules, optimisers, generators, dataclasses, numbers "
            f"and text to be saved in a checkpoint; its {field or 'watcher'} is a {fault.kind}. "
            "Use one of these types, or run without a checkpoint."
        ) from None


def put_back(kept: Kept, fresh: Any, device: torch.device, where: Path) -> Any:
    """Restore the content of a file into a fresh object.

    Raises:
        OptionError: the content does not fit the object.
    """
    try:
        return restore(kept.tensors, kept.tree, fresh, device)
    except (Mismatch, KeyError, TypeError, RuntimeError) as fault:
        raise OptionError(
            f'The checkpoint in "{where}" does not fit this run: {fault}. '
            "Use the versions that wrote it, or remove the folder to start over."
        ) from None


def _crc32(tensors: Mapping[str, Tensor]) -> int:
    """Return a checksum of the tensors; safetensors has none."""
    total = 0
    for name in sorted(tensors):
        # As bytes, since NumPy has no bfloat16.
        values: Any = tensors[name].reshape(-1).view(torch.uint8).numpy()
        total = zlib.crc32(values, total)
    return total
