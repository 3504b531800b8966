"""The files that `solve` writes, their names settled and checked before the run."""

from __future__ import annotations

import itertools
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invprior.errors import MeasurementError
from invprior.io import files, images

DEFAULT_FOLDER = Path("invprior-out")


@dataclass(frozen=True)
class Outputs:
    """Where each result goes.

    Args:
        restoration, comparison, record: files.
        measurement: a file, only when it was simulated.
        deviation: a file, only for several runs.
        curve: a file, only when it was asked for.
        checkpoint: a folder, while the run goes on.
        fresh: whether they go into a new folder, numbered when its name is taken.
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
    def beside(restoration: Path, simulated: bool, several: bool, curve: bool) -> Outputs:
        """Name the others after the restoration."""
        stem = restoration.with_suffix("")
        return Outputs(
            restoration,
            stem.with_name(stem.name + "-comparison.png"),
            stem.with_name(stem.name + ".json"),
            stem.with_name(stem.name + f"-measurement{restoration.suffix}") if simulated else None,
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
        """Use plain names inside a folder."""
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
        """Make the fresh folder: late, so that a run which ends early leaves nothing behind.

        Raises:
            MeasurementError: the system refuses.
        """
        if not self.fresh:
            return self
        base = folder = self.restoration.parent
        for number in itertools.count(2):
            try:
                folder.mkdir(parents=True)
                break
            except FileExistsError:
                folder = base.with_name(f"{base.name}-{number}")
            except OSError as error:
                raise MeasurementError(
                    f'Cannot make the folder "{folder}": {error.strerror}. '
                    "Name another place with --output."
                ) from None
        suffix = self.restoration.suffix
        wanted = (path is not None for path in (self.measurement, self.deviation, self.curve))
        return Outputs.in_folder(folder, suffix, *wanted)

    def relative(self, folder: Path) -> dict[str, str | None]:
        """The files' paths from a folder, as JSON can hold them."""
        return {
            name: None if path is None else os.path.relpath(path, folder)
            for name, path in self._files().items()
        }

    @staticmethod
    def from_relative(folder: Path, names: dict[str, str | None]) -> Outputs:
        """The other direction of `relative`; `folder` is the checkpoint's."""
        paths = {
            name: None if path is None else Path(os.path.normpath(folder / path))
            for name, path in names.items()
        }
        return Outputs(**paths, checkpoint=folder)  # type: ignore[arg-type]

    def _files(self) -> dict[str, Path | None]:
        names = ("measurement", "restoration", "comparison", "record", "deviation", "curve")
        return {name: getattr(self, name) for name in names}

    @property
    def paths(self) -> list[Path]:
        """All of them, in the order they are reported."""
        return [path for path in self._files().values() if path is not None]


def settle(
    output: Path | None,
    title: str,
    like: images.Image,
    *,
    channels: int,
    simulated: bool,
    overwrite: bool,
    several: bool = False,
    curve: bool = False,
) -> Outputs:
    """Choose the paths and check that every one can be written; make no file.

    Without `output` the files go into a fresh folder below `invprior-out`, so that a command can be repeated.

    Raises:
        MeasurementError: a file exists already, or its place cannot be written to.
    """
    suffix = ".png" if channels in (1, 3) and like.depth.startswith("uint") else ".tif"
    if output is None:
        outputs = Outputs.in_folder(
            DEFAULT_FOLDER / title, suffix, simulated, several, curve, fresh=True
        )
        files.makeable(outputs.restoration.parent, "Name another place with --output.")
        return outputs
    if output.is_dir():
        outputs = Outputs.in_folder(output, suffix, simulated, several, curve)
    elif not output.suffix:
        raise MeasurementError(
            f'There is no folder "{output}". Make it first, or name a file such as "{output}.png".'
        )
    else:
        outputs = Outputs.beside(output, simulated, several, curve)
    images.writable(outputs.restoration, like=like, channels=channels, overwrite=overwrite)
    for path in outputs.paths:
        files.writable(path, overwrite=overwrite)
    return outputs


def to_json(record: Any) -> str:
    """Print a record as strict JSON: NaN and infinities, which JSON lacks, become text."""

    def strict(value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)
        if isinstance(value, dict):
            return {str(k): strict(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [strict(v) for v in value]
        return str(value) if isinstance(value, Path) else value

    return json.dumps(strict(record), indent=2, allow_nan=False)
