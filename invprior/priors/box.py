"""Constraints on intensities, as terms of a prior."""

from __future__ import annotations

import copy

from torch import Tensor

from invprior.errors import OptionError
from invprior.problem.functionals import Proximable


class Box(Proximable):
    """Keeps every intensity from `low` to `high`: R(x) = 0 inside, infinite outside.

    Add it to another prior, as in tv + box:low=0,high=1. It takes no weight. The restoration lies inside exactly.
    Solvers that differentiate every term refuse it, and so does a network, whose output has a range of its own.

    Args:
        low: smallest intensity, in units of the data; no limit if it is absent.
        high: largest intensity, in units of the data; no limit if it is absent.

    Source: Parikh and Boyd 2014, "Proximal algorithms", section 6.2.4.
    """

    term_options = ()
    # The bounds are scaled with the run, see `rescaled`, but a shift would need others.
    degree = 0.0
    projects = True

    def __init__(self, *, low: float | None = None, high: float | None = None) -> None:
        if low is None and high is None:
            raise OptionError("box must be given low, high or both, as in box:low=0,high=1.")
        if low is not None and high is not None and low >= high:
            raise OptionError(
                f'The option "low" of box must be below high, {high:g}; got {low:g}. Exchange them.'
            )
        super().__init__()
        self.low, self.high = low, high
        self._unit = 1.0

    def rescaled(self, scale: float) -> Box:
        """Return the same constraint for a run whose unit of intensity is `scale`."""
        other = copy.copy(self)
        other._unit = self._unit * scale
        return other

    def prox(self, v: Tensor, tau: float) -> Tensor:
        """Return the nearest image inside, whatever tau is."""
        low, high = (None if end is None else end / self._unit for end in (self.low, self.high))
        return v.clamp(low, high)


class Nonneg(Box):
    """Keeps every intensity at 0 or above; it is box:low=0."""

    def __init__(self) -> None:
        super().__init__(low=0.0)
