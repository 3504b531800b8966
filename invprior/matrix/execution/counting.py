"""Count how often a run applies the operator and its adjoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from invprior.operators.base import LinearOperator, Operator


class CallCounter:
    """Counts the applications of an operator object, which no other run may use.

    A step back through the operator by autograd counts as an adjoint. `normal` counts as one of each, however it is
    computed. Closed forms (`solve_damped` of a direct operator) count as nothing; an iterative one counts what it
    applies.
    """

    def __init__(self, operator: Operator) -> None:
        self.forward = self.adjoint = 0
        self._depth = 0
        self._wrap(operator, "forward", self._count_forward)
        if isinstance(operator, LinearOperator):
            self._wrap(operator, "adjoint", self._count_adjoint)
            self._wrap(operator, "normal", self._count_normal)

    def counts(self) -> dict[str, int]:
        """Return the counts so far."""
        return {"forward": self.forward, "adjoint": self.adjoint}

    def _wrap(self, operator: Operator, name: str, count: Callable[[Tensor], object]) -> None:
        original = getattr(operator, name)

        def counted(x: Tensor) -> Any:
            # Only the outermost call counts: `normal` may call forward and adjoint itself.
            self._depth += 1
            try:
                result = original(x)
            finally:
                self._depth -= 1
            if not self._depth:
                count(result)
            return result

        # On the object and not on its class, so that other operators count nothing.
        setattr(operator, name, counted)

    def _count_forward(self, result: Tensor) -> None:
        self.forward += 1
        if result.requires_grad:
            result.register_hook(self._count_gradient)

    def _count_gradient(self, gradient: Tensor) -> None:
        self.adjoint += 1

    def _count_adjoint(self, result: Tensor) -> None:
        self.adjoint += 1

    def _count_normal(self, result: Tensor) -> None:
        self.forward, self.adjoint = self.forward + 1, self.adjoint + 1
