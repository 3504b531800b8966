"""What the page's reader has chosen, and the command and the Python lines that do the same."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from invprior.io import samples


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One restoration.

    Attributes:
        image: path of a file, or the name of a sample with its size, such as "sample:camera:128".
        shown: the name of the image in the command and the Python lines.
        simulate: whether the image is the truth and its measurement is simulated; else it is the measurement.
        operator, prior: specs.
        noise: spec; "" for the default of a simulation, or for a level that is estimated.
        steps: the largest number of iterations, or None for that of the stopping rule.
        seed: of every random number.
        data_range: the intensities of black and white; None to estimate them.
    """

    image: str
    shown: str
    simulate: bool
    operator: str
    prior: str
    noise: str
    steps: int | None = None
    seed: int = 0
    data_range: tuple[float, float] | None = None

    @property
    def command(self) -> str:
        """The command that does the same; a sample is simulated without being asked."""
        sample = self.image.startswith(samples.PREFIX)
        parts = ["invprior", "solve", self.shown, *["--simulate"] * (self.simulate and not sample)]
        parts += ["--operator", self.operator, "--prior", self.prior]
        parts += ["--noise", self.noise] if self.noise else []
        parts += ["--steps", str(self.steps)] if self.steps else []
        parts += ["--seed", str(self.seed)] if self.seed else []
        return shlex.join(parts)

    @property
    def python(self) -> str:
        """The lines that do the same."""
        found: dict[str, object] = {
            "prior": self.prior,
            "noise": self.noise or None,
            "steps": self.steps,
        }
        found |= {"data_range": self.data_range, "seed": self.seed}
        given = "".join(f", {key}={value!r}" for key, value in found.items() if value is not None)
        if not self.simulate:
            call = f"invprior.solve({self.shown!r}, operator={self.operator!r}{given})"
            return f"import invprior\n\nsolution = {call}\n"
        return (
            "import invprior\nfrom invprior.io import samples\n\n"
            f"truth = samples.resolve({self.shown!r}).x\n"
            f"y, operator = invprior.simulate(truth, operator={self.operator!r}, noise={self.noise!r}, "
            f"seed={self.seed})\n"
            f"solution = invprior.solve(y, operator=operator{given})\n"
        )


def spec_text(name: str, values: Mapping[str, str]) -> str:
    """Write a plugin's name and the options that have a value, such as "tv:weight=8"."""
    given = ",".join(f"{key}={value.strip()}" for key, value in values.items() if value.strip())
    return f"{name}:{given}" if given else name
