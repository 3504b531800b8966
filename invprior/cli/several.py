"""Several files: each is restored into one folder by a run of its own, and a fault in one does not stop the others."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from invprior.builders.problem import measurement_axes
from invprior.checkpoint.checkpoint import made
from invprior.cli import pages, run_facts, streams
from invprior.cli.file_list import check, places_of, title
from invprior.cli.inputs import parts_of
from invprior.cli.outputs import DEFAULT_FOLDER, Outputs, Place
from invprior.cli.pages import StackRun
from invprior.cli.run_facts import RUN, SEVERAL, STACK, resume_command
from invprior.cli.session import Session, directory
from invprior.cli.solve_options import Options
from invprior.errors import InvpriorError, MeasurementError
from invprior.io import files, images, lock, samples

_FORMAT = 2  # raise it when a key of several.json changes; format 1 had no checksum


def opened(
    options: Options, command: list[str], place: Place | None = None, run: str | None = None
) -> Session | StackRun:
    """Return the checked run of one file: of a stack, if it holds several images.

    Args:
        options: of the command.
        command: the command line, for the record.
        place: where the results go, instead of the options' place.
        run: the identity of the run that this one is part of.

    Raises:
        InvpriorError: something is wrong; nothing has been written or computed.
    """
    if options.image == streams.NAME:
        given = streams.received(getattr(torch, options.dtype))
        return Session.prepare(options, command, given=given, place=place, run=run)
    stack = None
    picture = options.simulated or measurement_axes(options.operator) == 3  # else numbers
    if picture and not options.image.startswith(samples.PREFIX):
        with suppress(MeasurementError):  # told below, together with what else is wrong
            stack = images.load_stack(options.image, getattr(torch, options.dtype))
    if stack is None:
        return Session.prepare(options, command, place=place, run=run)
    if len(stack.images) > 1:
        return StackRun.prepare(options, command, stack, place, run)
    given = replace(stack.images[0], notes=stack.notes)
    return Session.prepare(options, command, given=given, place=place, run=run)


def resumed(place: Path, steps: int | None) -> Session | StackRun:
    """Return the unfinished run of one file."""
    if pages.find(place) is not None:
        return StackRun.resume(place, steps)
    return Session.resume(place, steps)


@dataclass(frozen=True)
class Outcome:
    """How one of several files ended.

    Attributes:
        image: the file.
        record: of its run; None when the file failed.
        error: what was wrong with it.
    """

    image: str
    record: dict[str, Any] | None = None
    error: str | None = None

    @property
    def text(self) -> str:
        """One line on how it ended."""
        if self.record is None:
            return f"{self.image}: {self.error}"
        stop = self.record["stop"]["message"]
        return f"{self.image}: {self.record['files']['restoration'].name}, {stop}, {self.record['seconds']:.1f} s"

    def as_record(self) -> dict[str, Any]:
        """Return the record, or the image and its error."""
        return self.record or {"image": self.image, "error": self.error}

    @property
    def ok(self) -> bool:
        """Whether there is a result that can be used."""
        return self.record is not None and self.record["stop"]["name"] != "diverged"


class Several:
    """The run of several files. It keeps a list of those that are done, so that it can be resumed.

    Args:
        options: of the command.
        command: the command line, for the records.
        folder: of the results; it exists.
        done: names of the files that are restored.
        run: the identity of the run, which all its files carry; None for a new one.
    """

    def __init__(
        self,
        options: Options,
        command: list[str],
        folder: Path,
        done: Sequence[str] = (),
        run: str | None = None,
    ) -> None:
        self.options, self.command, self.folder = options, command, folder
        self.identity = secrets.token_hex(16) if run is None else run
        self.done, self.directory = list(done), str(Path.cwd())
        self.places = places_of(options, folder)

    @staticmethod
    def prepare(options: Options, command: list[str]) -> Several:
        """Check what concerns all files, and make the folder.

        Raises:
            InvpriorError: something is wrong; no file has been written.
        """
        check(options)
        parts_of(options)
        folder = options.output
        run = Several(options, command, DEFAULT_FOLDER if folder is None else folder)
        if folder is None:
            fresh = DEFAULT_FOLDER / title(options, f"{len(options.images)}-images")
            outputs = Outputs.in_folder(fresh, ".tif", False, False, False, fresh=True).claimed()
            run = Several(options, command, outputs.restoration.parent)
        elif not options.overwrite:
            run._refuse_existing()
        files.makeable(run.folder, "Name another folder with --output.")
        made(run.folder)
        lock.acquire(run.path)
        return run

    @staticmethod
    def resume(place: Path, steps: int | None) -> Several:
        """Take up an unfinished run; `place` is the folder of its results, or the one inside it.

        Raises:
            InvpriorError: it is damaged, or another run works there.
        """
        path = find(place) or place
        with run_facts.reading(path):
            facts = run_facts.read(path / SEVERAL, _FORMAT)
            options = Options.restored(facts["options"])
            options = options if steps is None else replace(options, steps=steps)
            folder, done = path.absolute().parent, facts["done"]
            run = Several(options, facts["command"], folder, done, facts["run"])
            run.directory = facts["directory"]
        lock.acquire(run.path)
        return run

    @property
    def path(self) -> Path:
        """The folder that keeps the list of what is done."""
        return self.folder / "checkpoint"

    @property
    def kept(self) -> Path | None:
        """The folder in which the run can be resumed, if it has begun."""
        return self.folder if (self.path / SEVERAL).exists() else None

    @property
    def remaining(self) -> list[str]:
        """The files that are not done, in their order."""
        return [image for image in self.options.images if image not in self.done]

    def run(self, *, quiet: bool) -> Iterator[Outcome]:
        """Restore one file after the other, and yield how each ended.

        Raises:
            KeyboardInterrupt: the run was interrupted; what is done is kept.
        """
        self._describe()
        for image in self.remaining:
            try:
                record = self._restored(image, quiet)
            except InvpriorError as error:
                yield Outcome(image, error=str(error))
                continue
            self.done.append(image)
            self._describe()
            yield Outcome(image, record)
        if not self.remaining:
            run_facts.clear(self.path)

    def _restored(self, image: str, quiet: bool) -> dict[str, Any]:
        place = self.places[image]
        left = files.check_name(place.folder / f"{place.stem}.checkpoint")
        with directory(self.directory):
            # A folder of another run is refused by `opened`.
            if any(run_facts.belongs(left / name, self.identity) for name in (RUN, STACK)):
                session = resumed(left, self.options.steps)
            else:
                options = replace(self.options, images=[image], output=None)
                session = opened(options, self.command, place, self.identity)
            result: Any = session.run(quiet=quiet)
            record = session.write(result)
        if result.stop.name == "interrupted":
            raise KeyboardInterrupt
        session.outputs.unlock()
        return record

    def _refuse_existing(self) -> None:
        """Refuse to start where a record or an unfinished run is in the way.

        Raises:
            MeasurementError: there is one.
        """
        if self.kept is not None:
            raise MeasurementError(
                f'"{self.folder}" holds an unfinished run of several files. Resume it with: '
                f"{resume_command(self.folder)}; or discard it with --overwrite."
            )
        if self.folder.is_dir():
            for place in self.places.values():
                files.writable(place.folder / f"{place.stem}.json")

    def _describe(self) -> None:
        if not self.options.checkpoint:
            return
        made(self.path)
        run_facts.write(
            self.path / SEVERAL,
            _FORMAT,
            run=self.identity,
            command=self.command,
            directory=self.directory,
            options=self.options,
            done=self.done,
        )


def find(place: Path) -> Path | None:
    """Return the folder of the list from which several files can be resumed, or None."""
    return run_facts.find(place, SEVERAL)
