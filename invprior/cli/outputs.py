"""The files that `solve` writes; their names are chosen and checked before the run."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from pathlib import Path

from invprior.cli import run_facts
from invprior.errors import MeasurementError
from invprior.io import files, images, lock
from invprior.io.encoders import suffix_of
from invprior.io.save import default_suffix, writable

DEFAULT_FOLDER = Path("invprior-out")


@dataclass(frozen=True)
class Outputs:
    """Where each result goes.

    Args:
        restoration, comparison, record: files.
        measurement: a file, only of a simulated measurement.
        deviation: a file, only of several runs.
        curve: a file, only with `--weight-curve`.
        checkpoint: the folder that the run keeps until it ends.
        fresh: whether they go into a new folder, which gets a number if its name is taken.
    """

    restoration: Path
    comparison: Path
    record: Path
    measurement: Path | None
    deviation: Path | None
    curve: Path | None
    checkpoint: Path
    fresh: bool = False

    @staticmethod
    def beside(
        restoration: Path, simulated: bool, several: bool, curve: bool, *, name: str | None = None
    ) -> Outputs:
        """Name the other files after the restoration without its suffix, or after another name."""
        suffix = suffix_of(restoration) or restoration.suffix
        stem = restoration.with_name(name or restoration.name[: -len(suffix)])
        return Outputs(
            restoration,
            stem.with_name(stem.name + "-comparison.png"),
            stem.with_name(stem.name + ".json"),
            stem.with_name(stem.name + f"-measurement{suffix}") if simulated else None,
            stem.with_name(stem.name + "-deviation.png") if several else None,
            stem.with_name(stem.name + "-weight-curve.png") if curve else None,
            stem.with_name(stem.name + ".checkpoint"),
        )

    @staticmethod
    def in_folder(
        folder: Path,
        suffix: str,
        simulated: bool,
        several: bool,
        curve: bool,
        *,
        fresh: bool = False,
    ) -> Outputs:
        """Use fixed names inside a folder."""
        return Outputs(
            folder / f"restoration{suffix}",
            folder / "comparison.png",
            folder / "record.json",
            folder / f"measurement{suffix}" if simulated else None,
            folder / "deviation.png" if several else None,
            folder / "weight-curve.png" if curve else None,
            folder / "checkpoint",
            fresh,
        )

    def claimed(self) -> Outputs:
        """Make the fresh folder, lock the paths in it and return them.

        Call it only when there is something to write, so that a run that fails leaves no empty folder.

        Raises:
            MeasurementError: the system refuses.
        """
        if not self.fresh:
            return self
        numbers = self.measurement is not None and self.measurement.suffix == ".npy"
        suffix = suffix_of(self.restoration) or self.restoration.suffix
        wanted = [path is not None for path in (self.measurement, self.deviation, self.curve)]
        base = folder = self.restoration.parent
        for number in itertools.count(2):
            found = Outputs.in_folder(folder, suffix, *wanted)
            found = found.with_numbers() if numbers else found
            try:  # making it is the test: another process may take the name in between
                folder.mkdir(parents=True)
            except FileExistsError:
                pass
            except OSError as error:
                raise MeasurementError(
                    f'Cannot make the folder "{folder}": {error.strerror}. '
                    "Name another place with --output."
                ) from None
            if found._taken():
                return found
            folder = base.with_name(f"{base.name}-{number}")
        raise AssertionError  # the loop has no end

    def with_numbers(self) -> Outputs:
        """Return the same paths with the measurement as .npy, for one that is no image."""
        if self.measurement is None:
            return self
        return replace(self, measurement=self.measurement.with_suffix(".npy"))

    def _taken(self) -> bool:
        """Lock the paths in a folder, unless it holds more than a killed process leaves of making it."""
        folder, left = self.restoration.parent, (".lock", ".tmp")
        try:
            inside = list(folder.iterdir())
        except OSError:  # a file of this name
            return False
        if any(p != self.checkpoint and p.suffix not in left for p in inside):
            return False
        if run_facts.holds_run(self.checkpoint):
            return False
        try:
            self.lock()
        except MeasurementError:  # another process is making it now
            return False
        return True

    @property
    def names(self) -> dict[str, str | None]:
        """The files' names. All stand beside the folder of the checkpoint, and so can be moved with it."""
        return {kind: None if p is None else p.name for kind, p in self._files().items()}

    @staticmethod
    def from_names(checkpoint: Path, names: dict[str, str | None]) -> Outputs:
        """Return the paths for the names that a run has kept in its folder.

        Raises:
            MeasurementError: a name would lead out of the folder.
        """
        folder = checkpoint.parent
        paths = {
            kind: None if name is None else files.inside(folder, name)
            for kind, name in names.items()
        }
        return Outputs(**paths, checkpoint=checkpoint)  # type: ignore[arg-type]

    def _files(self) -> dict[str, Path | None]:
        names = ("measurement", "restoration", "comparison", "record", "deviation", "curve")
        return {name: getattr(self, name) for name in names}

    @property
    def paths(self) -> list[Path]:
        """All result files, in the order in which they are reported."""
        return [path for path in self._files().values() if path is not None]

    @property
    def named(self) -> dict[str, Path | None]:
        """The files as a record lists them: those of every run, and those that were asked for."""
        always = ("restoration", "measurement", "comparison", "record")
        return {n: p for n, p in self._files().items() if p is not None or n in always}

    def lock(self) -> None:
        """Lock all of them.

        Two runs whose results differ in the suffix alone share other files, such as the record, so the second is
        refused.

        Raises:
            MeasurementError: another run writes one of them.
        """
        lock.acquire(self.checkpoint, *self.paths)

    def unlock(self) -> None:
        """Release them, once they are written."""
        lock.release(self.checkpoint, *self.paths)


