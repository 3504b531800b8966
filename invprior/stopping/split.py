"""A problem of which a stopping rule keeps a part to validate the estimate on."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from torch import Tensor

from invprior.problem.data import DataTerm
from invprior.problem.problem import Problem


@dataclass(frozen=True, repr=False)
class SplitProblem(Problem):
    """A problem as a run fits it, and what validates its estimates.

    Attributes:
        held_out: the measurements that each of K networks does not fit, boolean, (K, *operator.measurement_shape).
        reference: another copy of y, of the same shape, that is not fitted.
    """

    held_out: Tensor | None = None
    reference: Tensor | None = None

    @property
    def data(self) -> DataTerm:
        """The data term without what is held out."""
        return replace(super().data, held_out=self.held_out)


def split(problem: Problem, **changes: Any) -> SplitProblem:
    """Return the problem with some fields changed, `held_out` and `reference` among them."""
    known = {f.name: getattr(problem, f.name) for f in fields(problem)}
    return SplitProblem(**{**known, **changes})
