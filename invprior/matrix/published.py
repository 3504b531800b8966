"""Figures that were published for the paper's tables, to stand beside measured ones.

They lie in published.json, in dB. A row of a matrix has the published figures of the same name, in
any case; rows of the paper that no method of ours has stand at the end of the table.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
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
        pictures: by method, then picture, over the whole picture.
        missing: the same over the missing pixels alone, for inpainting.
        averages: by method, over all pictures of the table, as printed.
        remarks: what a reader must know to compare.
    """

    title: str
    source: str
    pictures: Mapping[str, Figures]
    averages: Figures
    missing: Mapping[str, Figures] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def method(self, label: str) -> str | None:
        """Find the published row of a method of ours; None when there is none."""
        names = [*self.pictures, *self.averages]
        return next((n for n in names if n.lower() == label.lower()), None)

    def others(self, labels: list[str]) -> list[str]:
        """List the published methods that none of the labels names."""
        known = {label.lower() for label in labels}
        names = dict.fromkeys([*self.pictures, *self.averages])
        return [n for n in names if n.lower() not in known]


def names() -> list[str]:
    """Names of the tables."""
    return sorted(_tables())


def table(name: str) -> Published:
    """Look up a table.

    Raises:
        OptionError: there is none of this name.
    """
    if name not in _tables():
        raise OptionError(
            f'The key "published" of a matrix must be one of {", ".join(names())}; got "{name}"'
            f"{did_you_mean(name, names())}. Leave it out where nothing was published."
        )
    values = _tables()[name]
    return Published(**{**values, "remarks": tuple(values["remarks"])})


@cache
def _tables() -> dict[str, Any]:
    place = resources("invprior.matrix").joinpath("published.json")
    tables: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    return tables
