"""What a solver fits to the measurement: the data term E(A x; y)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from invprior.fidelities.base import Fidelity
from invprior.operators.base import LinearOperator, Operator


@dataclass(frozen=True)
class DataTerm:
    """E(A x; target), a sum over the measurements.

    Attributes:
        operator: the forward operator A.
        target: the measurement, (1, *operator.measurement_shape).
        fidelity: E, its noise parameter set.
        noise_level: standard deviation of the noise in the target.
        held_out: the measurements that each of K networks does not fit, boolean, (K, *operator.measurement_shape);
            None where all are fitted.
    """

    operator: Operator
    target: Tensor
    fidelity: Fidelity
    noise_level: float
    held_out: Tensor | None = None

    def fitted(self, prediction: Tensor, offset: Tensor | None = None) -> Tensor:
        """Return the predictions (K, ...) as the fit sees them: shifted, and the target where held out."""
        if offset is not None:
            prediction = prediction + offset
        # A single image, as the mean of K networks, has fitted everything through one network or another.
        if self.held_out is None or len(prediction) != len(self.held_out):
            return prediction
        return torch.where(self.held_out, self.target, prediction)

    def value(self, x: Tensor, offset: Tensor | None = None) -> Tensor:
        """Compute E of the fitted measurements, a scalar, the sum over images x, (K, C, H, W); differentiable."""
        prediction = self.fitted(self.operator(x), offset)
        return self.fidelity.value(prediction, self._targets(len(x))).sum()

    def gradient(self, x: Tensor) -> Tensor:
        """Compute the gradient of `value` for a linear operator, without building a graph."""
        operator = self.linear_operator
        return operator.adjoint(self.fidelity.gradient(self.fitted(operator(x)), self.target))

    def lipschitz(self) -> float:
        """Return an upper bound on the Lipschitz constant of `gradient`."""
        return self.fidelity.lipschitz() * self.linear_operator.norm() ** 2

    @property
    def linear_operator(self) -> LinearOperator:
        """The operator, for solvers that have been routed to a linear one."""
        assert isinstance(self.operator, LinearOperator)
        return self.operator

    def _targets(self, count: int) -> Tensor:
        return self.target.expand(count, *self.target.shape[1:])
