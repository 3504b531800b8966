"""What a run gives: `Iterate` while it goes on, `Stop` when it ends, `Solution` as its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from invprior.errors import InvpriorError
from invprior.problem.objective import Objective
from invprior.problem.weight_choice import WeightChoice


@dataclass(frozen=True)
class Iterate:
    """One iteration's result.

    Attributes:
        step: 1 after the first step.
        x: the estimate that would be returned now (for DIP the running average), (1, C, H, W), on
            the device.
        objective: the problem's terms as the solver sees them.
        seconds: time since the run began.
        previous: the iterate before, or where the run began.
        latest: the solver's last outputs, (K, C, H, W), of K networks fitted side by side, before any average; else x.
        members: and their averages, whose mean is x; else x.
        mutable_state: lists what the solver changes in place, for a rule that will want to go back to it.
        known_energy: what the solver computed anyway, at its last evaluation; else None.
        notes: what the user should know of the run so far, a sentence each.
    """

    step: int
    x: Tensor
    objective: Objective
    seconds: float
    previous: Tensor = field(repr=False)
    latest: Tensor = field(repr=False)
    members: Tensor = field(repr=False)
    mutable_state: Callable[[], list[Tensor]] = field(default=list, repr=False)
    known_energy: Tensor | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()

    @cached_property
    def energy(self) -> Tensor:
        """E(Ax; y) + R(x), a scalar on the device; the solver's last figure if it had one, else computed when read."""
        return self.objective.energy(self.x) if self.known_energy is None else self.known_energy

    @cached_property
    def change(self) -> Tensor:
        """||x - previous x|| / ||previous x||, a scalar on the device; computed when read."""
        norm = torch.linalg.vector_norm
        change: Tensor = norm(self.x - self.previous) / norm(self.previous).clamp_min(1e-12)
        return change


@dataclass(frozen=True)
class Refit:
    """A way back: to where a run was, and on from there with nothing kept out of the fit.

    Attributes:
        mutable_state: copies of what the solver changes in place.
        members: the averages that go with them, (K, C, H, W).
    """

    mutable_state: list[Tensor] = field(repr=False)
    members: Tensor = field(repr=False)


@dataclass(frozen=True)
class Stop:
    """Why a run ended.

    Attributes:
        name: the rule's registered name, or "interrupted", "diverged".
        ok: whether this is a good end; if not, `message` says what to do.
        message: one sentence.
        x: an earlier, better iterate to return instead of the last one.
        refit: where `solve` goes back to and goes on from in place of this end, until the rule stops it again; a loop
            that cannot do so ends here.
    """

    name: str
    ok: bool
    message: str
    x: Tensor | None = None
    refit: Refit | None = None


@dataclass(frozen=True)
class Solution:
    """A restored image, or a batch of them, and how it came about.

    Attributes:
        x: the restoration, (B, C, H, W), intensities in [0, 1] (not clipped).
        stop: why the run ended; for a batch, the first image's that did not end well, else the
            last one's.
        steps: iterations taken, the sum over a batch.
        seconds: time spent in the solver.
        history: rows of step, seconds, energy; for a batch, the first image's.
        provenance: every option with defaults filled in, versions, seed, data hash; for a batch, the first image's.
        images: for a batch of several, one solution each.
        notes: what the user should know and is no error, a sentence each; for a batch, those of all images.
        deviation: for several runs, their standard deviation at each pixel, (B, C, H, W); x is then their mean.
        members: for several runs, their own solutions.
        weights: how the prior's open weights were chosen, with the figure of each weight tried; None when none was
            open, and for a batch, whose images have each their own.
        tuning_seconds: time spent on that choice, not counted in `seconds`; for a batch, the sum.
        choices: what was chosen for the user: what, its value, and the reason; for a batch, the first image's.
    """

    x: Tensor
    stop: Stop
    steps: int
    seconds: float
    history: tuple[Mapping[str, float], ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    images: tuple[Solution, ...] = ()
    notes: tuple[str, ...] = ()
    deviation: Tensor | None = None
    members: tuple[Solution, ...] = ()
    weights: WeightChoice | None = field(default=None, repr=False)
    tuning_seconds: float = 0.0
    choices: tuple[tuple[str, str, str], ...] = ()

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.x.shape))
        end = f"{self.stop.name}: {self.stop.message}"
        return f"Solution({shape}, {self.steps} steps in {self.seconds:.2f} s, {end})"

    def to_numpy(self) -> Any:
        """Return x clipped to [0, 1], (H, W) or (H, W, C), a batch with B in front; float32."""
        images = self.x.detach().clamp(0, 1).float().cpu().movedim(1, -1).numpy()
        images = images[..., 0] if images.shape[-1] == 1 else images
        return images[0] if len(images) == 1 else images


class DivergedError(InvpriorError):
    """The iterates became non-finite or exploded.

    Attributes:
        solution: the best finite iterate, as a `Solution` whose `stop.ok` is False.
    """

    def __init__(self, message: str, solution: Solution | None = None) -> None:
        super().__init__(message)
        self.solution = solution


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during `solve`.

    Attributes:
        solution: the estimate so far; None before the first step.
    """

    def __init__(self, solution: Solution | None) -> None:
        super().__init__("interrupted")
        self.solution = solution


def batch(parts: list[Solution]) -> Solution:
    """Join the solutions of a batch's images."""
    if len(parts) == 1:
        return parts[0]
    spread = [p.deviation for p in parts if p.deviation is not None]
    bad = [p.stop for p in parts if not p.stop.ok]
    return Solution(
        x=torch.cat([p.x for p in parts]),
        stop=bad[0] if bad else parts[-1].stop,
        steps=sum(p.steps for p in parts),
        seconds=sum(p.seconds for p in parts),
        history=parts[0].history,
        provenance=parts[0].provenance,
        images=tuple(parts),
        notes=tuple(dict.fromkeys(note for p in parts for note in p.notes)),
        deviation=torch.cat(spread) if len(spread) == len(parts) else None,
        tuning_seconds=sum(p.tuning_seconds for p in parts),
        choices=parts[0].choices,
    )
