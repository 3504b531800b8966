"""Tests of deepinv's parts in invprior; skipped where deepinv cannot be imported."""

import pytest

pytest.importorskip(
    "deepinv",
    reason="deepinv cannot be imported; it needs the torchvision of the installed torch",
    exc_type=ImportError,
)

import deepinv
import torch
from deepinv.physics.functional.blur import gaussian_blur
from invprior_deepinv.denoiser import DeepinvDenoiser
from invprior_deepinv.dip import DeepinvDip
from invprior_deepinv.operators import Deepinv, DeepinvNonlinear
from safetensors.torch import save_file

import invprior
from invprior import IncompatibleError, OptionError, samples
from invprior.testing import parametrize_checks

pytestmark = pytest.mark.filterwarnings("ignore")  # deepinv's own warnings


def blur(image_shape):
    return deepinv.physics.BlurFFT(img_size=image_shape, filter=gaussian_blur(sigma=1.0))


def halved(image_shape):
    return deepinv.physics.Downsampling(
        img_size=image_shape, factor=2, filter="gaussian", padding="circular"
    )


def squared(image_shape):
    return deepinv.physics.Physics(A=lambda x, **_: x**2)


SIZE = (3, 16, 16)


@parametrize_checks(
    Deepinv(SIZE, physics=blur).double(),
    Deepinv(SIZE, physics=halved, image=SIZE).double(),
    DeepinvNonlinear(SIZE, physics=squared),
)
def test_operators(check):
    check()


@parametrize_checks(
    DeepinvDenoiser(model="TVDenoiser"),
)
def test_a_classical_denoiser(check):
    check()


def error(x, truth):
    return float((x - truth).square().mean().sqrt())


def test_operators_equal_deepinvs():
    x = torch.rand((2, *SIZE), generator=torch.Generator().manual_seed(0))
    assert torch.equal(Deepinv(SIZE, physics=blur)(x), blur(SIZE).A(x))
    rows = deepinv.physics.LinearPhysics(A=lambda x, **_: x[..., ::2, :], img_size=SIZE)
    assert Deepinv.image_shape_for((3, 8, 16), physics=rows) == SIZE
    assert Deepinv.image_shape_for((3, 8, 8), physics=halved, image=SIZE) == SIZE
    with pytest.raises(OptionError, match='"image" of deepinv'):
        Deepinv.image_shape_for((3, 8, 8), physics=halved)


@pytest.mark.parametrize(
    ("physics", "error", "message"),
    [
        (squared, OptionError, "must be linear; got Physics. Use the operator deepinv-nonlinear"),
        (lambda shape: 3, OptionError, "one of its Physics.*got int"),
        ("no_such_module:x", OptionError, "No module named 'no_such_module'"),
        (blur((3, 64, 64)), IncompatibleError, r"accepts no image of shape \(3, 16, 16\)"),
        (
            lambda shape: deepinv.physics.Physics(A=lambda x, **_: x + 0j),
            OptionError,
            "complex values",
        ),
    ],
)
def test_wrong_physics_is_refused(physics, error, message):
    with pytest.raises(error, match=message):
        Deepinv(SIZE, physics=physics)


def test_it_restores():
    truth = samples.load("astronaut", 32).x[..., :16, :16]
    y, operator = invprior.simulate(
        truth, operator=Deepinv(SIZE, physics=blur), noise="gaussian:sigma=0.02"
    )
    solution = invprior.solve(y, operator=operator, prior="tv:weight=5", steps=20)
    assert error(solution.x, truth) < error(y, truth)
    assert solution.provenance["plugins"] == {"invprior-deepinv": "0.1.0"}


def test_weights_come_from_a_file_or_from_a_seed(tmp_path):
    x = torch.rand((2, 1, 9, 21), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    one = DeepinvDenoiser(model="DnCNN", weights="random", channels=1)
    before = torch.random.get_rng_state()
    again = DeepinvDenoiser(model="DnCNN", weights="random", channels=1)
    other = DeepinvDenoiser(model="DnCNN", weights="random", channels=1, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(one.denoise(x, 0.1), again.denoise(x, 0.1))
    assert not torch.equal(one.denoise(x, 0.1), other.denoise(x, 0.1))
    torch.save(other.network.state_dict(), tmp_path / "w.pth")
    save_file(other.network.state_dict(), tmp_path / "w.safetensors")
    for name in ("w.pth", "w.safetensors"):
        loaded = DeepinvDenoiser(model="DnCNN", weights=str(tmp_path / name), channels=1)
        assert torch.equal(loaded.denoise(x, 0.1), other.denoise(x, 0.1))
    colour = x.expand(-1, 3, -1, -1)
    assert torch.allclose(one.denoise(colour, 0.1), one.denoise(x, 0.1).expand(-1, 3, -1, -1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "DnCN", "weights": "random"}, 'did you mean "DnCNN"'),
        ({"model": "DnCNN"}, "must be a file, download or random; got None"),
        ({"model": "MedianFilter", "weights": "random"}, "must be left out"),
        ({"model": "DnCNN", "weights": "absent.pth"}, 'got "absent.pth"'),
    ],
)
def test_wrong_denoisers_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        DeepinvDenoiser(**options)


def test_pnp_accepts_a_denoiser_by_name():
    y = samples.load("camera", 16).x
    prior = 'pnp:denoiser="deepinv(model=DnCNN,weights=random,channels=1)",weight=0.2'
    solution = invprior.solve(y, prior=prior.replace('"', ""), solver="hqs", steps=2)
    assert solution.x.shape == y.shape


DIP = {"iterations": 30, "channels": 8, "input_size": 2}


@parametrize_checks(DeepinvDip(**DIP))
def test_dip_as_a_solver(check):
    check()


def test_dip_is_deepinvs_with_a_new_network_for_each_run():
    truth = samples.load("camera", 16).x
    y = truth + 0.05 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    runs = [
        invprior.solve(y, prior="none", solver=DeepinvDip(**DIP), seed=seed).x for seed in (0, 0, 1)
    ]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])
    longer = invprior.solve(y, prior="none", solver=DeepinvDip(**{**DIP, "iterations": 90}))
    assert longer.steps == 1
    assert error(longer.x, y) < error(runs[0], y)
    assert error(longer.x, y) < 0.8 * float(y.std())


@pytest.mark.parametrize(
    ("parts", "message"),
    [({"prior": "tv"}, "use the prior none"), ({"fidelity": "laplace"}, "gaussian")],
)
def test_dip_refuses_what_it_would_ignore(parts, message):
    y = samples.load("camera", 16).x
    with pytest.raises(IncompatibleError, match=message):
        invprior.solve(y, solver=DeepinvDip(**DIP), **{"prior": "none", **parts})
