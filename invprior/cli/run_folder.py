"""The folder that a run of `solve` keeps while it goes on: its options, its images, its checkpoint."""

from __future__ import annotations

import json
import os
import shlex
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import invprior
from invprior.checkpoint.checkpoint import FILE, Checkpoint, made
from invprior.cli.inputs import Inputs, Options
from invprior.cli.outputs import Outputs
from invprior.errors import MeasurementError, OptionError
from invprior.io import files

_RUN, _PICTURES = "run.json", "images.safetensors"


class RunFolder:
    """A folder from which the command goes on by itself: it needs neither its options nor its files again.

    It is made when the first checkpoint is written, and stays until the results are; so a kill at any moment leaves
    either nothing, or all that is needed.

    Args:
        outputs: where the results go; a fresh folder is made with the first checkpoint.
        options: the command's.
        inputs: the images.
        command: as it was typed.
    """

    def __init__(
        self, outputs: Outputs, options: Options, inputs: Inputs, command: list[str]
    ) -> None:
        self.checkpoint = Checkpoint(
            outputs.checkpoint,
            options.checkpoint_every,
            strict=False,
            fresh=True,
            keep=True,  # a kill while the results are written must not lose the state
            make_folder=self._begin,
        )
        self.outputs, self.options, self.inputs, self.command = outputs, options, inputs, command
        self.directory, self.begun, self.writing = str(Path.cwd()), False, False

    @staticmethod
    def check(outputs: Outputs, overwrite: bool) -> None:
        """Refuse to begin where a run that has not ended keeps its state.

        Raises:
            MeasurementError: there is one.
        """
        folder = outputs.checkpoint
        if not outputs.fresh and not overwrite and (folder / _RUN).exists():
            raise MeasurementError(
                f'"{folder}" holds a run that has not ended. Go on with it: {resume_command(folder)}; '
                "or start anew with --overwrite."
            )

    @staticmethod
    def find(place: Path) -> RunFolder:
        """Open the folder of a run that was cut off, named itself or by the folder of its results.

        Raises:
            OptionError: there is none, or it is damaged.
        """
        folder = next((f for f in (place, place / "checkpoint") if (f / _RUN).is_file()), None)
        if folder is None:
            raise OptionError(
                f'"{place}" holds no run to go on with. Name the folder "checkpoint" or "NAME.checkpoint" that the '
                "run has left; a run of a few seconds leaves none, and one that has ended has removed it."
            )
        try:
            facts = json.loads((folder / _RUN).read_text())
            options = Options(**facts["options"])
            outputs = Outputs.from_relative(folder, facts["results"])
            command, directory, writing = facts["command"], facts["directory"], facts["writing"]
        except Exception as error:  # a damaged file can raise anything
            raise OptionError(
                f'The run in "{folder}" cannot be read: {error}. Start it anew.'
            ) from None
        inputs = Inputs.load(folder / _PICTURES)
        found = RunFolder(outputs, options, inputs, command)
        found.directory, found.begun, found.writing = directory, True, writing
        found.checkpoint.fresh = False
        return found

    def check_results(self) -> None:
        """Refuse to replace files that another run has written meanwhile.

        Raises:
            MeasurementError: there are some.
        """
        if self.writing or self.options.overwrite:
            return
        for path in self.outputs.paths:
            if path.exists():
                raise MeasurementError(
                    f'"{path}" exists already, and the run that goes on has not written it. Move it away.'
                )

    @property
    def folder(self) -> Path:
        """The folder, whose name is settled when the run begins."""
        return self.checkpoint.folder

    def _begin(self) -> Path:
        """Make the folder and put in all that the run began with."""
        self.outputs = self.outputs.claimed()
        folder = self.outputs.checkpoint
        _clear(folder)  # of a run that --overwrite gives up
        made(folder)
        self.inputs.save(folder / _PICTURES)
        self._describe(folder)
        self.begun = True
        return folder

    def begin_writing(self) -> Outputs:
        """Note that the results are the run's own from here on, so that it may replace them when it goes on."""
        if self.begun:
            self.writing = True
            self._describe(self.folder)
        else:
            self.outputs = self.outputs.claimed()
        return self.outputs

    def discard(self) -> None:
        """Remove everything: the run has ended and its results are written."""
        if self.begun or (not self.outputs.fresh and self.options.overwrite):
            _clear(self.outputs.checkpoint)

    def with_steps(self, steps: int) -> None:
        """Allow more iterations than the first command did."""
        self.options = replace(self.options, steps=steps)

    def _describe(self, folder: Path) -> None:
        facts = {
            "invprior": invprior.__version__,
            "command": self.command,
            "directory": self.directory,
            "options": asdict(self.options),
            "results": self.outputs.relative(folder),
            "writing": self.writing,
        }
        with files.atomic(folder / _RUN, overwrite=True) as file:
            file.write(json.dumps(facts, indent=2).encode())


def _clear(folder: Path) -> None:
    """Delete a run's files and then its folders, unless somebody has put something else into them."""
    if not (folder / _RUN).is_file():
        return
    own = [folder, *folder.glob("run-*")]
    names = (_RUN, _PICTURES, FILE)
    for path in [f for place in own for name in names for f in place.glob(f"*{name}*")]:
        if path.name in names or path.suffix == ".tmp":
            path.unlink()
    for place in reversed(own):
        with suppress(OSError):
            place.rmdir()


def resume_command(folder: Path) -> str:
    """What to type to go on."""
    return shlex.join(["invprior", "solve", "--resume", os.fspath(folder)])
