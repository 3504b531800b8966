"""The record of how a prior's open weights were chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from invprior.fidelities.base import Fidelity
from invprior.operators.base import Operator


@dataclass(frozen=True, kw_only=True)
class Handover:
    """The end of the best trial, from which a run at the chosen weights may start; see `Problem.handover`.

    Attributes:
        operator: of the trial's problem, as the next two.
        fidelity: its fidelity.
        y: its measurement.
        state: the solver's, as its `kept` returned it.
        growth: the chosen weights over those of the trial.
    """

    operator: Operator
    fidelity: Fidelity
    y: Tensor
    state: Any
    growth: float


@dataclass(frozen=True, kw_only=True)
class WeightChoice:
    """The chosen weights of a prior's open terms, and how they were chosen.

    Attributes:
        terms: name and weight of each open term.
        rule: the rule that chose them, as text with its options filled in; "" when the defaults were kept.
        why: why this rule was used, or why the defaults were kept.
        criterion: the name of the rule's criterion.
        tried: the tried factors on the terms' default weights, ascending.
        values: the criterion at each of these factors.
        factor: the chosen factor.
        note: a warning about the result, or "".
        seconds: time spent.
        handover: where a run at these weights may start; None for the start of any run. No record holds it.
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
    handover: Handover | None = field(default=None, compare=False, repr=False)

    @property
    def curve(self) -> tuple[tuple[float, float], ...]:
        """The weight and the criterion of each try; for several open terms, the weight of the first."""
        unit = self.terms[0][1] / self.factor
        return tuple(
            (float(f"{unit * f:.6g}"), value)
            for f, value in zip(self.tried, self.values, strict=True)
        )

    def record(self) -> dict[str, Any]:
        """Return the choice as JSON values, without the time, so that equal runs have equal records."""
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
        """Restore a choice from its `record`."""
        facts = {name: value for name, value in record.items() if name != "automatic"}
        facts["terms"] = tuple((str(name), float(weight)) for name, weight in record["terms"])
        for name in ("tried", "values"):
            facts[name] = tuple(float(value) for value in record[name])
        return WeightChoice(**facts)

    def as_choice(self) -> tuple[str, str, str]:
        """Return the choice as a tuple of subject, value and reason."""
        weights = ", ".join(f"{name} {weight:.4g}" for name, weight in self.terms)
        return "weight", weights, self.why
