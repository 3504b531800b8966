"""What a run of `solve` keeps on disk until it ends: the facts to resume it, in a folder beside its results."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from invprior.checkpoint.checkpoint import made
from invprior.cli import run_facts
from invprior.cli.ledger import Ledger
from invprior.cli.outputs import Outputs
from invprior.cli.run_facts import resume_command
from invprior.cli.solve_options import Options
from invprior.io import files


class KeptRun:
    """A run that is resumed without its options, from a folder that stays until the results are written.

    A kill at any moment leaves either nothing or everything that a resumed run needs.

    Args:
        outputs: where the results go; a fresh folder is made by `begin`.
        options: the command's options.
        command: the command line, for the record.
        run: the identity of the run, which all its files carry; None for a new one.
    """

    file: ClassVar[str]  # of the facts
    number: ClassVar[int]  # of its format; raise it when an option, a file's name or a key changes

    def __init__(
        self, outputs: Outputs, options: Options, command: list[str], run: str | None = None
    ) -> None:
        self.outputs, self.options, self.command = outputs, options, command
        self.identity = secrets.token_hex(16) if run is None else run
        self.directory, self.begun, self.ledger = str(Path.cwd()), False, Ledger()

    @staticmethod
    def check(outputs: Outputs, options: Options) -> None:
        """Lock the outputs, and refuse to start where an unfinished run keeps its state.

        Raises:
            MeasurementError: there is one, or another run writes there.
        """
        if outputs.fresh:  # a fresh folder is made by this run, so no other can hold it
            return
        outputs.lock()
        for path in outputs.paths:  # again: the run that held a lock may have ended just now
            files.writable(path, overwrite=options.overwrite)
        if options.checkpoint and not options.overwrite:
            run_facts.check_free(outputs.checkpoint)

    @property
    def path(self) -> Path:
        """The folder. A fresh one gets its final name when the run begins."""
        return self.outputs.checkpoint

    @property
    def kept(self) -> Path | None:
        """The folder in which the run can be resumed, if it has begun."""
        return self.path if self.begun else None

    def take_up(self, facts: dict[str, Any]) -> None:
        """Go on with the run whose facts are given.

        Raises:
            MeasurementError: there are results that it has not written, or another run writes there.
        """
        self.directory, self.begun, self.ledger = facts["directory"], True, Ledger(facts["own"])
        self.outputs.lock()
        if not self.options.overwrite:
            self.ledger.check(self.outputs.paths, "Move it away.")

    def begin(self) -> Path:
        """Make the folder, and write into it what the run started from; return it."""
        self.outputs = self.outputs.claimed()
        run_facts.clear(self.path)  # left by an earlier run, which --overwrite discards
        made(self.path)
        self.save_inputs(self.path)
        # Last: this file is the sign that the folder is complete.
        self._describe()
        self.begun = True
        return self.path

    def save_inputs(self, folder: Path) -> None:
        """Write what the run started from; by default nothing, as it reads its files again."""

    def more(self) -> dict[str, Any]:
        """Return facts of this kind of run."""
        return {}

    def begin_writing(self) -> Outputs:
        """Return where the results go, checked once more.

        Raises:
            MeasurementError: files have appeared there during the run; it can be resumed once they are away.
        """
        self.outputs = self.outputs.claimed()
        if not self.options.overwrite:
            again = "Move it away and start over, or name another output."
            if self.begun:
                again = f"Move it away. Resume with: {resume_command(self.path)}"
            self.ledger.check(self.outputs.paths, again)
        return self.outputs

    @contextmanager
    def writing(self, path: Path) -> Iterator[bool]:
        """Write a result file in this context; yields whether an existing file may be replaced."""
        with self.ledger.writing(path, self._keep) as own:
            yield own or self.options.overwrite

    def end_writing(self, *, interrupted: bool = False) -> None:
        """Remove everything once the results are written, unless the run was interrupted and can be resumed."""
        if interrupted:
            self._keep()
        # Without a folder of its own, only what a killed process has left.
        elif self.begun or self.options.overwrite or not run_facts.holds_run(self.path):
            run_facts.clear(self.path)

    def _keep(self) -> None:
        if self.begun:
            self._describe()

    def _describe(self) -> None:
        run_facts.write(
            self.path / self.file,
            self.number,
            run=self.identity,
            command=self.command,
            directory=self.directory,
            options=self.options,
            results=self.outputs.names,
            own=self.ledger.own,
            **self.more(),
        )
