"""The folder that `solve` keeps during the run of one image: its options, its images, and the checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from invprior.checkpoint.checkpoint import Checkpoint
from invprior.cli import run_facts
from invprior.cli.inputs import Inputs
from invprior.cli.kept_run import KeptRun
from invprior.cli.outputs import Outputs
from invprior.cli.run_facts import IMAGES, RUN
from invprior.cli.solve_options import Options
from invprior.errors import OptionError


class RunFolder(KeptRun):
    """The folder of a run of one image, made with the first checkpoint; it holds the images too.

    Args:
        outputs: where the results go.
        options: the command's options.
        inputs: the images.
        command: the command line, for the record.
        run: the identity of the run; None for a new one.
    """

    # Format 1 had no number in the file, format 2 one image, format 3 no checksums.
    file, number = RUN, 4

    def __init__(
        self,
        outputs: Outputs,
        options: Options,
        inputs: Inputs,
        command: list[str],
        run: str | None = None,
    ) -> None:
        super().__init__(outputs, options, command, run)
        self.inputs = inputs
        # Absolute, as the run works in the folder where it began.
        self.checkpoint = Checkpoint(
            outputs.checkpoint.absolute(),
            options.checkpoint_every,
            strict=False,
            run=self.identity,
            keep=True,  # a kill while the results are being written must not lose the state
            make_folder=lambda: self.begin().absolute(),
        )

    @staticmethod
    def find(place: Path) -> RunFolder:
        """Take up an unfinished run.

        Args:
            place: the folder itself, or the one of its results.

        Raises:
            OptionError: there is none, it is damaged, or another version wrote it in another format.
            MeasurementError: there are results that it has not written, or another run writes there.
        """
        folder = run_facts.find(place, RUN)
        if folder is None:
            raise OptionError(
                f'"{place}" holds no unfinished run. Name the folder "checkpoint" or "NAME.checkpoint" that the '
                "run left. Runs of a few seconds leave none, and a finished run removes it."
            )
        with run_facts.reading(folder):
            facts = run_facts.read(folder / RUN, RunFolder.number)
            options = Options.restored(facts["options"])
            outputs = Outputs.from_names(folder, facts["results"])
            inputs = Inputs.load(folder / IMAGES, facts["run"])
            found = RunFolder(outputs, options, inputs, facts["command"], facts["run"])
            found.take_up(facts)
        found.checkpoint.make_folder = None
        return found

    def save_inputs(self, folder: Path) -> None:
        """Write the images."""
        self.inputs.save(folder / IMAGES, self.identity)

    def with_steps(self, steps: int) -> None:
        """Set another maximum number of iterations than the first command's."""
        self.options = replace(self.options, steps=steps)
