"""The matrix from Python: run a configuration, also with objects and arrays in it, and read the results."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from invprior.errors import MeasurementError, OptionError, PluginError
from invprior.io import files
from invprior.io.images import to_tensor
from invprior.io.plain_text import printable
from invprior.matrix.config.matrix import read as read_configuration
from invprior.matrix.config.objects import toml
from invprior.matrix.execution import session
from invprior.matrix.report import csv_tables, write
from invprior.matrix.report.paper import write_paper
from invprior.matrix.results.record import Record
from invprior.matrix.results.selection import matching
from invprior.matrix.results.store import Store, locked

IMAGES = "given-images"  # folder for the arrays of a run, in the folder of results


@dataclass(frozen=True)
class Results:
    """A folder of results.

    Attributes:
        folder: where the records and images are; `invprior matrix` has commands about it.
        only: patterns AXIS=PATTERN that choose the cells, as for `run`.
    """

    folder: Path
    only: tuple[str, ...] = ()

    def records(self) -> list[Record]:
        """Return the record of every chosen cell that has run."""
        collection, _ = write.gather(self._store(), self._select())
        return collection.records

    def rows(self) -> list[dict[str, object]]:
        """Return a row for every chosen cell: its axes, status, scores and costs, as in cells.csv of the report."""
        collection, _ = write.gather(self._store(), self._select())
        header, rows = csv_tables.cells(collection)
        return [dict(zip(header, row, strict=True)) for row in rows]

    def to_dataframe(self) -> Any:
        """Return the rows as a DataFrame of pandas. It needs `pip install 'invprior[dataframe]'`.

        Raises:
            PluginError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError:
            raise PluginError(
                "A data frame needs the package pandas, which is not installed. Use rows(), or run: "
                "pip install 'invprior[dataframe]'"
            ) from None
        return pd.DataFrame(self.rows())

    def report(self, output: str | PathLike[str] | None = None, *, overwrite: bool = False) -> Path:
        """Write the report and return its page; arguments and errors are those of `invprior matrix report`."""
        path = None if output is None else Path(output)
        return write.write(self._store(), path, overwrite=overwrite, select=self._select())[0]

    def paper(
        self,
        folder: str | PathLike[str],
        *,
        metrics: Sequence[str] = (),
        names: Mapping[str, str] | None = None,
        overwrite: bool = False,
    ) -> list[Path]:
        """Write a LaTeX table, PDF figures and grids of images; arguments and errors are those of `write_paper`."""
        return write_paper(
            self._store(),
            Path(folder),
            metrics=metrics,
            names=names,
            overwrite=overwrite,
            select=self._select(),
        )

    def _store(self) -> Store:
        return Store.open(self.folder)

    def _select(self) -> write.Select | None:
        return partial(matching, only=self.only, notes=[]) if self.only else None


def run(
    configuration: str | PathLike[str] | Mapping[str, Any],
    folder: str | PathLike[str],
    *,
    data: str | PathLike[str] | None = None,
    size: int = 0,
    device: str = "cpu",
    workers: int | None = None,
    threads: int = 1,
    only: Sequence[str] = (),
    refresh: bool = False,
    retry: bool = False,
    progress: bool = False,
) -> Results:
    """Compute the cells of a matrix that have no record yet, each in its own process.

    The same call continues an interrupted run. A cell that fails costs one row; no error is raised for it.

    Args:
        configuration: the name of a built-in matrix, a TOML file, or a mapping with the keys of such a file. In a
            mapping, a part may also be a spec or an object, such as `5 * TV()`, and `images` may map names to arrays,
            which are kept in the folder of results.
        folder: where the results are, or go.
        data: the folder that images are named relative to; by default the current one.
        size: images are cropped around their centre to at most this many pixels; 0 for no crop.
        device: "cpu", "cuda", "cuda:1" or "auto".
        workers: cells at a time; by default as many as there are processors for.
        threads: of each cell.
        only: patterns "AXIS=PATTERN" or "AXIS!=PATTERN" that choose cells, such as "prior=tv*".
        refresh: whether to compute again the cells that other code has made.
        retry: whether to compute again the cells that have failed.
        progress: whether to write a line to standard error for each cell that is done.

    Returns:
        The chosen cells, with their records.

    Raises:
        InvpriorError: the configuration has faults, all of which the message lists; an object cannot be written as a
            spec; the folder is another one's.
    """
    place = Path(folder)
    given: dict[str, Any] = {}
    if isinstance(configuration, Mapping):
        name = source = "matrix"
        text, given = toml(configuration)
    else:
        source = str(configuration)
        name, text = read_configuration(source)
    where = None if data is None else Path(data)
    setting = session.setting(source, where, size, device, threads)
    if given:
        if where is not None:
            raise OptionError(
                'The option "data" must be left out when "images" is a mapping of arrays, which need no folder.'
            )
        setting = replace(setting, data=str((place / IMAGES).absolute()))
    parallel = session.parallelism(workers, threads, device)
    store = Store.planned(place, name, text, setting)
    with locked(place):
        store.begin()
        for label, image in given.items():
            _keep(place / IMAGES, label, image)
        planned = store.jobs()
        chosen = matching([job.cell for job in planned], only, []) if only else None
        store.tidy(planned)
        selected = [job for job in planned if chosen is None or job.cell in chosen]
        todo = session.todo(store.inspect(selected), refresh=refresh, retry=retry)
        done = 0
        for event in session.events(store, todo, parallel, "local", None):
            if event is not None and event.kind == "done":
                done += 1
                if progress:
                    cell, status = event.job.cell, event.facts["status"]
                    line = f"[{done}/{len(todo)}] {status}: {cell.image}, {cell.operator}, {cell.method}"
                    print(printable(line), file=sys.stderr)
    return Results(place, tuple(only))


def read(folder: str | PathLike[str], only: Sequence[str] = ()) -> Results:
    """Return what a run has computed so far; nothing is computed.

    Raises:
        MeasurementError: there is no folder of results.
    """
    Store.open(Path(folder))
    return Results(Path(folder), tuple(only))


def _keep(folder: Path, label: str, image: Any) -> None:
    """Write an array as it is, so that the same array has the same bytes and its cells keep their key."""
    folder.mkdir(exist_ok=True)
    if type(image) is np.ndarray:  # as it is: its type says the range of its values
        array = image
    else:
        images = to_tensor(image)
        if len(images) > 1:
            raise MeasurementError(
                f'"{label}" must be one image; got {len(images)}. Give each a name of its own.'
            )
        array = images[0].detach().cpu().movedim(0, -1).numpy()
    with files.atomic(files.inside(folder, f"{label}.npy"), overwrite=True) as file:
        np.save(file, array, allow_pickle=False)
