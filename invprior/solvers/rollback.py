"""Back to the last good weights when a network's fit collapses."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

_COLLAPSE = math.log(10) / 2  # the energy's rise, 5 dB, as in the authors' code
_MEMORY = 0.8  # decay of the logarithm of the energy: a spike of a step or two is no collapse
_KEEP_EVERY = 50  # steps between copies of the weights
_MOST = 10  # returns, after which the run is left to the guard


@dataclass
class Rollback:
    """Watches the energy of a fit, keeps a copy of the last good weights, and goes back to it with half the step size.

    Source: the authors' code of "Deep Image Prior", which returns to the last weights when the fit falls by 5 dB.

    Args:
        optimizer: the parameters' optimiser, whose moments go back too.
        x: the estimate that goes with the weights.
    """

    optimizer: torch.optim.Optimizer
    x: Tensor
    level: Tensor | None = None
    good_level: float = math.inf
    good_step: int = 0
    good: list[Tensor] | None = None
    returns: int = 0

    def __call__(self, step: int, energy: Tensor, x: Tensor) -> str | None:
        """Look at the step's energy, before its update; return what was done, if anything was.

        The device is asked for a figure at every step on the CPU, every 20th elsewhere.
        """
        log = energy.detach().log()
        self.level = log if self.level is None else log.lerp(self.level, _MEMORY)
        if energy.device.type != "cpu" and step % 20:
            return None
        level = float(self.level)
        fine = level <= self.good_level + _COLLAPSE  # NaN is not
        first = self.good is None and step > 1  # once the optimiser has its moments
        if fine and (first or step % _KEEP_EVERY == 0):
            self.good_level, self.good_step, self.x = level, step, x
            self.good = [tensor.detach().clone() for tensor in mutable_state(self.optimizer)]
        if fine or self.good is None or self.returns == _MOST:
            return None
        return self._go_back(step)

    def _go_back(self, step: int) -> str:
        assert self.good is not None
        assert self.level is not None
        with torch.no_grad():
            for tensor, kept in zip(mutable_state(self.optimizer), self.good, strict=True):
                tensor.copy_(kept)
        for group in self.optimizer.param_groups:
            group["lr"] *= 0.5
        self.level = torch.full_like(self.level, self.good_level)
        self.returns += 1
        return (
            f"the fit collapsed at step {step}; back to the weights of step {self.good_step}, "
            f"with step size {self.optimizer.param_groups[0]['lr']:.3g}"
        )


def mutable_state(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """List an optimiser's parameters and its moments of them."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    return [*parameters, *(v for p in parameters for v in optimizer.state[p].values())]
