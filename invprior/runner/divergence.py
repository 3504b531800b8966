"""The monitor of a run: an iterate that is not finite, has exploded or fits worse than no image is never a result."""

from __future__ import annotations

import math
from collections import deque

import torch
from torch import Tensor

from invprior.problem.functionals import Penalty, Reparameterization
from invprior.problem.objective import Objective
from invprior.problem.solution import DivergedError, Iterate, Solution, Stop
from invprior.registry.options import plain_name
from invprior.solvers.base import State

_EXPLODED = 1e3  # times max(1, max |y|), where intensities lie in [0, 1]
# Of the energies that an end must not exceed. At their first steps, ADMM and PDHG came up to them, not above.
_MARGIN = 0.2
_FALLEN = 10.0  # times the size of the first energy: no energy with a minimum falls so far below 0
_STEADY = 1.9  # ratio of falls over steps n to 2n and 2n to 4n: 2 at a constant rate, less towards a minimum


class DivergenceMonitor:
    """Stops a run whose iterates become non-finite or explode, and refuses an end far from the minimum.

    It keeps the last few of the iterates 1, 2, 4, 8, ... and computes their energies only after a divergence, to return
    the best one. A healthy run pays for the check of each x, and for three energies at its end.

    Args:
        objective: the problem's terms as the solver uses them.
        start: the initial estimate.

    Attributes:
        first: the energy of the first evaluation, when the solver computed one: that of a network before its first
            update, or of the initial estimate.
    """

    def __init__(self, objective: Objective, start: Tensor) -> None:
        y = objective.problem.y
        self.objective, self.start = objective, start
        self.first: Tensor | None = None
        self.limit = _EXPLODED * max(1.0, float(y.abs().max()))
        self.every = 1 if y.device.type == "cpu" else 20  # a check makes a GPU wait
        # `memory.forecast` counts these images, so a longer queue needs more there too.
        self.kept: deque[Tensor] = deque(maxlen=8)
        self.step_size: float | None = None

    def __call__(self, now: Iterate, state: State) -> None:
        """Check an iterate at its turn; raises as `look` does."""
        self.step_size = state.step_size
        if now.step == 1:
            self.first = now.known_energy
        power = now.step & (now.step - 1) == 0
        # An iterate must be checked before it is kept as a candidate for the result.
        if power or now.step % self.every == 0:
            self.look(now)
        if power:
            # Not copied: a solver must not change an earlier x in place, and `check` tests that.
            self.kept.append(now.x)

    def look(self, now: Iterate) -> None:
        """Check an iterate.

        Raises:
            DivergedError: it is non-finite or has exploded; `solution` is the best earlier one.
        """
        self._check_size(now, now.x)
        # Only a known energy, as computing one would cost each check an application of A.
        if now.known_energy is not None and bool(now.known_energy.isnan()):
            raise self._error(now, now.x, "the energy became NaN")

    def judge(self, now: Iterate, x: Tensor) -> str | None:
        """Check the end of a run.

        Args:
            now: the last iterate.
            x: the estimate that is returned, which may be an earlier one.

        Returns:
            A note when the estimate has a higher energy than a constant image, though not than the start; else None.

        Raises:
            DivergedError: as `look`; or the energy of x is far above that of the start and of a constant image, so that
                the run has made the estimate worse; or the energy falls without end.
        """
        self.look(now)
        self._check_size(now, x)
        if not _has_energy(self.objective):
            return None
        energy = float(self.objective.energy(x))
        if math.isnan(energy):
            raise self._error(now, x, "the energy of the result is NaN")
        if math.isinf(energy):  # a constraint, which rounding breaks
            return None
        first = float(self.objective.energy(self.start) if self.first is None else self.first)
        flat = float(self.objective.energy(torch.full_like(self.start, float(self.start.mean()))))
        count = self.objective.problem.measurements
        if _far_above(energy, max(first, flat), count):
            what = f"its energy was {first:.3g}, and is {energy:.3g}"
            raise self._error(now, x, f"{what}, more than that of a constant image,")
        if energy < first - _FALLEN * (abs(first) + count) and self._falls_steadily():
            what = f"its energy was {first:.3g}, is {energy:.3g}, and seems to fall without end"
            raise DivergedError(
                f"The run has no minimum to find: {what}. The term that falls is {self._term(x, lowest=True)}; "
                "it must be bounded below.",
                self._solution(now),
            )
        if _far_above(energy, flat, count):
            return (
                f"this estimate, of energy {energy:.3g}, is worse than a constant image, of {flat:.3g}; allow more "
                "steps, or use a smaller step size (lr)"
            )
        return None

    def _falls_steadily(self) -> bool:
        """Whether the energy of the last iterates falls at a rate that does not decrease."""
        energies = [float(self.objective.energy(x)) for x in list(self.kept)[-3:]]
        if len(energies) < 3:
            return False
        before, after = energies[0] - energies[1], energies[1] - energies[2]
        return after >= _STEADY * before > 0

    def _check_size(self, now: Iterate, x: Tensor) -> None:
        low, high = torch.aminmax(x)
        size = max(-float(low), float(high))
        if not size <= self.limit:  # written so that NaN fails
            what = "x became non-finite" if not math.isfinite(size) else f"x exploded to {size:.3g}"
            raise self._error(now, x, what)

    def _error(self, now: Iterate, x: Tensor, what: str) -> DivergedError:
        step = "" if self.step_size is None else f" with step size {self.step_size:.3g}"
        return DivergedError(
            f"The run diverged: {what} at iteration {now.step}{step}; "
            f"the term that grew is {self._term(x)}. "
            "Use a smaller step size (lr, step_size), or leave it to the solver.",
            self._solution(now),
        )

    def _term(self, x: Tensor, *, lowest: bool = False) -> str:
        """Return the name of the term with the highest value at x, or the lowest."""
        problem = self.objective.problem
        values = {"fidelity": float(self.objective.data.value(x))}
        for term in problem.prior.terms:
            if isinstance(term.functional, Penalty):
                values[plain_name(type(term.functional))] = float(
                    term.factor * term.functional.value(x).sum()
                )
        if lowest:
            return min(values, key=lambda name: values[name])
        # NaN counts as the largest, since max() would depend on the order of the terms.
        return max(values, key=lambda name: math.inf if math.isnan(values[name]) else values[name])

    def _solution(self, now: Iterate) -> Solution | None:
        """Return the best earlier iterate; None if not even the initial estimate is finite."""
        kept = [x for x in self.kept if bool(x.isfinite().all())]
        if not kept:
            return None
        energies = [float(self.objective.energy(x)) for x in kept]
        best = min(
            range(len(kept)), key=lambda i: math.inf if math.isnan(energies[i]) else energies[i]
        )
        message = f"diverged at iteration {now.step}; this is the best earlier iterate"
        return Solution(
            kept[best].detach(), Stop("diverged", False, message), now.step, now.seconds
        )


def _far_above(energy: float, other: float, measurements: int) -> bool:
    # The energy of noise grows by the number of measurements.
    return energy > other + _MARGIN * abs(other) + measurements


def _has_energy(objective: Objective) -> bool:
    """Whether every term has a value: a denoiser has none, and the energy of the rest then says little."""
    terms = objective.problem.prior.terms
    return all(isinstance(t.functional, Penalty | Reparameterization) for t in terms)
