"""From a folder of results to the report's files."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from invprior.errors import InvpriorError, MeasurementError
from invprior.experiments import plots
from invprior.experiments.tables import write_table
from invprior.io import files
from invprior.matrix.analysis.tasks import Collection, collect
from invprior.matrix.report import data, figures, images, page, table, vector
from invprior.matrix.results.cells import Job
from invprior.matrix.results.store import Store, changed_code

NAME = "report.html"
_MORE = "-files"  # of the folder of tables and figures


def write(store: Store, output: Path | None = None, *, overwrite: bool = False) -> list[Path]:
    """Write the page, and tables and figures into the folder NAME-files beside it.

    An earlier report of ours is replaced; another file is not, unless asked for.

    Args:
        store: the folder of results, however far its run has come.
        output: the page's name; absent: report.html in the folder of results.
        overwrite: whether any file may be replaced.

    Returns:
        The page, then the tables and figures.

    Raises:
        MeasurementError: there is no record yet, or the report cannot be written.
    """
    path = store.folder / NAME if output is None else output
    beside = path.with_name(path.stem + _MORE)
    ours = overwrite or _is_ours(path)
    files.writable(path, overwrite=ours)
    if beside.exists() and not ours:
        raise MeasurementError(
            f'"{beside}" exists already and is kept. Choose another name with --output, or replace it with --overwrite.'
        )
    collection, remarks = gather(store)
    made = page.parts(collection, store.matrix.beside())
    beside.mkdir(exist_ok=True)
    written = _tables(beside, collection, made)
    drawings = []
    for part in made:
        drawn, saved = _figures(beside, part, collection)
        drawings.append(drawn)
        written += saved
    order = [[row[0].text for row in part.methods.rows] for part in made]
    strips = images.strips(store.folder, [part.task for part in made], order)
    text = page.render(
        collection,
        made,
        title=store.matrix.title or store.matrix.name,
        drawings=drawings,
        strips=strips,
        remarks=remarks,
        now=datetime.now(UTC),
    )
    with files.atomic(path, overwrite=ours) as file:
        file.write(text.encode())
    return [path, *written]


def gather(store: Store) -> tuple[Collection, list[str]]:
    """Sort the records, by the plan where it can be made here; and say what a reader must know.

    Raises:
        MeasurementError: there is no record yet.
    """
    records = store.records()
    if not records:
        raise MeasurementError(
            f'"{store.folder}" has no record yet. Wait for the first cell, or run: invprior matrix run'
        )
    remarks = []
    try:
        jobs = store.jobs()
    except InvpriorError as error:
        collection = collect(records.values())
        remarks.append(
            f"Cells that have not run cannot be told, since the plan cannot be made here: {error}"
        )
    else:
        collection = collect(records.values(), {job.key: job.cell for job in jobs})
        remarks += _stale(store, jobs)
    if store.setting.size and store.matrix.published:
        remarks.append(
            f"Images larger than {store.setting.size} pixels were cropped around their middle; the published figures "
            "are of whole images, so differences to them say little."
        )
    return collection, remarks


def _stale(store: Store, jobs: list[Job]) -> list[str]:
    stale = [(f.record, f.job) for f in store.look(jobs) if f.state == "stale" and f.record]
    if not stale:
        return []
    changed = "; ".join(changed_code(*stale[0])[:3])
    return [
        f"{len(stale)} records were made by other code than is installed now ({changed}), and are shown as they are. "
        "Compute them again with: invprior matrix run --refresh"
    ]


def _is_ours(path: Path) -> bool:
    """Whether an earlier report stands there, by what its head says."""
    try:
        with path.open("rb") as file:
            return f'name="generator" content="{page.GENERATOR}"'.encode() in file.read(2000)
    except OSError:
        return False


def _tables(folder: Path, collection: Collection, made: list[page.Part]) -> list[Path]:
    paths = [folder / "cells.csv", folder / "methods.csv"]
    for path, (header, rows) in zip(
        paths, (data.cells(collection), data.methods(collection)), strict=True
    ):
        write_table(path, header, rows, overwrite=True)
    every = [s for part in made for s in part.every]
    for name, form in (("tables.md", table.markdown), ("tables.tex", table.latex)):
        paths.append(folder / name)
        with files.atomic(paths[-1], overwrite=True) as file:
            file.write("\n".join(form(s) for s in every).encode())
    return paths


def _figures(
    folder: Path, part: page.Part, collection: Collection
) -> tuple[list[page.Drawing], list[Path]]:
    """Draw a task's figures, inside the page and as files."""
    measure = collection.measures[0]
    compared = part.task.compare(measure)
    told = "The table above has the figures."
    kinds = (
        ("quality", figures.quality_against_time, f"Mean {measure.title} against time. {told}"),
        ("curves", figures.curves, f"Mean {measure.title} along the run, against time."),
    )
    drawn, saved = [], []
    for name, draw, spoken in kinds:
        figure = draw(part.task, measure, compared)
        if figure is None:
            continue
        for suffix in ("png", "svg"):
            saved.append(folder / f"{part.id}-{name}.{suffix}")
            plots.save(figure, saved[-1], overwrite=True)
        drawing = vector.inline(figure, f"{part.id}-{name}")
        drawn.append(page.Drawing(drawing=drawing, caption=_CAPTIONS[name], spoken=spoken))
    return drawn, saved


_CAPTIONS = {
    "quality": "Quality against time. Bars are the intervals of the means, long ones cut off by the frame; "
    "times below a millisecond stand at a millisecond.",
    "curves": "Along the run: the mean of what one would hold in hand after so many seconds.",
}
