"""The page: what the template is given, and the filled template."""

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

from invprior.matrix.analysis.tasks import Collection, Measure, Task, titles
from invprior.matrix.config.published import Published
from invprior.matrix.report import beside, overview, summary
from invprior.matrix.report.images import Strip, Tile
from invprior.matrix.report.table import Table
from invprior.matrix.results.record import Record

GENERATOR = "invprior matrix report"  # by which a page is known as one of ours


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure inside the page: SVG, its caption, and what it says to who cannot see it."""

    drawing: Markup
    caption: str
    spoken: str


@dataclass(frozen=True, kw_only=True)
class Part:
    """Everything about one task, ready to be shown.

    Attributes:
        id: letters, digits and dashes; unique in the page.
    """

    id: str
    task: Task
    methods: Table
    sheets: tuple[Table, ...]

    @property
    def title(self) -> str:
        """The task in words."""
        return self.task.title

    @property
    def every(self) -> tuple[Table, ...]:
        """All tables."""
        return (self.methods, *self.sheets)


def parts(collection: Collection, published: Published | None) -> list[Part]:
    """Make the tables of each task; none where no cell has a figure yet."""
    if not collection.measures:
        return []
    made = []
    for i, task in enumerate(collection.tasks, 1):
        key, sheets = f"task-{i}", []
        for n, measure in enumerate(collection.measures):
            known = _of(measure, collection.measures[0], published)
            if known is not None and known.images:
                sheets.append(beside.averages(task, measure, f"{key}-{n}", known))
            if n == 0 or known is not None:
                sheets.append(summary.images(task, measure, f"{key}-{n}", known))
        if len(task.compare(collection.measures[0]).mean) > 1:
            sheets.append(summary.wins(task, collection.measures[0], key))
        methods = summary.methods(task, collection.measures, key)
        made.append(Part(id=key, task=task, methods=methods, sheets=tuple(sheets)))
    return made


def _of(measure: Measure, first: Measure, published: Published | None) -> Published | None:
    """Take the published figures that a metric can be compared with: the first one, or its missing pixels."""
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
        remarks: what a reader must know, beside what the records tell.
        now: the time that the page names.
    """
    place = resources("invprior.matrix.report")
    style, script = (
        place.joinpath(f"report.{k}").read_text(encoding="utf-8") for k in ("css", "js")
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    shared = overview.overview(collection, collection.measures[0]) if len(made) > 1 else None
    holes = overview.missing_results(collection)
    context: dict[str, Any] = {
        "title": title,
        "generator": GENERATOR,
        "software": f"invprior {version('invprior')}",
        "made": _time(now.isoformat()),
        # Nothing is fetched, and no other script than ours runs, whatever a record holds.
        "policy": f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "form-action 'none'; base-uri 'none'",
        "style": Markup(style),
        "script": Markup(script),
        "contents": _contents(made, shared, holes),
        "counts": overview.counts(collection),
        "complete": overview.WAITS not in dict(overview.counts(collection)),
        "remarks": [*remarks, *_remarks(collection)],
        "facts": facts(collection.records),
        "overview": shared,
        "tasks": [
            {
                "id": part.id, "title": part.title, "methods": part.methods, "sheets": part.sheets,
                "figures": drawings[i], "strips": [_captioned(s, collection.measures) for s in strips[i]],
            }
            for i, part in enumerate(made)
        ],
        "holes": holes,
        "cells": overview.every_cell(collection),
        "how": overview.HOW,
    }  # fmt: skip
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = place.joinpath("report.html.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(context) + "\n"


def _contents(made: list[Part], shared: Table | None, holes: Table) -> list[tuple[str, str]]:
    found = [("state", "State")]
    found += [("overview", "Overview")] if shared else []
    names = titles([part.task for part in made])
    found += [(part.id, name) for part, name in zip(made, names, strict=True)]
    found += [("holes", "Without a result")] if holes.rows else []
    return [*found, ("cells", "Every cell"), ("how", "How to read this")]


def _remarks(collection: Collection) -> list[str]:
    lines = [f"The metric {name} is in no table: {why}" for name, why in collection.unknown.items()]
    if older := len(collection.older):
        noun = "record is" if older == 1 else "records are"
        lines.append(
            f"{older} older {noun} left out: a newer one stands for the cell, or its options have changed."
        )
    return lines


def facts(records: list[Record]) -> list[tuple[str, str]]:
    """Say on what the cells ran; several values stand side by side."""

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
    """Print an ISO time of UTC to the minute; what is none, as it is."""
    return f"{text[:10]} {text[11:16]} UTC" if text[10:11] == "T" else text


def _captioned(strip: Strip, measures: tuple[Measure, ...]) -> dict[str, Any]:
    """Add each tile's figures to it."""

    def figures(tile: Tile) -> list[str]:
        if tile.record is None or not tile.image:
            return []
        held = [(m, tile.record.metrics[m.name]) for m in measures if m.name in tile.record.metrics]
        return [f"{m.title} {m.text(v)} {m.unit}".rstrip() for m, v in held]

    tiles = [{**vars(t), "figures": figures(t)} for t in strip.tiles]
    return {"pair": strip.pair, "box": strip.box, "lossy": strip.lossy, "tiles": tiles}
