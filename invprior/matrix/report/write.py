"""Write the files of the report from a folder of results."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from invprior.errors import InvpriorError, MeasurementError
from invprior.experiments import plots
from invprior.experiments.tables import write_table
from invprior.io import files, lock
from invprior.matrix.analysis.tasks import Collection, collect
from invprior.matrix.report import csv_tables, figures, images, inline_svg, page, table
from invprior.matrix.report.rows import MOST
from invprior.matrix.results.cells import Job
from invprior.matrix.results.hashes import is_file
from invprior.matrix.results.record import Cell
from invprior.matrix.results.store import Store, changed_code

NAME = "report.html"
_MORE = "-files"  # end of the name of the folder of tables and figures
Select: TypeAlias = Callable[[Sequence[Cell]], set[Cell]]


def write(
    store: Store,
    output: Path | None = None,
    *,
    overwrite: bool = False,
    select: Select | None = None,
) -> list[Path]:
    """Write the page, and tables and figures into the folder NAME-files next to it.

    An earlier report is replaced. Any other file is kept, unless `overwrite` is set.

    Args:
        store: the folder of results; its run may still go on.
        output: path of the page; absent: report.html in the folder of results.
        overwrite: whether any file may be replaced.
        select: chooses the cells that the report is about; absent: all.

    Returns:
        The page, then the tables and figures.

    Raises:
        MeasurementError: there is no record yet, or the report cannot be written.
    """
    path = store.folder / NAME if output is None else output
    replace = overwrite or _is_report(path)
    files.writable(path, overwrite=replace)  # refuse before the work, not after it
    more = files.check_name(path.with_name(path.stem + _MORE))
    if more.exists() and not replace:
        raise MeasurementError(
            f'"{more}" exists already and is kept. Choose another name with --output, or replace it with --overwrite.'
        )
    lock.acquire(path)  # removes also what a killed process left of the page
    try:
        return _write(store, path, more, replace, select)
    finally:
        lock.release(path)


def _write(
    store: Store, path: Path, more: Path, replace: bool, select: Select | None
) -> list[Path]:
    collection, remarks = gather(store, select)
    made = page.parts(collection, store.matrix.published_table())
    more.mkdir(exist_ok=True)
    for left in more.glob(".*.tmp"):
        left.unlink(missing_ok=True)
    for old in more.glob(
        "task-*-*.*"
    ):  # the figures of an earlier report, which may have had more tasks
        if re.fullmatch(rf"task-\d+-({'|'.join(_CAPTIONS)})\.(png|svg)", old.name):
            old.unlink(missing_ok=True)
    written = _tables(more, collection, made)
    drawings = []
    for part in made:
        drawn, saved = _figures(more, part, collection)
        drawings.append(drawn)
        written += saved
    # The strips have the methods in the order of the table, the best first.
    order = [[row[0].text for row in part.methods.rows[:MOST]] for part in made]
    if any(len(part.methods.rows) > MOST for part in made):
        remarks.append(
            f"Figures, images and wins show the {MOST} best methods; the tables have all."
        )
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
    with files.atomic(path, overwrite=replace) as file:
        file.write(text.encode())
    return [path, *written]


def gather(store: Store, select: Select | None = None) -> tuple[Collection, list[str]]:
    """Group the records into tasks, by the plan if it can be made here; return also remarks for readers.

    Args:
        store: the folder of results.
        select: chooses cells of the plan, or of the records if there is no plan; absent: all.

    Raises:
        MeasurementError: there is no record yet, or none of the chosen cells.
    """
    records, faults = store.read()
    if not records:
        raise MeasurementError(
            f'"{store.folder}" has no record yet. Wait for the first cell, or run: invprior matrix run'
        )
    remarks = _damaged(faults)
    jobs: list[Job] | None = None
    try:
        jobs = store.jobs()
    except InvpriorError as error:  # the images may be on another machine
        remarks.append(
            f"Cells that have not run are unknown, since the plan cannot be made here: {error}"
        )
    if select is not None:
        # A record of the plan counts by its planned cell, since its own label may be an earlier one.
        cells = {key: made.cell for key, made in records.items()}
        cells |= {job.key: job.cell for job in jobs or ()}
        chosen = select([job.cell for job in jobs] if jobs else [*cells.values()])
        records = {key: made for key, made in records.items() if cells[key] in chosen}
        jobs = jobs and [job for job in jobs if job.cell in chosen]
        remarks.append(f"Only {len(chosen)} cells are shown, those chosen with --only.")
        if not records:
            raise MeasurementError("The cells chosen with --only have no record yet.")
    if jobs is None:
        collection = collect(records.values())
    else:
        collection = collect(records.values(), {job.key: job.cell for job in jobs})
        remarks += _stale(store, jobs)
    if store.setting.size and store.matrix.published:
        remarks.append(
            f"Images larger than {store.setting.size} pixels were cropped around their centre. The published values "
            "are of whole images, so differences to them mean little."
        )
    return collection, remarks


def _damaged(faults: list[str]) -> list[str]:
    if not faults:
        return []
    noun = "record or image is" if len(faults) == 1 else "records or images are"
    more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
    return [
        f"{len(faults)} {noun} damaged and not shown: {' '.join(faults[:3])}{more} The next run computes these cells "
        "again."
    ]


def _stale(store: Store, jobs: list[Job]) -> list[str]:
    stale = [(c.record, c.job) for c in store.inspect(jobs) if c.state == "stale" and c.record]
    if not stale:
        return []
    changed = "; ".join(changed_code(*stale[0])[:3])
    return [
        f"{len(stale)} records were made by other code than is installed now ({changed}). They are shown as they are. "
        "To compute them again: invprior matrix run --refresh"
    ]


def _is_report(path: Path) -> bool:
    """Whether the file is an earlier report, by the generator that its head names."""
    if not is_file(path):  # reading from a pipe would wait for its writer
        return False
    try:
        with path.open("rb") as file:
            # The start of the page is enough, and a foreign file may be large.
            return f'name="generator" content="{page.GENERATOR}"'.encode() in file.read(2000)
    except OSError:
        return False


def _tables(folder: Path, collection: Collection, made: list[page.Part]) -> list[Path]:
    paths = [folder / "cells.csv", folder / "methods.csv"]
    for path, (header, rows) in zip(
        paths, (csv_tables.cells(collection), csv_tables.methods(collection)), strict=True
    ):
        write_table(path, header, rows, overwrite=True)
    every = [t for part in made for t in part.tables]
    ranges = page.score_ranges(collection)
    forms = (
        ("tables.md", table.markdown, table.mark),
        ("tables.tex", table.latex, lambda text: f"% {table.line(text)}"),
    )
    for name, form, remark in forms:
        paths.append(folder / name)
        told = "".join(f"{remark(text)}\n\n" for text in ranges)
        with files.atomic(paths[-1], overwrite=True) as file:
            file.write((told + "\n".join(form(t) for t in every)).encode())
    return paths


def _figures(
    folder: Path, part: page.Part, collection: Collection
) -> tuple[list[page.Drawing], list[Path]]:
    """Draw the figures of a task, for the page and as files."""
    measure = collection.measures[0]
    compared = part.task.compare(measure)
    table_note = "The table above has the values."
    kinds = (
        (
            "quality",
            figures.quality_against_time,
            f"Mean {measure.title} against time. {table_note}",
        ),
        ("curves", figures.curves, f"Mean {measure.title} along the run, against time."),
    )
    drawn, saved = [], []
    for name, draw, spoken in kinds:
        figure = draw(part.task, measure, compared)
        if figure is None:  # nothing to compare yet
            continue
        for suffix in ("png", "svg"):
            saved.append(folder / f"{part.id}-{name}.{suffix}")
            plots.save(figure, saved[-1], overwrite=True)
        drawing = inline_svg.inline(figure, f"{part.id}-{name}")
        drawn.append(page.Drawing(drawing=drawing, caption=_CAPTIONS[name], spoken=spoken))
    return drawn, saved


_CAPTIONS = {
    "quality": "Quality against time. Bars are the intervals of the means; the frame cuts long ones off. Times below a "
    "millisecond are drawn at a millisecond.",
    "curves": "Quality along the run: the mean score of the estimate after a given time.",
}
