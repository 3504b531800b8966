"""Files for a paper: one table of methods and tasks in LaTeX, and the figures as PDF."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from invprior.errors import MeasurementError, OptionError, did_you_mean
from invprior.experiments import plots
from invprior.io import files
from invprior.matrix.analysis.statistics import Pair
from invprior.matrix.analysis.tasks import Collection, Measure, Task, titles
from invprior.matrix.report import figures
from invprior.matrix.report.paper_grid import grid
from invprior.matrix.report.table import tex
from invprior.matrix.report.write import Select, gather
from invprior.matrix.results.store import Store

_FIGURE = re.compile(r"(grid|quality|curves)-\d+\.(pdf|png)")


def write_paper(
    store: Store,
    folder: Path,
    *,
    metrics: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
    overwrite: bool = False,
    select: Select | None = None,
) -> list[Path]:
    """Write table.tex, and for each task grid-N.pdf and .png, quality-N.pdf and curves-N.pdf.

    Args:
        store: the folder of results.
        folder: where to write; it is made.
        metrics: the columns of each task, by name; absent: the first metric. The first of them is that of the figures.
        names: display names, in plain text, by what they replace: a method, an image, or an operator, a noise or both
            as the report's page writes them.
        overwrite: whether files of these names may be replaced.
        select: chooses the cells; absent: all.

    Returns:
        The files.

    Raises:
        OptionError: a metric or a name is none of the results, or two things get the same name.
        MeasurementError: there is no record yet, or the files cannot be written.
    """
    collection, _ = gather(store, select)
    measures = _chosen(collection, metrics)
    tasks, heads = _renamed(collection.tasks, dict(names or {}))
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise MeasurementError(
            f'"{folder}" is not empty, and its files are kept. Name another folder, or replace them with --overwrite '
            "(overwrite=True)."
        )
    files.makeable(folder, "Name another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():  # the results may have had more tasks
        if _FIGURE.fullmatch(old.name):
            old.unlink(missing_ok=True)
    written = [folder / "table.tex"]
    with files.atomic(written[0], overwrite=overwrite) as file:
        file.write(_table(tasks, heads, measures).encode())
    for number, task in enumerate(tasks, 1):
        compared = task.compare(measures[0])
        drawn = {
            "grid": grid(store.folder, task, measures[0]),
            "quality": figures.quality_against_time(task, measures[0], compared),
            "curves": figures.curves(task, measures[0], compared),
        }
        for kind, figure in drawn.items():
            if figure is None:  # nothing to show yet
                continue
            # The grid also as PNG, for a talk or a page.
            for suffix in ("pdf", "png") if kind == "grid" else ("pdf",):
                written.append(folder / f"{kind}-{number}.{suffix}")
                plots.save(figure, written[-1], overwrite=overwrite)
    return written


def _chosen(collection: Collection, metrics: Sequence[str]) -> list[Measure]:
    known = {m.name: m for m in collection.measures}
    if not known:
        raise MeasurementError(
            "No cell has a score yet. Wait for the first, or see: invprior matrix status"
        )
    for name in metrics:
        if name not in known:
            raise OptionError(
                f'The option "metric" must be one of {", ".join(known)}{did_you_mean(name, known)}; got "{name}".'
            )
    return [known[name] for name in metrics] or [collection.measures[0]]


def _renamed(tasks: Sequence[Task], names: dict[str, str]) -> tuple[list[Task], list[str]]:
    """Return the tasks with display names of methods and images, and the heads of their columns."""
    used: set[str] = set()

    def named(text: str) -> str:
        used.add(text)
        return names.get(text, text)

    heads = []
    for task, title in zip(tasks, titles(tasks), strict=True):
        parts = (task.operator, task.noise) if title != task.operator else (task.operator,)
        shown = ", ".join(named(part) for part in parts if part)
        heads.append(names.get(title, shown))
        used.add(title)
    made = []
    for task in tasks:
        methods = {method: named(method) for method in task.methods}
        pairs = {pair: Pair(named(pair.image), pair.seed) for pair in task.pairs}
        for kind, old in (("methods", methods), ("images", pairs)):
            if len(set(old.values())) < len(old):
                raise OptionError(
                    f"Two {kind} of {task.title} get the same name. Give each a name of its own."
                )
        made.append(
            replace(
                task,
                methods=tuple(methods.values()),
                pairs=tuple(pairs.values()),
                records={
                    methods[m]: {pairs[p]: r for p, r in row.items()}
                    for m, row in task.records.items()
                },
                excluded={
                    methods[m]: frozenset(pairs[p] for p in e) for m, e in task.excluded.items()
                },
            )
        )
    if unknown := sorted(names.keys() - used):
        raise OptionError(
            f'The option "name" must begin with a method, an image, an operator or a noise of the results'
            f'{did_you_mean(unknown[0], sorted(used))}; got "{unknown[0]}".'
        )
    return made, heads


def _table(tasks: Sequence[Task], heads: Sequence[str], measures: Sequence[Measure]) -> str:
    """Return the table: a row for each method, and for each task a column for each metric."""
    compared = [[task.compare(m) for m in measures] for task in tasks]
    methods = list(dict.fromkeys(m for task in tasks for m in task.methods))
    rows = []
    for method in methods:
        cells = [tex(method)]
        for comparisons in compared:
            for measure, found in zip(measures, comparisons, strict=True):
                text = tex(measure.text(found.mean[method].mean)) if method in found.mean else "--"
                cells.append(rf"\textbf{{{text}}}" if method == found.best else text)
        rows.append(" & ".join(cells))
    count = len(measures)
    spans = [rf"\multicolumn{{{count}}}{{c}}{{{tex(head)}}}" for head in heads]
    # Columns are counted from 1, and the first names the method.
    rules = [rf"\cmidrule(lr){{{2 + k * count}-{1 + (k + 1) * count}}}" for k in range(len(heads))]
    return "\n".join(
        [
            "% Needs the package booktabs.",
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{_caption(tasks, heads, measures)}}}",
            r"  \label{tab:comparison}",
            rf"  \begin{{tabular}}{{l{'r' * count * len(tasks)}}}",
            r"    \toprule",
            f"    & {' & '.join(spans)} " + r"\\",
            f"    {' '.join(rules)}",
            f"    method & {' & '.join([tex(m.head) for m in measures] * len(tasks))} " + r"\\",
            r"    \midrule",
            # After a line break, a bracket or a star would be read as its option.
            *(f"    {{}}{row} " + r"\\" for row in rows),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _caption(tasks: Sequence[Task], heads: Sequence[str], measures: Sequence[Measure]) -> str:
    """Say over what the means are, and which methods they leave out."""
    parts = [f"Mean {' and '.join(m.title for m in measures)}. Bold: the best mean."]
    for task, head in zip(tasks, heads, strict=True):
        found = task.compare(measures[0])
        images, seeds = ({getattr(p, axis) for p in found.pairs} for axis in ("image", "seed"))
        basis = f"{len(images)} image{'s' * (len(images) != 1)}, {len(seeds)} seed{'s' * (len(seeds) != 1)}"
        parts.append(f"{head}: {basis}.")
        if len(found.pairs) < found.possible:
            parts.append(f"Only {len(found.pairs)} of {found.possible} pairs have all methods.")
        parts += [f"Not compared: {method} ({why})." for method, why in found.apart.items()]
    return tex(" ".join(parts))
