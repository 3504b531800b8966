"""A stack: each image of a file is restored by a session of its own, and all are written into one file."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from rich.console import Group
from torch import Tensor

import invprior
from invprior.builders.problem import operator_for
from invprior.cli import run_facts
from invprior.cli.file_list import stem, title, truths_of
from invprior.cli.kept_run import KeptRun
from invprior.cli.outputs import Outputs, Place, settle
from invprior.cli.page_store import Page, file_of, keep, kept
from invprior.cli.page_summary import joint, table
from invprior.cli.result_images import grey, save_comparison, save_measurements
from invprior.cli.run_facts import RUN, STACK
from invprior.cli.run_folder import RunFolder
from invprior.cli.session import Session, directory
from invprior.cli.solve_options import Options
from invprior.errors import MeasurementError
from invprior.io import files, images, strict_json
from invprior.io.losses import held_in, losses
from invprior.io.save import save_stack
from invprior.numerics.devices import placed
from invprior.operators.imaging import measures_images
from invprior.problem.solution import Stop


@dataclass(frozen=True)
class Restored:
    """All pages, and how the stack ended: as the first page that did not end well, else as the first."""

    pages: Sequence[Page]
    stop: Stop
    choices: Sequence[tuple[str, str, str]]


class StackRun(KeptRun):
    """The run of a stack. It keeps finished pages on disk, so that it can be resumed.

    Args:
        options: of the command.
        command: the command line, for the record.
        stack: the images.
        truths: the true image of each, or None.
        outputs: where the results go.
        run: the identity of the run; None for a new one.
    """

    file, number = STACK, 2  # format 1 had no checksums

    def __init__(
        self,
        options: Options,
        command: list[str],
        stack: images.Stack,
        truths: Sequence[images.Image | None],
        outputs: Outputs,
        run: str | None = None,
    ) -> None:
        super().__init__(outputs, options, command, run)
        self.stack, self.truths = stack, truths
        self.first: Session | None = None

    @staticmethod
    def prepare(
        options: Options,
        command: list[str],
        stack: images.Stack,
        place: Place | None = None,
        run: str | None = None,
    ) -> StackRun:
        """Check everything that can be checked before the first page is restored.

        Raises:
            InvpriorError: something is wrong. Nothing has been written or computed.
        """
        truths = truths_of(options, stack)
        outputs = _settled(options, stack, place)
        new = StackRun(options, command, stack, truths, outputs, run)
        for note in stack.notes:
            logging.getLogger("invprior").warning("%s", note.rstrip("."))
        new.first = new.session(0)  # finds what is wrong with the options
        KeptRun.check(outputs, options)
        return new

    @staticmethod
    def resume(place: Path, steps: int | None) -> StackRun:
        """Take up an unfinished run; `place` is the folder that it left, see `find`.

        Raises:
            InvpriorError: it is damaged, or the stack has changed.
        """
        folder = find(place) or place
        with run_facts.reading(folder):
            facts = run_facts.read(folder / STACK, StackRun.number)
            options = Options.restored(facts["options"])
            outputs = Outputs.from_names(folder, facts["results"])
            digest, home = facts["stack_sha256"], facts["directory"]
        with directory(home):
            stack = images.load_stack(options.image, getattr(torch, options.dtype))
            truths = truths_of(options, stack)
            options = options if steps is None else replace(options, steps=steps)
            run = StackRun(options, facts["command"], stack, truths, outputs, facts["run"])
            if digest != run.digest:
                raise MeasurementError(
                    f'"{options.image}" has changed since its run began. Start over with --overwrite.'
                )
        run.take_up(facts)
        return run

    def session(self, index: int) -> Session:
        """Return the session of a page, an unfinished one if the page has begun."""
        place = file_of(self.path, index).with_suffix(".npy")
        left = place.with_suffix(".checkpoint")
        if self.begun and run_facts.belongs(left / RUN, self.identity):
            return Session.resume(left, self.options.steps)
        outputs = Outputs.beside(
            place, self.options.simulated, self.options.runs > 1, self.options.weight_curve
        )
        if index == 0 and self.first is not None:  # a fresh folder has its name only now
            first, self.first = self.first, None
            folder = RunFolder(outputs, self.options, first.inputs, self.command, self.identity)
            return replace(first, folder=folder)
        with directory(self.directory):  # options may name files relative to it, such as a mask
            return Session.prepare(
                self.options,
                self.command,
                given=self.stack.images[index],
                true=self.truths[index],
                place=outputs,
                run=self.identity,
            )

    def run(self, *, quiet: bool) -> Restored:
        """Restore every page that is not done.

        Raises:
            KeyboardInterrupt: the run was interrupted; finished pages, and the state of the page, are kept.
        """
        pages: list[Page] = []
        choices: Sequence[tuple[str, str, str]] = ()
        for index in range(len(self.stack.images)):
            done = kept(self.path, index, self.identity) if self.begun else None
            if done is None:
                if self.options.checkpoint and not self.begun:
                    self.begin()
                session = self.session(index)
                solution = session.run(quiet=quiet)
                if solution.stop.name == "interrupted":
                    raise KeyboardInterrupt
                done = Page(
                    solution.x.cpu(),
                    session.problem.y.cpu(),
                    None if solution.deviation is None else solution.deviation.cpu(),
                    json.loads(strict_json.dumps(session.record(solution))),
                )
                choices = choices or solution.choices
                if self.options.checkpoint:
                    keep(self.path, index, done, self.identity)
                session.folder.end_writing()
                session.folder.outputs.unlock()
            pages.append(done)
        ends = [Stop(**page.record["stop"]) for page in pages]
        stop = next((end for end in ends if not end.ok), ends[0])
        return Restored(pages, stop, choices)

    def write(self, restored: Restored) -> dict[str, Any]:
        """Write the result files, and remove what was kept of the run; return the record."""
        to = self.begin_writing()
        x = [page.x for page in restored.pages]
        with self.writing(to.restoration) as overwrite:
            held = [held_in(to.restoration, one) for one in x]
            save_stack(to.restoration, held, like=self.stack.images, overwrite=overwrite)
        y = [page.y for page in restored.pages]
        if to.measurement is not None:
            with self.writing(to.measurement) as overwrite:
                save_measurements(to.measurement, y, overwrite=overwrite)
        if to.deviation is not None:
            spread = [grey(p.deviation) for p in restored.pages if p.deviation is not None]
            with self.writing(to.deviation) as overwrite:
                save_stack(to.deviation, spread, depth="float32", overwrite=overwrite)
        middle = len(x) // 2  # the first and the last slice of a volume are often empty
        true = self.stack.images[middle] if self.options.simulated else self.truths[middle]
        truth = None if true is None else true.x.to(x[middle])
        with self.writing(to.comparison) as overwrite:
            shape = tuple(x[middle].shape[1:])
            operator = placed(operator_for(self.options.operator, image=shape), y[middle])
            save_comparison(
                to.comparison, y[middle], x[middle], truth, operator, overwrite=overwrite
            )
        notes = losses(to.restoration, x[0], self.stack.images[0])
        for note in notes:
            logging.getLogger("invprior").warning("%s", note)
        records = [page.record for page in restored.pages]
        stop = restored.stop
        each = dict.fromkeys(note for record in records for note in record["notes"])
        record = {
            "invprior": invprior.__version__,
            "command": self.command,
            "directory": self.directory,
            "options": self.options.kept(),
            "image": self.options.image,
            "axes": self.stack.axes,
            "shape": self.stack.shape,
            "stop": {"name": stop.name, "ok": stop.ok, "message": stop.message},
            "notes": [*self.stack.notes, *each, *notes],
            "files": to.named,
            **joint(records),
        }
        with (
            self.writing(to.record) as overwrite,
            files.atomic(to.record, overwrite=overwrite) as file,
        ):
            file.write(strict_json.dumps(record, indent=2).encode())
        self.end_writing()
        return record

    def table(self, record: dict[str, Any]) -> Group:
        """Return the summary for the terminal."""
        return table(record["pages"])

    def more(self) -> dict[str, Any]:
        """Return the hash of the file."""
        return {"stack_sha256": self.digest}

    @cached_property
    def digest(self) -> str:
        """The hash of the stack's file, by which a changed one is refused."""
        assert self.stack.path is not None  # a stack comes from a file
        with self.stack.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def find(place: Path) -> Path | None:
    """Return the folder in which the run of a stack can be resumed, or None."""
    return run_facts.find(place, STACK)


def _settled(options: Options, stack: images.Stack, place: Place | None) -> Outputs:
    like = stack.images[0]
    return settle(
        place or options.output,
        title(options, stem(options.image)),
        like,
        channels=like.x.shape[1],
        rows=like.x.shape[2],
        simulated=options.simulated,
        several=options.runs > 1,
        overwrite=options.overwrite,
        pages=len(stack.images),
        numbers=options.simulated and not _pictures(options, like.x),
    )


def _pictures(options: Options, x: Tensor) -> bool:
    """Return whether the operator makes pictures of images such as x."""
    return measures_images(operator_for(options.operator, image=tuple(x.shape[1:])), x)
