"""A running solver: its state, advanced step by step."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from invprior.errors import MeasurementError, refuse_complex
from invprior.operators.adjoint_test import adjoint_fault
from invprior.operators.base import LinearOperator
from invprior.problem.objective import Objective, gradients_kept
from invprior.problem.solution import FIRST, Iterate, Place, Refit
from invprior.problem.weight_choice import Handover
from invprior.runner.divergence import DivergenceMonitor
from invprior.solvers.base import Solver

_ROUNDING = 1e-3  # relative; above the rounding error of an inner product in single precision


class Iteration:
    """A solver's state, its divergence monitor, and the clock.

    Args:
        objective: the problem's terms as the solver uses them.
        solver: the solver.
        x0: the initial estimate, (1, C, H, W); None for the problem's own.
        seed: seed of every random number in the run.
        place: which of several runs this is.
        handover: the end of a search to start from, instead of an initial estimate.

    Raises:
        MeasurementError: x0 has another shape, is complex, or holds NaN or infinity.
    """

    # Its tensors go through autograd at every step, so none may be made in inference mode.
    @torch.inference_mode(False)
    def __init__(
        self,
        objective: Objective,
        solver: Solver,
        x0: Tensor | None,
        seed: int,
        place: Place = FIRST,
        handover: Handover | None = None,
    ) -> None:
        problem = objective.problem
        expected = (1, *problem.operator.image_shape)
        if x0 is not None:
            _check_start(x0, expected)
        self.objective, self.solver, self.place = objective, solver, place
        self.step, self.notes, self.released = 0, (), False
        self.began = time.perf_counter()
        generator = torch.Generator().manual_seed(seed)
        if handover is not None:
            start = handover.state.x
        else:
            start = problem.initial_estimate() if x0 is None else x0.detach().to(problem.y)
        if start.is_inference():
            start = start.clone()
        self.monitor = DivergenceMonitor(objective, start)
        # The caller may be under no_grad.
        with torch.enable_grad(), gradients_kept([self.objective]):
            if handover is None:
                self.state = solver.init(objective, start, generator)
            else:
                end, growth = handover.state, handover.growth
                self.state = solver.continued(objective, end, growth, generator)
        self.monitor.kept.append(self.state.x)
        self._check_adjoint(start)
        for text in problem.notes:
            self.note(text)

    step: int
    notes: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """Time spent so far."""
        return time.perf_counter() - self.began

    @torch.inference_mode(False)
    def advance(self) -> Iterate:
        """Take one step and return its iterate.

        Raises:
            DivergedError: the iterate is non-finite or has exploded.
        """
        previous = self.state.x
        with torch.enable_grad(), gradients_kept([self.objective]):
            self.state = self.solver.step(self.objective, self.state)
        self.step += 1
        for note in self.state.notes:  # a new state may not hold the notes of the last
            self.note(note)
        now = Iterate(
            self.step,
            self.state.x,
            self.objective,
            self.seconds,
            previous,
            self.state.x if self.state.latest is None else self.state.latest,
            self.state.x if self.state.members is None else self.state.members,
            self.state.mutable_state,
            self.state.energy,
            self.notes,
            apart=self.state.apart,
            place=self.place,
        )
        self.monitor(now, self.state)
        return now

    def _check_adjoint(self, like: Tensor) -> None:
        """Add a note when the adjoint is wrong: the run would miss the minimum and still look good."""
        # A note and not an error, since unmatched projector pairs are in use.
        operator = self.objective.problem.operator
        if isinstance(operator, LinearOperator) and like.is_floating_point():
            fault = adjoint_fault(operator, like, _ROUNDING)
            if fault is not None:
                self.note(
                    f"the operator's adjoint is wrong, so do not trust this result: {fault}; "
                    "invprior check shows more"
                )

    def note(self, text: str) -> None:
        """Log a note for the user, each text once."""
        if text not in self.notes:
            self.notes = (*self.notes, text)
            logging.getLogger("invprior").warning("%s", text)

    @torch.inference_mode(False)
    def refit(self, back: Refit) -> None:
        """Return to an earlier state, if one is given, and fit all data from there."""
        if back.members is not None:
            now, earlier = self.state.mutable_state(), back.mutable_state
            with torch.no_grad():  # in place: the optimiser refers to these tensors
                for tensor, before in zip(now, earlier, strict=True):
                    tensor.copy_(before)
            self.state.members, self.state.x = back.members, back.members.mean(0, keepdim=True)
        self._release()

    def _release(self) -> None:
        self.released = True
        self.objective = self.objective.on_all_data()
        network = self.objective.problem.reparameterization
        if network is not None:
            network.fit_all()

    def kept(self) -> dict[str, Any]:
        """Return what a checkpoint must hold for the run to resume with the same bits."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "notes": self.notes,
            "released": self.released,
            "state": self.state,
            "best": self.monitor.kept,
            "step_size": self.monitor.step_size,
            "first_energy": self.monitor.first,
        }

    def resume(self, kept: dict[str, Any]) -> None:
        """Resume from the value that `kept` returned."""
        self.step, self.notes, self.state = kept["step"], kept["notes"], kept["state"]
        self.monitor.kept, self.monitor.step_size = kept["best"], kept["step_size"]
        self.monitor.first = kept["first_energy"]
        self.began = time.perf_counter() - kept["seconds"]
        if kept["released"]:
            self._release()


def _check_start(x0: Tensor, expected: tuple[int, ...]) -> None:
    """Refuse an initial estimate of another shape, or with values that no run can take."""
    if tuple(x0.shape) != expected:
        raise MeasurementError(
            f"The initial estimate x0 must have the shape {expected}; got {tuple(x0.shape)}."
        )
    refuse_complex(x0.dtype, "The initial estimate x0")
    if not bool(torch.isfinite(x0).all()):
        count = int((~torch.isfinite(x0)).sum())
        raise MeasurementError(
            f"The initial estimate x0 must be finite; {count} of its {x0.numel()} values are NaN or "
            "infinite. Replace them, or leave x0 out."
        )


@contextmanager
def whole_steps() -> Iterator[None]:
    """Delay Ctrl-C until the end of the block, so that no step is left half-done; a second Ctrl-C is immediate.

    This applies in the main thread and to Python's own handler. Elsewhere nothing changes.
    """
    # Only the main thread may set handlers, and a program's own handler is not ours to replace.
    own = signal.getsignal(signal.SIGINT)
    if (
        own is not signal.default_int_handler
        or threading.current_thread() is not threading.main_thread()
    ):
        yield
        return
    pressed = False

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True

    signal.signal(signal.SIGINT, remember)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, own)
    if pressed:
        raise KeyboardInterrupt
