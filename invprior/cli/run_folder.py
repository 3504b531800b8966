"""The folder that `solve` keeps during a run: the command's options, its images, and the checkpoint."""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from invprior.checkpoint.checkpoint import FILE, Checkpoint, made
from invprior.cli import run_facts
from invprior.cli.inputs import Inputs
from invprior.cli.outputs import Outputs
from invprior.cli.solve_options import Options
from invprior.errors import MeasurementError, OptionError
from invprior.io import files

# Raise it when an option, a file's name or a key of run.json changes. Format 1 had no number in the file,
# format 2 one image.
_FORMAT = 3
_RUN, _IMAGES = "run.json", "images.safetensors"
_FORMAT_1_IMAGES = "pictures.safetensors"
# Several runs and tiles have a folder each, a tile of one of several runs a folder in that of the run.
_PARTS = ("run-*", "tile-*", "run-*/tile-*")


class RunFolder:
    """A folder from which the command can resume without its options and input files.

    It appears with the first checkpoint and stays until the results are written. A kill at any moment
    therefore leaves either nothing or everything that a resumed run needs.

    Args:
        outputs: where the results go; a fresh folder is made with the first checkpoint.
        options: the command's options.
        inputs: the images.
        command: the command line, for the record.
    """

    def __init__(
        self, outputs: Outputs, options: Options, inputs: Inputs, command: list[str]
    ) -> None:
        self.checkpoint = Checkpoint(
            outputs.checkpoint,
            options.checkpoint_every,
            strict=False,
            fresh=True,
            keep=True,  # a kill while the results are being written must not lose the state
            make_folder=self._begin,
        )
        self.outputs, self.options, self.inputs, self.command = outputs, options, inputs, command
        self.directory, self.begun, self.writing = str(Path.cwd()), False, False

    @staticmethod
    def check(outputs: Outputs, overwrite: bool, checkpoint: bool = True) -> None:
        """Lock the outputs, and refuse to start where an unfinished run keeps its state.

        Raises:
            MeasurementError: there is one, or another run writes there.
        """
        folder = outputs.checkpoint
        if not outputs.fresh:  # a fresh folder is made by this run, so no other can hold it
            outputs.lock()
            for path in outputs.paths:  # again: the run that held a lock may have ended just now
                files.writable(path, overwrite=overwrite)
        if checkpoint and not outputs.fresh and not overwrite and (folder / _RUN).exists():
            raise MeasurementError(
                f'"{folder}" holds an unfinished run. Resume it with: {resume_command(folder)}; '
                "or discard it with --overwrite."
            )

    @staticmethod
    def find(place: Path) -> RunFolder:
        """Open the folder of an unfinished run.

        Args:
            place: the folder itself, or the one of its results.

        Raises:
            OptionError: there is none, it is damaged, or another version wrote it in another format.
        """
        folder = run_facts.find(place, _RUN)
        if folder is None:
            raise OptionError(
                f'"{place}" holds no unfinished run. Name the folder "checkpoint" or "NAME.checkpoint" that the '
                "run left. Runs of a few seconds leave none, and a finished run removes it."
            )
        with run_facts.reading(folder):
            facts = run_facts.read(folder / _RUN, _FORMAT)
            options = Options.restored(facts["options"])
            outputs = Outputs.from_relative(folder, facts["results"])
            command, directory, writing = facts["command"], facts["directory"], facts["writing"]
        inputs = Inputs.load(folder / _IMAGES)
        found = RunFolder(outputs, options, inputs, command)
        found.directory, found.begun, found.writing = directory, True, writing
        found.checkpoint.fresh = False
        return found

    @property
    def path(self) -> Path:
        """The folder. A fresh one gets its final name when the run begins."""
        return self.checkpoint.folder

    def check_results(self) -> None:
        """Lock the outputs, and refuse to replace files that another run has written in the meantime.

        Raises:
            MeasurementError: there are some, or another run writes there.
        """
        self.outputs.lock()
        if not (self.writing or self.options.overwrite):
            refuse_existing(self.outputs)

    def _begin(self) -> Path:
        """Make the folder and write into it what the run started from."""
        self.outputs = self.outputs.claimed()
        folder = self.outputs.checkpoint
        self.outputs.lock()  # a fresh folder has its name only now
        _clear(folder)  # left by an earlier run, which --overwrite discards
        made(folder)
        self.inputs.save(folder / _IMAGES)
        self._describe(
            folder
        )  # last: `find` takes this file as the sign that the folder is complete
        self.begun = True
        return folder

    def begin_writing(self) -> Outputs:
        """Record that result files from now on are this run's own, which it may replace when resumed."""
        if self.begun:
            self.writing = True
            self._describe(self.path)
        else:
            self.outputs = self.outputs.claimed()
        return self.outputs

    def discard(self) -> None:
        """Remove everything, once the run has ended and its results are written."""
        if self.begun or (not self.outputs.fresh and self.options.overwrite):
            _clear(self.outputs.checkpoint)

    def with_steps(self, steps: int) -> None:
        """Set another maximum number of iterations than the first command's."""
        self.options = replace(self.options, steps=steps)

    def _describe(self, folder: Path) -> None:
        run_facts.write(
            folder / _RUN,
            _FORMAT,
            command=self.command,
            directory=self.directory,
            options=self.options,
            results=self.outputs.relative(folder),
            writing=self.writing,
        )


def _clear(folder: Path) -> None:
    """Delete a run's files, then its folders, except folders in which the user has put other files."""
    if not (folder / _RUN).is_file():
        return
    own = [folder, *(part for pattern in _PARTS for part in folder.glob(pattern))]
    names = (_RUN, _IMAGES, _FORMAT_1_IMAGES, FILE)
    for path in [f for place in own for name in names for f in place.glob(f"*{name}*")]:
        if path.name in names or path.suffix == ".tmp":  # a killed write leaves ".NAME.*.tmp"
            path.unlink()
    for place in reversed(own):  # inner folders first: only an empty folder can be removed
        with suppress(OSError):
            place.rmdir()


def refuse_existing(outputs: Outputs) -> None:
    """Refuse to resume a run where files exist that it has not written.

    Raises:
        MeasurementError: there are some.
    """
    for path in outputs.paths:
        if path.exists():
            raise MeasurementError(
                f'"{path}" exists already, and the resumed run did not write it. Move it away.'
            )


def resume_command(folder: Path) -> str:
    """Return the command that resumes the run in a folder."""
    return shlex.join(["invprior", "solve", "--resume", os.fspath(folder)])
