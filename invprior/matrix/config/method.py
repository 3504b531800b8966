"""A row of the matrix: a prior, a denoiser on its own, or a simple reconstruction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from invprior.matrix.config import specs
from invprior.matrix.config.toml_table import TomlTable

SIMPLE = ("measurement", "pseudo-inverse", "first-guess", "bicubic")
MODES = ("fixed", "automatic", "tuned", "oracle")


@dataclass(frozen=True, kw_only=True)
class Method:
    """How a cell's restoration is made; one of prior, denoiser and simple is given.

    Attributes:
        label: the row's name in tables.
        prior: a sum of terms, solved for.
        denoiser: a denoiser's spec, applied once to the measurement at the noise level; for operator denoise.
        simple: one of `SIMPLE`.
        solver, stop: in place of the axis's values; "" to take these.
        steps: iterations at most; 0 for no such limit.
        runs: independent runs whose mean is the result.
        weights: where weights that the prior leaves open come from: "fixed", the prior's own defaults; "automatic",
            found from the measurement, or by a rule named here such as "gcv"; "tuned" on other images; "oracle",
            tuned on the tested image's own truth, which no real method could do.
        published: the published row that stands beside this one; "" for that of the label's name, if there is one.
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
    def read(given: str | dict[str, Any], where: str, faults: list[str]) -> Method:
        """Read an entry of `priors`: a spec, or a table."""
        table = TomlTable({"prior": given} if isinstance(given, str) else given, where, faults)
        prior, denoiser = table.text("prior"), table.text("denoiser")
        simple = table.choice("simple", SIMPLE, "")
        parts = [text for text in (prior, denoiser, simple) if text]
        named = [k for k in ("prior", "denoiser", "simple") if k in table.values]
        if len(named) != 1 or not table.values[named[0]]:
            faults.append(
                f"{where} must have one of prior, denoiser and simple; got {' and '.join(named) or 'none'}."
            )
        method = Method(
            label=table.text("label", parts[0] if parts else where),
            prior=prior,
            denoiser=denoiser,
            simple=simple,
            solver=table.text("solver"),
            stop=table.text("stop"),
            steps=table.whole("steps", 0),
            runs=table.whole("runs", 1, least=1),
            weights=table.text("weights", "automatic"),
            published=table.text("published"),
        )
        table.finish()
        idle = [
            key for key in ("weights", "runs", "steps", "solver", "stop") if key in table.values
        ]
        if not prior and idle:
            faults.append(
                f"{where} has no prior, so {' and '.join(idle)} would do nothing; leave it out."
            )
        return method

    @property
    def text(self) -> str:
        """What stands for the prior in a cell."""
        return self.prior or (f"denoiser {self.denoiser}" if self.denoiser else self.simple)

    @property
    def names(self) -> tuple[str, str]:
        """What an exclude may match."""
        return self.label, self.text

    def specs(self) -> list[tuple[str, str]]:
        """The specs inside, with their groups."""
        found = [("priors", self.prior), ("denoisers", self.denoiser)]
        found += [("solvers", self.solver), ("stopping", self.stop)]
        found += [("weights", "" if self.weights in MODES else self.weights)]
        return [(group, text) for group, text in found if text]

    def faults(self) -> list[str]:
        """What is wrong with the specs."""
        return [fault for group, text in self.specs() if (fault := specs.fault(group, text))]
