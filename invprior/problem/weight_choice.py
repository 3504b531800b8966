"""How a prior's open weights were chosen: what a solution tells, and a record keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class WeightChoice:
    """The weights of the terms that were given none, and why these.

    Attributes:
        terms: name and weight of each open term.
        rule: the rule that chose, as text with its options filled in; "" where the defaults were kept.
        why: why this rule, or why the defaults.
        criterion: the name of the rule's criterion.
        tried: the factors on the terms' default weights that were tried, ascending.
        values: the criterion at each of them.
        factor: the factor chosen.
        note: what the user should know of the result, or "".
        seconds: time spent.
    """

    terms: tuple[tuple[str, float], ...]
    rule: str = ""
    why: str = ""
    criterion: str = ""
    tried: tuple[float, ...] = ()
    values: tuple[float, ...] = ()
    factor: float = 1.0
    note: str = ""
    seconds: float = 0.0

    @property
    def curve(self) -> tuple[tuple[float, float], ...]:
        """Weight and value of each try; of a sum of open terms, the first one's weight."""
        unit = self.terms[0][1] / self.factor
        return tuple(
            (float(f"{unit * f:.6g}"), value)
            for f, value in zip(self.tried, self.values, strict=True)
        )

    def record(self) -> dict[str, Any]:
        """What JSON can hold, without the time, so that two equal runs have equal records."""
        return {
            "automatic": bool(self.rule),
            "terms": [list(term) for term in self.terms],
            "rule": self.rule,
            "why": self.why,
            "criterion": self.criterion,
            "tried": list(self.tried),
            "values": list(self.values),
            "factor": self.factor,
            "note": self.note,
        }

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> WeightChoice:
        """The other direction of `record`."""
        facts = {name: value for name, value in record.items() if name != "automatic"}
        facts["terms"] = tuple((str(name), float(weight)) for name, weight in record["terms"])
        for name in ("tried", "values"):
            facts[name] = tuple(float(value) for value in record[name])
        return WeightChoice(**facts)

    def as_choice(self) -> tuple[str, str, str]:
        """What was chosen, its value, and the reason."""
        weights = ", ".join(f"{name} {weight:.4g}" for name, weight in self.terms)
        return "weight", weights, self.why
