"""The return to the last good weights when a network's fit collapses."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

# The rise of the energy's logarithm that counts as a collapse: 5 dB, as in the authors' code.
_COLLAPSE = math.log(10) / 2
# Decay of the average of the energy's logarithm. Input noise alone makes the energy of one step jump, so a spike of a
# step or two must not count.
_SMOOTHING = 0.8
_KEEP_EVERY = 50  # steps between copies of the weights
_MAX_RETURNS = 10  # after these, DivergenceMonitor decides about the run


@dataclass
class Rollback:
    """Monitors the energy of a fit; after a collapse, restores the last good weights and halves the step size.

    The logarithm needs a zero. A squared error has one; a negative log-likelihood may fall below 0. From the first
    energy that is not positive, energies therefore count from a floor: the lowest one, less half a nat per pixel, by
    which the energy of the true image lies above the minimum on average.

    Source: the authors' code of "Deep Image Prior", which returns to the last weights when the fit falls by 5 dB.

    Attributes:
        optimizer: the parameters' optimiser, whose moments are restored too.
        x: the estimate that belongs to the kept weights, (K, C, H, W).
        level: running average of the logarithm of the energy above the floor, a scalar on the device.
        floor: the zero of that logarithm, a scalar on the device; 0 while every energy is positive.
        good_level: the average when the weights were kept.
        good_floor: the floor from which `good_level` counts.
        good_step: the step at which they were kept.
        good: copies of the parameters and the moments; None before the first.
        returns: how often the fit has been taken back.
    """

    optimizer: torch.optim.Optimizer
    x: Tensor
    level: Tensor | None = None
    floor: Tensor | None = None
    good_level: float = math.inf
    good_floor: float = 0.0
    good_step: int = 0
    good: list[Tensor] | None = None
    returns: int = 0

    def __call__(self, step: int, energy: Tensor, x: Tensor) -> str | None:
        """Check the energy of a step before its update.

        Args:
            step: the step's number, from 1.
            energy: its energy, a scalar on the device.
            x: the estimate so far, (K, C, H, W).

        Returns:
            A note for the user if the fit was taken back, else None.
        """
        log = (energy.detach() - self._lowered(energy.detach(), x[0].numel() / 2)).log()
        self.level = log if self.level is None else log.lerp(self.level, _SMOOTHING)
        # Reading the value makes the host wait for a GPU, so there only every 20th step is checked.
        if energy.device.type != "cpu" and step % 20:
            return None
        level = float(self.level)
        self._count_good_level_from_floor()
        fine = level <= self.good_level + _COLLAPSE  # false for NaN
        # Not at step 1: the optimiser has no moments before its first update.
        first = self.good is None and step > 1
        if fine and (first or step % _KEEP_EVERY == 0):
            self.good_level, self.good_step, self.x = level, step, x
            self.good = [tensor.detach().clone() for tensor in mutable_state(self.optimizer)]
        if fine or self.good is None or self.returns == _MAX_RETURNS:
            return None
        return self._restore(step)

    def _lowered(self, energy: Tensor, margin: float) -> Tensor:
        """Return the floor, lowered when the energy is no longer above it; the average then counts from it too."""
        floor = torch.zeros_like(energy) if self.floor is None else self.floor
        # Without reading a value, which would make the host wait for a GPU.
        low = torch.where(floor == 0, energy <= 0, energy - margin < floor) & energy.isfinite()
        self.floor = torch.where(low, energy - margin, floor)
        if self.level is not None:
            counted = (self.level.exp() + (floor - self.floor)).log()
            self.level = torch.where(low, counted, self.level)
        return self.floor

    def _count_good_level_from_floor(self) -> None:
        floor = float(self.floor) if self.floor is not None else 0.0
        if floor != self.good_floor:
            above = math.exp(self.good_level) + (self.good_floor - floor)
            self.good_level, self.good_floor = math.log(above), floor

    def _restore(self, step: int) -> str:
        assert self.good is not None
        assert self.level is not None
        with torch.no_grad():
            for tensor, kept in zip(mutable_state(self.optimizer), self.good, strict=True):
                tensor.copy_(kept)
        for group in self.optimizer.param_groups:
            group["lr"] *= 0.5
        # A NaN would stay in the average for ever.
        self.level = torch.full_like(self.level, self.good_level)
        self.returns += 1
        return (
            f"the fit collapsed at step {step}; returned to the weights of step {self.good_step} "
            f"and halved the step size to {self.optimizer.param_groups[0]['lr']:.3g}"
        )


def mutable_state(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """Return an optimiser's parameters and its moments of them, as the tensors themselves."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    return [*parameters, *(v for p in parameters for v in optimizer.state[p].values())]
