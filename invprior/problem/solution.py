"""The results of a run: an `Iterate` at each step, a `Stop` at its end, and the `Solution`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from typing import Any, NamedTuple

import torch
from torch import Tensor

from invprior.errors import InvpriorError
from invprior.problem.objective import Objective
from invprior.problem.weight_choice import WeightChoice

# Rounding errors of 1 eps then count as a change of 4e-6.
_FLAT = 2.0**18


class Place(NamedTuple):
    """Which of several runs of a call an iterate belongs to, each counted from 0.

    Attributes:
        image: the image of a batch.
        run: the run of `runs`.
        tile: the tile of an image that is solved in tiles.
    """

    image: int = 0
    run: int = 0
    tile: int = 0


FIRST = Place()


@dataclass(frozen=True)
class Iterate:
    """The result of one iteration.

    Attributes:
        step: 1 after the first step.
        x: the estimate that a stop at this step returns (for DIP the running average), (1, C, H, W),
            on the device.
        objective: the problem's terms as the solver uses them.
        seconds: time since the run began.
        previous: the estimate of the step before, or the initial one.
        latest: the last outputs of an ensemble of K networks, (K, C, H, W), before any average; else x.
        members: their running averages, (K, C, H, W), whose mean is x; else x.
        mutable_state: returns the tensors that the solver changes in place, for a rule that later refits from here.
        known_energy: the energy at the solver's last evaluation, when it computed one; else None.
        notes: notes on the run so far, one sentence each.
        in_run: the same iterate in the units of the run (`Problem.standardised`), to which `objective` and
            `mutable_state` belong; None if these are the units of the data.
        apart: the norm by which copies of x differ that are equal at the minimum, a scalar in the units of the run;
            None for no copies.
        place: which image of a batch, which of several runs and which tile this is.
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
    in_run: Iterate | None = field(default=None, repr=False)
    apart: Tensor | None = field(default=None, repr=False)
    place: Place = FIRST

    def __repr__(self) -> str:
        return (
            f"Iterate(step {self.step}, {'x'.join(map(str, self.x.shape))}, {self.seconds:.2f} s)"
        )

    # A cached_property writes to __dict__, which a frozen dataclass does not guard.
    @cached_property
    def energy(self) -> Tensor:
        """E(A x; y) + R(x), a scalar on the device; the solver's last value, else computed when read."""
        if self.in_run is not None:
            return self.in_run.energy
        return self.objective.energy(self.x) if self.known_energy is None else self.known_energy

    @cached_property
    def change(self) -> Tensor:
        """||x - previous x||, or `apart` if that is larger, over the spread ||x - mean(x)||, a scalar on the device.

        Neither an offset nor a scale of the intensities moves it, as far as the precision of x allows.
        """
        if self.in_run is not None:
            return self.in_run.change
        x, norm = self.x, torch.linalg.vector_norm
        # A flat x has no spread, and its rounding errors never end. Below this part of ||x||, the floor decides.
        floor = _FLAT * torch.finfo(x.dtype).eps * norm(x)
        spread = torch.maximum(norm(x - x.mean()), floor).clamp_min(torch.finfo(x.dtype).tiny)
        move = norm(x - self.previous)
        change: Tensor = (move if self.apart is None else torch.maximum(move, self.apart)) / spread
        return change


