"""Published values of the paper's tables, to compare measured ones with.

published.json has them, in dB. A row of a matrix is compared with the published row that its key `published` names,
else with the one of its own label, in any case. Published rows without a counterpart come at the end of the table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files as resources
from typing import Any, TypeAlias

from invprior.errors import OptionError, did_you_mean

Values: TypeAlias = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Published:
    """One table of the paper.

    Attributes:
        title: paper and table.
        source: where the values come from.
        images: values over the whole image, by method, then image.
        missing: values over the missing pixels alone, for inpainting.
        averages: over all images of the table, by method, as printed.
        remarks: limits of the comparison.
        rows: by the label of one of our methods, the published row to compare it with.
    """

    title: str
    source: str
    images: Mapping[str, Values]
    averages: Values
    missing: Mapping[str, Values] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    rows: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The published methods."""
        return list(dict.fromkeys([*self.images, *self.averages]))

    def method(self, label: str) -> str | None:
        """Return the published row for one of our methods, or None."""
        wanted = self.rows.get(label, label).lower()
        return next((n for n in self.names if n.lower() == wanted), None)

    def others(self, labels: Iterable[str]) -> list[str]:
        """Return the published methods that no label is compared with."""
        known = {self.method(label) for label in labels}
        return [n for n in self.names if n not in known]


def names() -> list[str]:
    """Return the names of the tables."""
    return sorted(_tables())


def table(name: str, rows: Mapping[str, str] | None = None) -> Published:
    """Look up a table.

    Args:
        name: of the table.
        rows: by label, the published row to compare one of our methods with.

    Raises:
        OptionError: there is no such table, or no such row in it.
    """
    if name not in _tables():
        raise OptionError(
            f'The key "published" of a matrix must be one of {", ".join(names())}; got "{name}"'
            f"{did_you_mean(name, names())}. Leave it out if nothing was published."
        )
    values = _tables()[name]
    found = Published(**{**values, "remarks": tuple(values["remarks"]), "rows": rows or {}})
    # Only a row that is named must exist; labels without a counterpart are usual.
    for label, row in found.rows.items():
        if found.method(label) is None:
            raise OptionError(
                f'The key "published" of the row "{label}" must be one of {", ".join(found.names)}; got "{row}"'
                f"{did_you_mean(row, found.names)}. Leave it out if nothing was published."
            )
    return found


@cache
def _tables() -> dict[str, Any]:
    place = resources("invprior.matrix.config").joinpath("published.json")
    tables: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    return tables
