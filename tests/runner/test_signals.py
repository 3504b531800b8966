"""A signal (N,) in, a signal (N,) out; an array (1, N) stays an image."""

import numpy as np
import pytest
import torch

import invprior

N = 60
T = np.linspace(0, 1, N)
SIGNAL = np.exp(-((T - 0.4) ** 2) / 0.01)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64])
@pytest.mark.parametrize("as_tensor", [False, True])
def test_solve_keeps_one_dimension(dtype, as_tensor):
    y = (SIGNAL * (1 + 1j)).astype(dtype) if dtype is np.complex64 else SIGNAL.astype(dtype)
    given = torch.from_numpy(y) if as_tensor else y
    options = {
        "prior": "tikhonov:weight=10",
        "noise": "gaussian:sigma=0.05",
        "dtype": torch.float64,
    }
    found = invprior.solve(given, x0=given, **options)
    assert found.signal
    assert found.x.shape == (1, 1, 1, N)
    assert found.to_numpy().shape == (N,)
    assert np.iscomplexobj(found.to_numpy()) == np.iscomplexobj(y)
    image = invprior.solve(given[None], **options)
    assert not image.signal
    assert image.to_numpy().shape == (1, N)
    assert np.allclose(image.to_numpy()[0], found.to_numpy(), atol=1e-3)


def test_simulate_measures_a_signal_as_one_row():
    y, operator = invprior.simulate(SIGNAL, operator="blur:sigma=2", noise="gaussian:sigma=0.01")
    assert y.shape == (1, 1, 1, N)
    assert operator.image_shape == (1, 1, N)


def test_a_vector_of_a_signal_gives_a_signal(tmp_path):
    options = {"prior": "tikhonov:weight=1", "noise": "gaussian:sigma=0.01"}
    y, operator = invprior.simulate(SIGNAL, operator="matrix:keep=0.8", noise=options["noise"])
    assert y.shape == (1, 48)
    assert invprior.solve(y[0], operator=operator, **options).to_numpy().shape == (N,)
    spec = f"matrix:keep=0.8,size=[1,{N}]"
    assert invprior.solve(y[0], operator=spec, **options).to_numpy().shape == (N,)
    np.save(tmp_path / "y.npy", y[0])
    assert invprior.solve(tmp_path / "y.npy", operator=spec, **options).to_numpy().shape == (N,)
    # A square image that a vector measures stays an image.
    square = torch.linspace(0, 1, 64).reshape(8, 8)
    y, operator = invprior.simulate(square, operator="matrix:keep=0.5", noise=options["noise"])
    assert invprior.solve(y[0], operator=operator, **options).to_numpy().shape == (8, 8)


def test_runs_and_iterates_of_a_signal():
    found = invprior.solve(
        SIGNAL, prior="dip:preset=fast", steps=2, runs=2, noise="gaussian:sigma=0.05"
    )
    assert found.to_numpy().shape == (N,)
    assert [member.to_numpy().shape for member in found.members] == [(N,)] * 2
    (problem,) = invprior.build(SIGNAL, prior="tikhonov:weight=1", noise="gaussian:sigma=0.05")
    assert invprior.solve_problem(problem).to_numpy().shape == (N,)


def test_a_solution_saves_a_signal(tmp_path):
    found = invprior.solve(SIGNAL, prior="tikhonov:weight=1", noise="gaussian:sigma=0.05")
    found.save(tmp_path / "x.npy")
    assert np.load(tmp_path / "x.npy").shape == (N,)
    found.save(tmp_path / "x.csv")
    assert np.array_equal(np.loadtxt(tmp_path / "x.csv").astype(np.float32), found.to_numpy())