@dataclass(frozen=True)
class Refit:
    """The state of a run from which it is refitted on all data, by default the present one.

    Attributes:
        mutable_state: copies of the tensors that the solver changes in place.
        members: the running averages at that step, (K, C, H, W); None for the present state.
    """

    mutable_state: list[Tensor] = field(default_factory=list, repr=False)
    members: Tensor | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Stop:
    """Why a run ended.

    Attributes:
        name: the rule's registered name, or "interrupted", "diverged".
        ok: whether the run ended well; if not, `message` says what to do.
        message: one sentence.
        x: an earlier, better estimate to return instead of the last one.
        refit: the state from which `solve` continues instead of stopping, on all data, until the rule stops it again.
            A loop of your own that cannot refit stops here.
    """

    name: str
    ok: bool
    message: str
    x: Tensor | None = field(default=None, repr=False)
    refit: Refit | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Solution:
    """A restored image, or a batch of them, with the record of the run.

    Attributes:
        x: the restoration, (B, C, H, W), in the units of the measurement, not clipped.
        stop: why the run ended; for a batch, the first stop that is not ok, else the last image's.
        steps: number of iterations, the sum over a batch.
        seconds: time spent in the solver.
        history: rows of step, seconds, energy; for a batch, the first image's.
        provenance: every option with defaults filled in, versions, seed, data hash; for a batch, the first image's.
        images: for a batch of several images, the solution of each.
        notes: warnings, one sentence each; for a batch, those of all images.
        deviation: for several runs, their standard deviation at each pixel, (B, C, H, W); x is then their mean.
        members: for several runs, the solution of each.
        weights: how the prior's open weights were chosen, with the criterion at each weight tried. None when no weight
            was open, and for a batch, each image of which has its own.
        tuning_seconds: time spent on that choice, not counted in `seconds`; for a batch, the sum.
        choices: what was chosen for the user, as tuples of subject, value and reason; for a batch, the first image's.
        y: the measurement that was fitted, (B, C, H, W), for the pictures; None if it is no picture, as a sinogram, or
            if the images of a batch differ in size.
        signal: whether x is a signal, (1, 1, 1, N), of a measurement that was given with one dimension.
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
    y: Tensor | None = field(default=None, repr=False)
    signal: bool = False

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.x.shape))
        end = f"{self.stop.name}: {self.stop.message}"
        return f"Solution({shape}, {self.steps} steps in {self.seconds:.2f} s, {end})"

    def to_numpy(self) -> Any:
        """Return x, (H, W) or (H, W, C), with B in front for a batch; float64 if x is, complex if x is, else float32.

        A measurement that was given as an array (N,), a signal, has a result (N,). An array (1, N) is an image.
        The values are those of x: in the units of the measurement, not clipped.
        """
        x = self.x.detach()
        x = x if x.dtype == torch.float64 or x.is_complex() else x.float()
        if self.signal:
            return x.flatten().cpu().numpy().copy()  # the caller may write into it
        images = x.cpu().movedim(1, -1).numpy().copy()
        images = images[..., 0] if images.shape[-1] == 1 else images
        return images[0] if len(images) == 1 else images

    def to_pil(self) -> Any:
        """Return x as an image of Pillow in 8 bits; for a batch, a list of images.

        A photograph keeps its intensities, clipped to [0, 1]. Any other image is shown from its percentile 0.1 to 99.9.

        Raises:
            MeasurementError: x has neither 1 nor 3 channels.
        """
        from invprior.problem import presentation

        images = [presentation.picture(x[None]) for x in self.x]
        return images[0] if len(images) == 1 else images

    def save(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write x to a file; a batch becomes a stack, a signal (N,). Formats and errors are those of `invprior.save`.

        Args:
            path: its suffix names the format. `.npy` and `.tif` keep the values; `.png` and `.jpg` clip them to [0, 1].
            overwrite: whether an existing file may be replaced.
        """
        from invprior.io.save import save_stack

        images = [x[None].detach().cpu() for x in self.x]
        if self.signal:
            images = [images[0].flatten()]
        save_stack(path, images, overwrite=overwrite)

    def plot(self, truth: Tensor | None = None) -> Any:
        """Return a figure of Matplotlib: the measurement, the restoration, and their difference.

        Args:
            truth: the true image, as x; the figure then shows it, the error, and PSNR and SSIM.
        """
        from invprior.problem import presentation

        return presentation.figure(self.x, self.y, truth)

    def _repr_html_(self) -> str:
        """Show the images, the end of the run and its notes in a notebook."""
        from invprior.problem import presentation

        parts = ((name, self.provenance.get(name)) for name in ("operator", "prior", "solver"))
        facts = [(name, str(value)) for name, value in parts if value is not None]
        facts += [
            ("stopped", f"{self.stop.name}: {self.stop.message}"),
            ("steps", f"{self.steps} in {self.seconds:.1f} s"),
            *(("note", note) for note in self.notes),
        ]
        return presentation.html(self.x, self.y, facts)


class DivergedError(InvpriorError):
    """The iterates became non-finite or exploded.

    Attributes:
        solution: the best finite iterate, as a `Solution` whose `stop.ok` is False.
    """

    def __init__(self, message: str, solution: Solution | None = None) -> None:
        super().__init__(message)
        self.solution = solution


# A KeyboardInterrupt, so that code which handles Ctrl-C handles it too.
class Interrupted(KeyboardInterrupt):
    """The run was interrupted by Ctrl-C.

    Attributes:
        solution: the estimate so far; None before the first step.
    """

    def __init__(self, solution: Solution | None) -> None:
        super().__init__("interrupted")
        self.solution = solution


def batch(parts: list[Solution]) -> Solution:
    """Join the solutions of a batch's images; a single one is returned unchanged."""
    if len(parts) == 1:
        return parts[0]
    spread = [p.deviation for p in parts if p.deviation is not None]
    # One stop stands for all: a failure must not hide behind the others.
    bad = [p.stop for p in parts if not p.stop.ok]
    return Solution(
        x=torch.cat([p.x for p in parts]),
        stop=bad[0] if bad else parts[-1].stop,
        steps=sum(p.steps for p in parts),
        seconds=sum(p.seconds for p in parts),
        history=parts[0].history,
        provenance=parts[0].provenance,
        images=tuple(parts),
        notes=tuple(dict.fromkeys(note for p in parts for note in p.notes)),  # each note once
        # For all images or for none: with gaps it would not line up with x.
        deviation=torch.cat(spread) if len(spread) == len(parts) else None,
        tuning_seconds=sum(p.tuning_seconds for p in parts),
        choices=parts[0].choices,
        y=joined_measurements([p.y for p in parts]),
    )


def joined_measurements(parts: list[Tensor | None]) -> Tensor | None:
    """Return the measurements of a batch; None if one is unknown or they differ in size."""
    known = [y for y in parts if y is not None]
    same = len(known) == len(parts) and len({y.shape for y in known}) == 1
    return torch.cat(known) if same else None
