"""The page: the context of the template, and the filled template."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version
from importlib.resources import files as resources
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from invprior.io.plain_text import printable
from invprior.matrix.analysis.tasks import Collection, Measure, Task, titles
from invprior.matrix.config.published import Published
from invprior.matrix.report import overview, published_comparison, task_tables
from invprior.matrix.report.columns import NOT_RUN
from invprior.matrix.report.images import Strip, Tile
from invprior.matrix.report.runs import runs_of
from invprior.matrix.report.table import Table
from invprior.matrix.results.record import Record
from invprior.metrics.base import range_text

_SCRIPTS = ("report.js", "report.images.js", "report.curves.js")
GENERATOR = "invprior matrix report"  # identifies a page as a report


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure inside the page: SVG, caption, and the description that screen readers speak."""

    drawing: Markup
    caption: str
    spoken: str


@dataclass(frozen=True, kw_only=True)
class Part:
    """The tables of one task.

    Attributes:
        id: letters, digits and dashes; unique in the page.
        methods: the comparison of the methods.
        details: all further tables.
    """

    id: str
    task: Task
    methods: Table
    details: tuple[Table, ...]

    @property
    def title(self) -> str:
        """Operator and noise in words."""
        return self.task.title

    @property
    def tables(self) -> tuple[Table, ...]:
        """All tables."""
        return (self.methods, *self.details)


def parts(collection: Collection, published: Published | None) -> list[Part]:
    """Make the tables of each task; none if no cell has a score yet."""
    if not collection.measures:
        return []
    made = []
    for i, task in enumerate(collection.tasks, 1):
        key, details = f"task-{i}", []
        for n, measure in enumerate(collection.measures):
            known = _comparable(measure, collection.measures[0], published)
            if known is not None and known.images:
                details.append(published_comparison.averages(task, measure, f"{key}-{n}", known))
            if n == 0 or known is not None:
                details.append(task_tables.images(task, measure, f"{key}-{n}", known))
        if len(task.compare(collection.measures[0]).mean) > 1:
            details.append(task_tables.wins(task, collection.measures[0], key))
        methods = task_tables.methods(task, collection.measures, key)
        made.append(Part(id=key, task=task, methods=methods, details=tuple(details)))
    return made


def _comparable(measure: Measure, first: Measure, published: Published | None) -> Published | None:
    """Return the published values of the same metric: of the first one, over all or over the missing pixels."""
    if published is None or measure.name.partition(" (")[0] != first.name:
        return None
    if "(missing" in measure.name:
        return replace(published, images=published.missing, averages={})
    return published


