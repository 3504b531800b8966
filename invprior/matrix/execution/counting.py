"""How often a run applies the operator and its adjoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from invprior.operators.base import LinearOperator, Operator


class Calls:
    """Counts the applications of an operator, which must be used by one run alone.

    A step back through the operator by autograd counts as an adjoint, and `normal` as one of each, however it is
    computed. Closed forms (`solve_damped` of a direct operator) count as nothing; one that iterates counts what it
    applies.
    """

    def __init__(self, operator: Operator) -> None:
        self.forward = self.adjoint = 0
        self._inside = 0
        self._wrap(operator, "forward", self._forward)
        if isinstance(operator, LinearOperator):
            self._wrap(operator, "adjoint", self._adjoint)
            self._wrap(operator, "normal", self._normal)

    def restart(self) -> None:
        """Forget what was counted."""
        self.forward = self.adjoint = 0

    def figures(self) -> dict[str, int]:
        """The counts so far."""
        return {"forward": self.forward, "adjoint": self.adjoint}

    def _wrap(self, operator: Operator, name: str, count: Callable[[Tensor], object]) -> None:
        original = getattr(operator, name)

        def counted(x: Tensor) -> Any:
            self._inside += 1  # what an operator does to compute the call does not count again
            try:
                result = original(x)
            finally:
                self._inside -= 1
            if not self._inside:
                count(result)
            return result

        setattr(operator, name, counted)

    def _forward(self, result: Tensor) -> None:
        self.forward += 1
        if result.requires_grad:
            result.register_hook(self._back)

    def _back(self, gradient: Tensor) -> None:
        self.adjoint += 1

    def _adjoint(self, result: Tensor) -> None:
        self.adjoint += 1

    def _normal(self, result: Tensor) -> None:
        self.forward, self.adjoint = self.forward + 1, self.adjoint + 1
