"""Measurements of exactly the operator's shape, such as vectors."""

import pytest
import torch

import invprior
from invprior.builders.problem import build
from invprior.errors import MeasurementError
from invprior.operators.base import LinearOperator, Operator


class Matrix(LinearOperator):
    """A random matrix: y is a vector."""

    def __init__(self, image_shape, shape=(40,)):
        super().__init__(image_shape, shape)
        generator = torch.Generator().manual_seed(0)
        rows, columns = torch.Size(shape).numel(), torch.Size(image_shape).numel()
        self.register_buffer("matrix", torch.randn(rows, columns, generator=generator) / 8)

    def forward(self, x):
        return (x.flatten(1) @ self.matrix.T).view(len(x), *self.measurement_shape)


SHAPES = [(40,), (8, 5), (2, 5, 4), (2, 2, 2, 5), (1, 8, 5)]


def truth():
    return torch.rand((1, 1, 6, 5), generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("batch", [False, True])
def test_a_measurement_of_the_operators_shape_is_solved(shape, batch):
    operator = Matrix((1, 6, 5), shape)
    y = operator(truth())
    given = y if batch else y[0]
    solution = invprior.solve(
        given,
        operator=operator,
        prior="tikhonov:weight=0.001",
        noise="gaussian:sigma=0.01",
        solver="lbfgs",
        steps=100,
    )
    assert tuple(solution.x.shape) == (1, 1, 6, 5)
    assert torch.allclose(solution.x, truth(), atol=0.02)


@pytest.mark.parametrize("form", ["array", "float64", "integers"])
def test_arrays_may_be_vectors(form):
    import numpy as np

    operator = Matrix((1, 6, 5))
    y = operator(truth())[0].numpy()
    y = (100 * y).astype(np.int64) if form == "integers" else y
    given = y.astype(np.float64) if form == "float64" else y
    (problem,) = build(given, operator=operator, prior="tikhonov", noise="gaussian:sigma=0.1")
    assert tuple(problem.y.shape) == (1, 40)
    assert np.array_equal(problem.y[0].numpy(), y)


def test_a_batch_of_vectors_is_solved_one_by_one():
    operator = Matrix((1, 6, 5))
    y = operator(torch.cat([truth(), 1 - truth(), truth() / 2]))
    problems = build(y, operator=operator, prior="tikhonov", noise="gaussian:sigma=0.1")
    assert torch.equal(torch.cat([p.y for p in problems]), y)


def test_masked_and_missing_entries_of_a_vector():
    import numpy as np

    operator = Matrix((1, 6, 5))
    y = operator(truth())[0].numpy()
    masked = np.ma.masked_array(y, mask=np.arange(40) == 3)
    options = {"operator": operator, "prior": "tikhonov", "noise": "gaussian:sigma=0.1"}
    with pytest.raises(MeasurementError, match="1 of its 40 values are NaN"):
        build(masked, **options)
    assert build(masked, nan="mask", **options)[0].measurements == 39


def test_complex_vectors_are_refused():
    operator = Matrix((1, 6, 5))
    with pytest.raises(MeasurementError, match="complex64"):
        build((operator(truth())[0] * 1j), operator=operator, prior="tikhonov")


def test_a_vector_of_another_length_is_refused():
    with pytest.raises(MeasurementError, match=r"\(40,\) that the operator gives.*got \(41,\)"):
        build(
            torch.zeros(41), operator=Matrix((1, 6, 5)), prior="tikhonov", noise="gaussian:sigma=1"
        )


def test_a_vector_is_a_signal_where_the_operator_measures_images():
    (problem,) = build(torch.linspace(0, 1, 40), operator="denoise", prior="tikhonov")
    assert problem.y.shape == (1, 1, 1, 40)
    assert problem.is_signal
    (image,) = build(torch.linspace(0, 1, 40)[None], operator="denoise", prior="tikhonov")
    assert image.y.shape == (1, 1, 1, 40)
    assert not image.is_signal


def test_images_keep_their_reading():
    """An operator of channels last would be a guess; (H, W, C) arrays are images as before."""

    class Same(Operator):
        def forward(self, x):
            return x

    import numpy as np

    y = np.zeros((6, 5, 3), np.uint8)
    y[..., 0] = 255
    (problem,) = build(y, operator=Same((3, 6, 5)), prior="tikhonov", noise="gaussian:sigma=1")
    assert problem.y[0, 0].min() == 1.0
    assert problem.y[0, 1].max() == 0.0


@pytest.mark.parametrize("shape", SHAPES)
def test_the_noise_of_a_vector_may_be_open(shape):
    operator = Matrix((1, 6, 5), shape)
    solution = invprior.solve(
        operator(truth()), operator=operator, prior="tikhonov:weight=1", steps=3
    )
    assert torch.isfinite(solution.x).all()