def render(
    collection: Collection,
    made: list[Part],
    *,
    title: str,
    drawings: list[list[Drawing]],
    strips: list[list[Strip]],
    remarks: list[str],
    now: datetime,
) -> str:
    """Fill the template.

    Args:
        collection: all records.
        made: the tables of each task.
        title: of the page.
        drawings: the figures of each task.
        strips: the images of each task.
        remarks: limits of the results that the records do not show.
        now: the time that the page prints.
    """
    place = resources("invprior.matrix.report")
    style = place.joinpath("report.css").read_text(encoding="utf-8")
    # In one function, so that the page's window has none of their names.
    script = "\n".join(
        ["(() => {", *(place.joinpath(k).read_text(encoding="utf-8") for k in _SCRIPTS), "})();"]
    )
    # The browser runs a script only if its bytes have this hash.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    shared = overview.overview(collection, collection.measures[0]) if len(made) > 1 else None
    missing = overview.missing_results(collection)
    context: dict[str, Any] = {
        "title": title,
        "generator": GENERATOR,
        "software": f"invprior {version('invprior')}",
        "made": _time(now.isoformat()),
        # The browser fetches nothing and runs no script but this one, whatever texts the records have.
        "policy": f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "form-action 'none'; base-uri 'none'",
        "style": Markup(style),
        "script": Markup(script),
        "contents": _contents(made, shared, missing),
        "counts": overview.counts(collection),
        "complete": NOT_RUN not in dict(overview.counts(collection)),
        "remarks": [*remarks, *_remarks(collection)],
        "facts": facts(collection.records),
        "axes": _axes(collection),
        "overview": shared,
        "tasks": [
            {
                "id": part.id, "title": part.title, "methods": part.methods, "details": part.details,
                "runs": runs_of(part.task, collection.measures),
                "figures": drawings[i], "strips": [_captioned(s, collection.measures) for s in strips[i]],
            }
            for i, part in enumerate(made)
        ],
        "missing": missing,
        "cells": overview.every_cell(collection),
        "how": overview.HOW,
    }  # fmt: skip
    # StrictUndefined turns a misspelt name in the template into an error.
    environment = Environment(
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = place.joinpath("report.html.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(context) + "\n"


def _axes(collection: Collection) -> dict[str, list[str]]:
    tasks = collection.tasks
    names = (
        [t.title for t in tasks],
        [m for t in tasks for m in t.methods],
        [p.image for t in tasks for p in t.pairs],
    )
    return {a: list(dict.fromkeys(found)) for a, found in zip(overview.AXES, names, strict=True)}


def _shown(value: Any) -> Any:
    """Make what the template inserts safe to show; autoescape alone leaves control characters as they are."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _contents(made: list[Part], shared: Table | None, missing: Table) -> list[tuple[str, str]]:
    found = [("state", "State")]
    found += [("overview", "Overview")] if shared else []
    names = titles([part.task for part in made])
    found += [(part.id, name) for part, name in zip(made, names, strict=True)]
    found += [("missing", "Without a result")] if missing.rows else []
    return [*found, ("cells", "Every cell"), ("how", "How to read this")]


def _remarks(collection: Collection) -> list[str]:
    lines = [f"The metric {n} is in no table: {reason}" for n, reason in collection.unknown.items()]
    if older := len(collection.older):
        noun = "record is" if older == 1 else "records are"
        lines.append(
            f"{older} older {noun} left out: the cell has a newer one, or its options have changed."
        )
    return [*lines, *score_ranges(collection)]


def score_ranges(collection: Collection) -> list[str]:
    """Name the images whose scores have another range than [0, 1]."""
    found = {r.cell.image: r.score_range for r in collection.records if r.score_range is not None}
    return [
        f"PSNR and SSIM of {image}: {range_text(within)}, that of its ground truth, instead of 0 to 1."
        for image, within in found.items()
    ]


def facts(records: list[Record]) -> list[tuple[str, str]]:
    """Return the devices, threads, software and times of some cells; several values are listed."""

    def distinct(values: list[str]) -> str:
        return "; ".join(sorted({v for v in values if v})) or "not recorded"

    packages = distinct(
        [f"{k} {v}" for r in records for k, v in {**r.versions, **r.packages}.items()]
    )
    return [
        ("devices", distinct([r.device for r in records])),
        ("threads of a cell", distinct([str(r.threads) for r in records if r.threads])),
        ("software", packages),
        ("computed", _span(sorted(r.created for r in records if r.created))),
    ]


def _span(times: list[str]) -> str:
    return f"{_time(times[0])} to {_time(times[-1])}" if times else "not recorded"


def _time(text: str) -> str:
    """Print an ISO time of UTC to the minute; any other text as it is."""
    return f"{text[:10]} {text[11:16]} UTC" if text[10:11] == "T" else text


def _captioned(strip: Strip, measures: tuple[Measure, ...]) -> dict[str, Any]:
    """Return a strip for the template, with the scores of each tile."""

    def scores(tile: Tile) -> list[str]:
        if tile.record is None or not tile.image:  # truth, measurement, or no image to describe
            return []
        held = [(m, tile.record.metrics[m.name]) for m in measures if m.name in tile.record.metrics]
        return [f"{m.title} {m.text(v)} {m.unit}".rstrip() for m, v in held]

    tiles = [{**vars(t), "scores": scores(t)} for t in strip.tiles]
    return {
        "pair": strip.pair,
        "box": strip.box,
        "lossy": strip.lossy,
        "window": strip.window,
        "tiles": tiles,
    }
