"""Checkpoints: a run's state in one file, written whole or not at all, so that a killed run can go on."""

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
# Raise it when a file's layout changes, and when a class that a state holds moves: the file names its module.
_FORMAT = "2"
_SHARE = 20  # writing takes at most this part of the time


@dataclass(frozen=True)
class Kept:
    """What a checkpoint file holds.

    Attributes:
        finished: whether it is a result, or a run under way.
        about: the run's provenance.
        tensors, tree: see `packing.pack`.
    """

    finished: bool
    about: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    tree: Tree


class Checkpoint:
    """A folder in which one run keeps its state; made when the first is written, removed when the run has ended.

    Args:
        folder: where the file goes.
        every: seconds from one writing to the next, and to the first; 0 writes after every step. Writing takes at
            most a twentieth of the time otherwise, so what takes long is done less often.
        strict: whether a state that cannot be packed is an error; else it is a note.
        fresh: whether what is there already is left alone until the first writing, and not gone on from.
        keep: whether `remove` leaves the files to whoever owns the folder.
        make_folder: called before the first writing into a fresh folder; makes a folder and returns it, which need
            not be the one named above. Absent: the folder is made where it is named.
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
        """Whether it is time to write."""
        return time.perf_counter() >= self.due

    def delay(self) -> None:
        """Try again later, after a writing that failed."""
        self.due = time.perf_counter() + max(self.every, 1.0)

    def within(self, name: str) -> Checkpoint:
        """Return the checkpoint of a part, in a folder inside this one.

        Raises:
            OptionError: this folder holds the checkpoint of a run without parts, which would be lost, or one of the
                layout before format 2.
        """
        if not self.fresh:
            self._check_parts()
        # A fresh folder may get its name only when the first part writes, so the part asks for it then.
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
                f'The checkpoint in "{self.folder}" is of a single run of one image, and this call has several. '
                "Give the options of that run, name another folder, or remove this one to start anew."
            )
        if any(self.folder.glob(f"picture-*/{FILE}")):  # what format 1 called the folders "image-*"
            raise OptionError(
                f'The checkpoint in "{self.folder}" has format 1, which invprior {__version__} cannot read. Resume it '
                "with the version that wrote it, name another folder, or remove this one to start anew."
            )

    def prepare(self) -> Path:
        """Make the folder before something is written into it, and return it.

        Raises:
            MeasurementError: the system refuses.
        """
        if self.fresh and self.make_folder is not None:
            self.folder = self.make_folder()
        else:
            made(self.folder)
        self.fresh = False
        return self.folder

    def load(self) -> Kept | None:
        """Read the file, if there is one.

        Raises:
            OptionError: it is damaged, or another version of invprior wrote it in another format.
        """
        path = self.folder / FILE
        if self.fresh or not path.exists():
            return None
        try:
            with safe_open(path, "pt") as file:
                header = json.loads((file.metadata() or {})["invprior"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if header["format"] != _FORMAT:
                raise _other_format(path, header)
            if header["crc32"] != _crc32(tensors):
                raise ValueError("its checksum is not the one expected")
            return Kept(header["finished"], header["about"], tensors, header["tree"])
        except OptionError:
            raise
        except Exception as error:  # a damaged file can raise anything
            reason = str(error) or type(error).__name__
            raise OptionError(
                f'The checkpoint "{path}" is damaged: {reason[0].lower()}{reason[1:]}. '
                "Remove it to start anew."
            ) from None

    def peek(self) -> Mapping[str, Any] | None:
        """What a run that was kept here, or the first of its parts, tells of itself; None where there is none.

        A damaged file tells nothing: `load` will say so.
        """
        if self.fresh or not self.folder.is_dir():
            return None
        for path in sorted(self.folder.rglob(FILE), key=lambda p: (len(p.parts), p)):
            try:
                with safe_open(path, "pt") as file:
                    about: Mapping[str, Any] = json.loads(file.metadata()["invprior"])["about"]
                    return about
            except Exception:
                continue
        return None

    def save(self, value: Any, about: Mapping[str, Any], *, finished: bool = False) -> None:
        """Write the file; the one before stays until this one is whole.

        Raises:
            OptionError: the value holds something that cannot be kept.
            MeasurementError: the system refuses.
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
        data = save(tensors, {"invprior": json.dumps(header)})
        with files.atomic(self.prepare() / FILE, overwrite=True) as file:
            file.write(data)
        now = time.perf_counter()
        self.due = now + max(self.every, _SHARE * (now - began)) if self.every > 0 else now

    def remove(self) -> None:
        """Delete the files, those of parts too and what a killed writing left, and each folder if it is then empty.

        Where `keep` is set, nothing is deleted.
        """
        if self.keep:
            return
        for part in self.parts:
            part.remove()
        if self.fresh:
            return
        for path in [self.folder / FILE, *self.folder.glob(f".{FILE}.*.tmp")]:
            with suppress(OSError):
                path.unlink()
        with suppress(OSError):
            self.folder.rmdir()


def made(folder: Path) -> Path:
    """Make a folder, and those above it, where they are missing; return it.

    Raises:
        MeasurementError: the system refuses.
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
        f"reads format {_FORMAT}. Resume it with the version that wrote it, or remove it to start anew."
    )


def packed(value: Any, about: Mapping[str, Any]) -> tuple[dict[str, Tensor], Tree]:
    """Pack a run's state.

    Raises:
        OptionError: it holds what cannot be kept; names the solver or the stopping rule, and the field.
    """
    try:
        return pack(value, stateless="watch")
    except Unpackable as fault:
        part, _, field = fault.place.partition(".")
        owner = f"solver {about['solver_name']}"
        if part == "watch":
            owner = f"stopping rule {about['stop']}"
        raise OptionError(
            f"The state of the {owner} must be tensors, modules, optimisers, generators, dataclasses, numbers and "
            f"texts to be kept in a checkpoint; its {field or 'watcher'} is a {fault.kind}. "
            "Keep it in one of these, or run without a checkpoint."
        ) from None


def put_back(kept: Kept, fresh: Any, device: torch.device, where: Path) -> Any:
    """Restore what a file held into a fresh object.

    Raises:
        OptionError: it does not fit.
    """
    try:
        return restore(kept.tensors, kept.tree, fresh, device)
    except (Mismatch, KeyError, TypeError, RuntimeError) as fault:
        raise OptionError(
            f'The checkpoint in "{where}" does not fit this run: {fault}. '
            "Use the versions that it was written with, or remove the folder to start anew."
        ) from None


def _crc32(tensors: Mapping[str, Tensor]) -> int:
    total = 0
    for name in sorted(tensors):
        values: Any = tensors[name].reshape(-1).view(torch.uint8).numpy()
        total = zlib.crc32(values, total)
    return total
