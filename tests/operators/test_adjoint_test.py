"""Whether an adjoint is one; how it is wrong is tested with the kit, in tests/testing."""

import numpy as np
import pytest
import torch

from invprior.operators.adjoint_test import adjoint_fault, exact_adjoint
from invprior.operators.base import LinearOperator

X = torch.zeros(1, 1, 4, 3, dtype=torch.float64)


class Matrix(LinearOperator):
    """A random matrix, complex if asked, which counts how often it is applied."""

    def __init__(self, complex_valued=False, through_numpy=False):
        super().__init__((1, 4, 3), (7,))
        dtype = torch.complex128 if complex_valued else torch.float64
        self.matrix = torch.randn(7, 12, generator=torch.Generator().manual_seed(0), dtype=dtype)
        self.through_numpy, self.applied = through_numpy, 0

    def forward(self, x):
        self.applied += 1
        if self.through_numpy:
            return torch.from_numpy(
                np.asarray(x.detach().flatten(1).numpy() @ self.matrix.T.numpy())
            )
        return x.to(self.matrix).flatten(1) @ self.matrix.T

    def adjoint(self, y):
        return (y @ self.matrix.conj()).real.view(-1, 1, 4, 3)


class Inexact(Matrix):
    def adjoint(self, y):
        return super().adjoint(y) + 1e-4 * y.real.sum()


class Default(Matrix):
    adjoint = LinearOperator.adjoint


@pytest.mark.parametrize("complex_valued", [False, True])
@pytest.mark.parametrize("through_numpy", [False, True])
def test_an_adjoint_passes_and_is_the_exact_one(complex_valued, through_numpy):
    operator = Matrix(complex_valued, through_numpy)
    assert adjoint_fault(operator, X, 1e-12) is None
    assert operator.applied == 1
    y = operator(torch.rand(1, 1, 4, 3, generator=torch.Generator().manual_seed(1), dtype=X.dtype))
    torch.testing.assert_close(exact_adjoint(operator, y), operator.adjoint(y))


def test_the_tolerance_decides():
    assert adjoint_fault(Inexact(), X, 1e-2) is None
    assert "another operator's" in adjoint_fault(Inexact(), X, 1e-8)


def test_the_default_adjoint_needs_no_look():
    operator = Default()
    assert adjoint_fault(operator, X, 0.0) is None
    assert operator.applied == 0
