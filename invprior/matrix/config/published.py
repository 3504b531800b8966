"""Figures that were published for the paper's tables, to stand beside measured ones.

They lie in published.json, in dB. A row of a matrix stands beside the published row that its key
`published` names, else beside the one of its own name, in any case; rows of the paper that no method
of ours stands beside come at the end of the table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files as resources
from typing import Any, TypeAlias

from invprior.errors import OptionError, did_you_mean

Figures: TypeAlias = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Published:
    """One table of the paper.

    Attributes:
        title: paper and table.
        source: where the figures come from.
        images: by method, then image, over the whole image.
        missing: the same over the missing pixels alone, for inpainting.
        averages: by method, over all images of the table, as printed.
        remarks: what a reader must know to compare.
        rows: by the label of a method of ours, the published row that it is to stand beside.
    """

    title: str
    source: str
    images: Mapping[str, Figures]
    averages: Figures
    missing: Mapping[str, Figures] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    rows: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The published methods."""
        return list(dict.fromkeys([*self.images, *self.averages]))

    def method(self, label: str) -> str | None:
        """Find the published row beside a method of ours; None when there is none."""
        wanted = self.rows.get(label, label).lower()
        return next((n for n in self.names if n.lower() == wanted), None)

    def others(self, labels: Iterable[str]) -> list[str]:
        """List the published methods that stand beside none of the labels."""
        known = {self.method(label) for label in labels}
        return [n for n in self.names if n not in known]


def names() -> list[str]:
    """Names of the tables."""
    return sorted(_tables())


def table(name: str, rows: Mapping[str, str] | None = None) -> Published:
    """Look up a table.

    Args:
        name: of the table.
        rows: by label, the published row that a method of ours stands beside.

    Raises:
        OptionError: there is no such table, or no such row in it.
    """
    if name not in _tables():
        raise OptionError(
            f'The key "published" of a matrix must be one of {", ".join(names())}; got "{name}"'
            f"{did_you_mean(name, names())}. Leave it out where nothing was published."
        )
    values = _tables()[name]
    found = Published(**{**values, "remarks": tuple(values["remarks"]), "rows": rows or {}})
    for label, row in found.rows.items():
        if found.method(label) is None:
            raise OptionError(
                f'The key "published" of the row "{label}" must be one of {", ".join(found.names)}; got "{row}"'
                f"{did_you_mean(row, found.names)}. Leave it out where nothing was published."
            )
    return found


@cache
def _tables() -> dict[str, Any]:
    place = resources("invprior.matrix.config").joinpath("published.json")
    tables: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    return tables
