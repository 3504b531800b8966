"""The norm of an operator, which is kept."""

import torch

from invprior.operators.base import LinearOperator


class Scaling(LinearOperator):
    """A scaling that counts how often its norm is computed."""

    computed = 0

    def __init__(self):
        super().__init__((1, 2, 2))
        self.factor = torch.tensor([2.0])

    def forward(self, x):
        return self.factor * x

    def _spectral_norm(self):
        Scaling.computed += 1
        return super()._spectral_norm()


def test_the_norm_is_computed_again_only_after_a_change():
    operator, Scaling.computed = Scaling(), 0
    assert abs(operator.norm() - 2) < 0.05
    assert operator.norm() == operator.norm()
    assert Scaling.computed == 1
    operator.factor.mul_(2)
    assert abs(operator.norm() - 4) < 0.1
    operator.factor = torch.tensor([3.0])
    assert abs(operator.norm() - 3) < 0.1
    operator.table = [1.0]  # may change unseen
    before = Scaling.computed
    assert operator.norm() == operator.norm()
    assert Scaling.computed == before + 2
