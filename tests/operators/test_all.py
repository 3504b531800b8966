"""What every linear operator must do."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from invprior.numerics.linalg import conjugate_gradients
from invprior.operators.base import Compose, LinearOperator, Recipe
from tests.operators.cases import ALL, SIZES, cases, dense, rand, randn

EXACT = {torch.float32: 1e-5, torch.float64: 1e-10}


@cases(ALL)
@pytest.mark.parametrize("dtype", EXACT)
def test_adjoint(recipe: Recipe, dtype: torch.dtype) -> None:
    for size in SIZES:
        a = recipe((3, *size))
        x = rand((2, *a.image_shape), 1, dtype)
        y = rand((2, *a.measurement_shape), 2, dtype)
        ratio = float((a(x) * y).sum() / (x * a.adjoint(y)).sum())
        assert ratio == pytest.approx(1.0, abs=EXACT[dtype])
        assert a(x).dtype == a.adjoint(y).dtype == dtype
        assert a(x).shape[1:] == a.measurement_shape


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    name=st.sampled_from(sorted(ALL)),
    channels=st.integers(1, 4),
    height=st.integers(13, 31),
    width=st.integers(13, 31),
    seed=st.integers(0, 99),
)
def test_adjoint_of_any_size(name: str, channels: int, height: int, width: int, seed: int) -> None:
    a = ALL[name]((channels, height, width))
    x = randn((1, *a.image_shape), seed)
    y = randn((1, *a.measurement_shape), seed + 1)
    scale = a(x).norm() * y.norm()
    assert torch.allclose((a(x) * y).sum(), (x * a.adjoint(y)).sum(), rtol=0, atol=1e-12 * scale)


@cases(ALL)
def test_linear_and_inputs_untouched(recipe: Recipe) -> None:
    a = recipe((2, 14, 15))
    u, v = randn((1, 2, 14, 15), 1), randn((1, 2, 14, 15), 2)
    kept = u.clone()
    assert torch.allclose(a(2.0 * u - 3.0 * v), 2.0 * a(u) - 3.0 * a(v), atol=1e-12)
    a.adjoint(a(u))
    a.normal(u)
    a.solve_damped(u, 0.1)
    assert torch.equal(u, kept)


@cases(ALL)
def test_images_and_channels_never_mix(recipe: Recipe) -> None:
    a, single = recipe((7, 14, 15)), recipe((1, 14, 15))
    x = randn((2, 7, 14, 15), 1)
    for apply, alone in ((a.forward, single.forward), (a.normal, single.normal)):
        both = apply(x)
        assert torch.allclose(both[1, 3], alone(x[1:, 3:4])[0, 0], atol=1e-12)
    solved = a.solve_damped(x, 0.3)
    assert torch.allclose(solved[1, 3], single.solve_damped(x[1:, 3:4], 0.3)[0, 0], atol=1e-5)


@cases(ALL)
def test_norm_is_an_upper_bound_and_tight_for_single_operators(recipe: Recipe) -> None:
    for size in SIZES:
        a = recipe((1, *size))
        largest = float(torch.linalg.matrix_norm(dense(a), ord=2))
        assert largest <= a.norm()
        assert isinstance(a, Compose) or a.norm() <= 1.05 * largest


@cases(ALL)
@pytest.mark.parametrize("damping", [2e-3, 0.5])
def test_solve_damped(recipe: Recipe, damping: float) -> None:
    for size in SIZES:
        a = recipe((1, *size))
        rhs = randn((1, *a.image_shape), 1, torch.float32)
        gram = dense(a).T @ dense(a) + damping * torch.eye(size[0] * size[1], dtype=torch.float64)
        exact = torch.linalg.solve(gram, rhs.double().flatten(1).T).T.view(rhs.shape)
        assert (a.solve_damped(rhs, damping) - exact).norm() <= 1e-4 * exact.norm()


@cases(ALL)
def test_solve_damped_agrees_with_conjugate_gradients(recipe: Recipe) -> None:
    a = recipe((2, 13, 14))
    rhs = randn((2, 2, 13, 14), 1, torch.float32)
    slow = conjugate_gradients(lambda x: a.normal(x) + 0.05 * x, rhs)
    assert (a.solve_damped(rhs, 0.05) - slow).norm() <= 1e-4 * slow.norm()


@cases(ALL)
def test_autograd_is_the_adjoint(recipe: Recipe) -> None:
    a = recipe((2, 14, 15))
    y = randn((1, *a.measurement_shape), 2)
    assert torch.allclose(LinearOperator.adjoint(a, y), a.adjoint(y), atol=1e-12)
    (back,) = torch.autograd.functional.vjp(a.adjoint, y, randn((1, 2, 14, 15), 3))[1:]
    assert torch.allclose(back, a(randn((1, 2, 14, 15), 3)), atol=1e-12)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # raised inside torch.func
def test_second_and_forward_derivatives() -> None:
    a = ALL["blur-motion-reflect"]((1, 13, 13))
    x = randn((1, 1, 13, 13), 1).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: (a(x) ** 2).sum(), x)
    v = randn((1, 1, 13, 13), 2)
    _, tangent = torch.func.jvp(a, (x.detach(),), (v,))
    assert torch.allclose(tangent, a(v))


@cases(ALL)
def test_image_shape_for_inverts_the_measurement_shape(recipe: Recipe) -> None:
    a = recipe.for_measurement((3, 17, 20))
    assert a.measurement_shape == (3, 17, 20)
    assert a.image_shape == recipe.image_shape_for((3, 17, 20))


@cases(ALL)
def test_copies_and_conversions(recipe: Recipe) -> None:
    a = recipe((2, 14, 15))
    x = rand((1, 2, 14, 15), 1)
    exact = a(x)
    a.solve_damped(x, 0.1)
    for other in (copy.deepcopy(a), pickle.loads(pickle.dumps(a)), a.float().double()):
        assert torch.equal(other(x), exact)
        assert torch.allclose(other(x.float()).double(), exact, atol=1e-6)


@cases(ALL)
def test_works_with_autograd_after_inference_mode(recipe: Recipe) -> None:
    a = recipe((1, 14, 15))
    x = rand((1, 1, 14, 15), 1)
    with torch.inference_mode():
        a(x)
        a.solve_damped(x, 0.5)
    x.requires_grad_()
    a(x).sum().backward()
    a.solve_damped(x, 0.5).sum().backward()
    assert x.grad is not None
