"""A row of the matrix: a prior, a denoiser on its own, or a simple reconstruction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from invprior.matrix.config import specs
from invprior.matrix.config.toml_table import TomlTable

SIMPLE = ("measurement", "pseudo-inverse", "initial-estimate", "bicubic")
MODES = ("fixed", "automatic", "tuned", "oracle")


@dataclass(frozen=True, kw_only=True)
class Method:
    """How a cell is restored. Exactly one of prior, denoiser and simple is given.

    Attributes:
        label: the row's name in tables.
        prior: a sum of terms, for a solver.
        denoiser: a denoiser's spec. It is applied once, to the measurement and at the noise level; only for the
            operator denoise.
        simple: one of `SIMPLE`.
        solver, stop: replace the values of these axes; "" keeps them.
        steps: the most iterations; 0 for no such limit. Without a rule it is the rule, so the solver's own is not used.
        runs: independent runs whose mean is the result.
        weights: the source of weights that the prior leaves open: "fixed", the prior's own defaults; "automatic",
            estimated from the measurement, or a rule such as "gcv"; "tuned" on other images; "oracle", tuned on the
            true image itself, which no real method could do.
        published: the published row to compare with; "" for that of the same label, if it exists.
    """

    label: str
    prior: str = ""
    denoiser: str = ""
    simple: str = ""
    solver: str = ""
    stop: str = ""
    steps: int = 0
    runs: int = 1
    weights: str = "automatic"
    published: str = ""

    @staticmethod
    def read(given: str | dict[str, Any], number: int, matrix: TomlTable) -> Method:
        """Read an entry of `priors`: a spec, or a table.

        Args:
            given: the entry.
            number: its place in the list, from 1.
            matrix: the whole configuration, which collects the faults.
        """
        values = {"prior": given} if isinstance(given, str) else given
        table = matrix.inner(values, f"priors[{number}]")
        prior, denoiser = table.text("prior"), table.text("denoiser")
        simple = table.choice("simple", SIMPLE, "")
        # Two lists: a key may be present and empty, or have a word that `choice` has refused.
        parts = [text for text in (prior, denoiser, simple) if text]
        named = [k for k in ("prior", "denoiser", "simple") if k in table.values]
        if len(named) != 1 or not table.values[named[0]]:
            table.faults.append(
                f"{table.where} must have one of prior, denoiser and simple; got {' and '.join(named) or 'none'}."
            )
        # Made also from a faulty entry, so that later checks find its other faults.
        method = Method(
            label=table.text("label", parts[0] if parts else table.where),
            prior=prior,
            denoiser=denoiser,
            simple=simple,
            solver=table.text("solver"),
            stop=table.text("stop"),
            steps=table.integer("steps", 0),
            runs=table.integer("runs", 1, least=1),
            weights=table.text("weights", "automatic"),
            published=table.text("published"),
        )
        table.finish()
        # A denoiser and a simple reconstruction run no solver.
        unused = [
            key for key in ("weights", "runs", "steps", "solver", "stop") if key in table.values
        ]
        if not prior and unused:
            table.faults.append(
                f"{table.where} has no prior, so {' and '.join(unused)} would have no effect. Leave it out."
            )
        return method

    @property
    def text(self) -> str:
        """The text on the axis of priors."""
        return self.prior or (f"denoiser {self.denoiser}" if self.denoiser else self.simple)

    @property
    def names(self) -> tuple[str, str]:
        """The texts that an exclude may match."""
        return self.label, self.text

    def specs(self) -> list[tuple[str, str]]:
        """Return the specs inside, with their groups."""
        found = [("priors", self.prior), ("denoisers", self.denoiser)]
        found += [("solvers", self.solver), ("stopping", self.stop)]
        found += [("weights", "" if self.weights in MODES else self.weights)]
        return [(group, text) for group, text in found if text]

    def faults(self) -> list[str]:
        """Return the faults of the specs."""
        return [fault for group, text in self.specs() if (fault := specs.fault(group, text))]