@dataclass(frozen=True)
class Place:
    """Where the results of one of several files go.

    Attributes:
        folder: an existing folder.
        stem: the beginning of all names. It may end in the suffix of the restoration, where another image has the
            same name otherwise.
    """

    folder: Path
    stem: str


def settle(
    output: Path | Place | None,
    title: str,
    like: images.Image,
    *,
    channels: int,
    simulated: bool,
    overwrite: bool,
    several: bool = False,
    curve: bool = False,
    rows: int | None = None,
    pages: int = 1,
    numbers: bool = False,
) -> Outputs:
    """Choose the paths and check that all can be written, without making a file.

    Args:
        output: a file for the restoration, an existing folder, or a name without its suffix; None: a fresh folder
            below `invprior-out`, so that a command can be repeated.
        title: the name of a fresh folder.
        like: the source image, whose depth the restoration takes.
        channels: of the restoration.
        simulated: whether the measurement is written too.
        overwrite: whether existing files may be replaced.
        several: whether the deviation of several runs is written too.
        curve: whether the plot of weights is written too.
        rows: of the restoration, when known; 1 for a signal.
        pages: number of images in the file of the restoration.
        numbers: whether the measurement is no image, so that its file is .npy.

    Raises:
        MeasurementError: a file exists already, or its place cannot be written to.
    """
    suffix = default_suffix(like, channels, pages, rows)
    if output is None:
        # Space for a number behind it. A long name of an image must not stop its restoration.
        title = files.shortened(title, 200)
        outputs = Outputs.in_folder(
            DEFAULT_FOLDER / title, suffix, simulated, several, curve, fresh=True
        )
        outputs = outputs.with_numbers() if numbers else outputs
        # A fresh folder holds no file that could be in the way.
        files.makeable(outputs.restoration.parent, "Name another place with --output.")
        return outputs
    if isinstance(output, Place):
        twin = output.stem.lower().endswith(suffix)
        path = files.check_name(output.folder / (output.stem + suffix * (not twin)))
        outputs = Outputs.beside(path, simulated, several, curve, name=output.stem)
    elif files.check_name(output).is_dir():
        outputs = Outputs.in_folder(output, suffix, simulated, several, curve)
    elif not output.suffix:
        raise MeasurementError(
            f'There is no folder "{output}". Make it first, or name a file such as "{output}.png".'
        )
    else:
        outputs = Outputs.beside(output, simulated, several, curve)
    if numbers:
        outputs = outputs.with_numbers()
    if pages > 1 and outputs.deviation is not None:  # PNG has one page
        outputs = replace(outputs, deviation=outputs.deviation.with_suffix(".tif"))
    writable(
        outputs.restoration,
        like=like,
        channels=channels,
        rows=rows,
        pages=pages,
        overwrite=overwrite,
    )
    for path in outputs.paths:
        files.writable(path, overwrite=overwrite)
    files.check_name(outputs.checkpoint)
    return outputs
