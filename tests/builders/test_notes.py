"""Notes on a given noise level that cannot be meant."""

import pytest
import torch

import invprior
from invprior import samples
from invprior.fidelities.gaussian import Gaussian
from invprior.fidelities.huber import Huber
from invprior.noises.gaussian import GaussianNoise

RANGE = "exceeds the range of the measurement"


def picture():
    return samples.load("camera", 16).x


def notes(y, *, steps=2, **options):
    return invprior.solve(y, prior="tikhonov:weight=1", steps=steps, **options).notes


@pytest.mark.parametrize(
    "given",
    [
        {"noise": "gaussian:sigma=25"},
        {"fidelity": "gaussian:sigma=25"},
        {"fidelity": Gaussian(sigma=25)},
        {"fidelity": Huber(sigma=25.0)},
        {"noise": GaussianNoise(sigma=25.0)},
        {"fidelity": "laplace:scale=25", "solver": "adam", "steps": 60},
        {"noise": "poisson:peak=0.001", "solver": "adam", "steps": 60},
    ],
)
def test_a_noise_level_above_the_range_of_the_measurement_is_noted(given):
    y = picture()
    (note,) = [n for n in notes(y, **given) if RANGE in n]
    assert f"{float(y.min()):.3g} to {float(y.max()):.3g}" in note
    if "poisson" in str(given):
        assert "peak is the expected count at intensity 1" in note
    else:
        assert "in units of the data" in note
        assert "25 of 255 is 0.098" in note


@pytest.mark.parametrize("sigma", [0.01, 0.1, 0.5])
def test_a_plausible_noise_level_has_no_note(sigma):
    assert not any(RANGE in n for n in notes(picture(), noise=f"gaussian:sigma={sigma}"))
    noisy, _ = invprior.simulate(picture(), operator="denoise", noise=f"gaussian:sigma={sigma}")
    assert not any(RANGE in n for n in notes(noisy, noise=f"gaussian:sigma={sigma}"))


def test_data_of_0_to_255_take_a_sigma_of_25():
    assert not any(RANGE in n for n in notes(255 * picture(), noise="gaussian:sigma=25"))


def test_missing_entries_do_not_widen_the_range():
    y = picture() + 100.0
    found = notes(y, operator="inpaint:keep=0.5", noise="gaussian:sigma=25")
    assert any(RANGE in n for n in found)


def test_flat_tiles_have_no_note():
    y = picture()
    y[..., :8] = 0.5 + 0.001 * torch.rand(1, 1, 16, 8)
    (problem,) = invprior.build(y, prior="tv:weight=1", noise="gaussian:sigma=0.1")
    from invprior.numerics.box import Box
    from invprior.problem.restriction import restrict

    assert restrict(problem, Box(0, 0, 8, 8)).notes == ()


@pytest.mark.parametrize("noise", ["gaussian:sigma=0", GaussianNoise(sigma=0.0)])
def test_a_sigma_of_0_is_estimated_with_a_note(noise):
    (problem,) = invprior.build(picture(), prior="tv:weight=1", noise=noise)
    (estimated,) = invprior.build(picture(), prior="tv:weight=1")
    assert problem.noise_level == estimated.noise_level
    (note,) = [n for n in notes(picture(), noise=noise) if "sigma=0" in n]
    assert f"{problem.noise_level:.3g} is estimated" in note
    assert f"gaussian:sigma={problem.noise_level / 10:.1g}" in note
    assert not any(
        "sigma=0" in n for n in notes(picture(), noise=noise, fidelity="gaussian:sigma=0.1")
    )
    assert not any("sigma=0" in n for n in notes(picture()))
