"""A problem of which a stopping rule keeps a part to validate the estimate."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from torch import Tensor

from invprior.errors import IncompatibleError
from invprior.problem.data import DataTerm
from invprior.problem.problem import Problem


@dataclass(frozen=True, repr=False)
class SplitProblem(Problem):
    """A problem as a run fits it, with the data that validate its estimates.

    Attributes:
        held_out: the measurements that each of K networks does not fit, boolean, (K, *operator.measurement_shape);
            None if all are fitted.
        reference: another copy of y, of the same shape, that is not fitted; None without one.
    """

    held_out: Tensor | None = None
    reference: Tensor | None = None

    @property
    def data(self) -> DataTerm:
        """The data term without the held-out measurements."""
        return replace(super().data, held_out=self.held_out)


def split(problem: Problem, **changes: Any) -> SplitProblem:
    """Return the problem as a `SplitProblem` with some fields changed.

    Args:
        problem: the problem, which may be split already.
        **changes: new values of its fields, `held_out` and `reference` among them.

    Raises:
        IncompatibleError: the fidelity takes blocks of measurements, of which none can be held out.
    """
    if changes.get("held_out") is not None and problem.fidelity.block > 1:
        raise IncompatibleError(
            f"The stopping rule holds out single measurements, and {problem.fidelity.title} takes blocks of them. Use "
            "another rule, such as max-steps (--stop max-steps:steps=500)."
        )
    # Not `replace`, which would keep the class `Problem`.
    known = {f.name: getattr(problem, f.name) for f in fields(problem)}
    return SplitProblem(**{**known, **changes})
