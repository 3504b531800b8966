"""The norm of an operator, which is kept."""

import pytest
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


class Product(LinearOperator):
    """A product with a sparse matrix, as a benchmark's own tomography has."""

    def __init__(self, matrix):
        super().__init__((1, 2, 2))
        self.register_buffer("matrix", matrix)

    def forward(self, x):
        return (self.matrix @ x.reshape(-1, 4).T).T.reshape(x.shape)


@pytest.mark.filterwarnings("ignore:Sparse:UserWarning")
@pytest.mark.parametrize("layout", ["sparse_coo", "sparse_csr", "sparse_csc"])
def test_a_sparse_operator_has_the_norm_of_its_present_values(layout):
    matrix = (2 * torch.eye(4)).to_sparse(layout=getattr(torch, layout))
    operator = Product(matrix)
    assert abs(operator.norm() - 2) < 0.05
    assert operator.norm() == operator.norm()
    (matrix._values() if layout == "sparse_coo" else matrix.values()).mul_(2)
    assert abs(operator.norm() - 4) < 0.1
