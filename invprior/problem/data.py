"""The data term E(A x; y), which a solver fits to the measurement."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from invprior.fidelities.base import Fidelity
from invprior.noise_estimation.base import NoiseEstimate
from invprior.operators.base import LinearOperator, Operator


@dataclass(frozen=True)
class DataTerm:
    """The data term E(A x; target), a sum over the measurements.

    Attributes:
        operator: the forward operator A.
        target: the measurement, (1, *operator.measurement_shape).
        fidelity: E, with its noise parameter set.
        noise_level: standard deviation of the noise in the target.
        noise: the estimate of the noise in the target; None if the level was given.
        held_out: true where a network does not fit a measurement, boolean, (K, *operator.measurement_shape) for an
            ensemble of K networks; None when all measurements are fitted.
    """

    operator: Operator
    target: Tensor
    fidelity: Fidelity
    noise_level: float
    noise: NoiseEstimate | None = None
    held_out: Tensor | None = None

    def fitted(self, prediction: Tensor, offset: Tensor | None = None) -> Tensor:
        """Return the predictions (K, ...) plus the offset, with the target in place of held-out entries."""
        if offset is not None:
            prediction = prediction + offset
        # Each measurement is fitted by some network, so the mean of all K, a single image, has held out none.
        if self.held_out is None or len(prediction) != len(self.held_out):
            return prediction
        # Where the target stands, no gradient reaches the network.
        return torch.where(self.held_out, self.target, prediction)

    def value(self, x: Tensor, offset: Tensor | None = None) -> Tensor:
        """Compute E of the fitted measurements, a differentiable scalar, summed over the images.

        Args:
            x: images, (K, C, H, W).
            offset: added to the predictions A x, (K, *operator.measurement_shape); None for nothing.
        """
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
        """The operator, for solvers that `route` has given a linear one."""
        assert isinstance(self.operator, LinearOperator)
        return self.operator

    def _targets(self, count: int) -> Tensor:
        return self.target.expand(count, *self.target.shape[1:])
