"""Phase retrieval: magnitudes of linear operators, their derivatives and the spectral estimate."""

import numpy as np
import pytest
import skimage.data
import torch

import invprior
from invprior.errors import IncompatibleError, OptionError
from invprior.metrics.psnr import PSNR
from invprior.operators.base import Recipe
from invprior.operators.fourier import Fourier
from invprior.operators.magnitude import Diffraction, Magnitude
from invprior.operators.matrix import Matrix
from invprior.testing import parametrize_checks
from tests.operators.cases import rand, randn

CAMERA = torch.from_numpy(skimage.data.camera()[100:132, 200:232] / 255).float()[None, None]
COFFEE = torch.from_numpy(skimage.data.coffee()[100:132, 200:232, 1] / 255).float()[None, None]
OF_MATRIX = Recipe(Magnitude, {"of": Recipe(Matrix, {"keep": 8.0})})
OF_FOURIER = Recipe(Magnitude, {"of": Recipe(Fourier, {"acceleration": 2})})


@parametrize_checks(Recipe(Magnitude, {"masks": 3}))
def test_kit(check):
    check()


def test_coded_diffraction():
    a = Magnitude((2, 6, 5), masks=3, seed=4)
    x, waves = rand((2, 2, 6, 5)), torch.complex(randn((2, 2, 3, 6, 5)), randn((2, 2, 3, 6, 5), 1))
    inner = a.inner
    assert isinstance(inner, Diffraction)
    masks = inner._masks.master.numpy()
    theirs = np.abs(np.fft.fft2(x.numpy()[:, :, None] * masks, norm="ortho"))
    assert np.allclose(a(x), theirs)
    assert np.allclose(np.abs(masks), 1)
    forth = (inner(x).conj() * waves).sum()
    assert torch.allclose(forth, (x * inner.adjoint(waves)).sum())
    assert torch.allclose(inner.adjoint(inner(x)).real, inner.norm() ** 2 * x)


@pytest.mark.parametrize("recipe", [Recipe(Magnitude), OF_MATRIX, OF_FOURIER])
def test_the_derivative_is_finite_where_waves_vanish(recipe):
    x = torch.zeros(1, 1, 8, 8, requires_grad=True)
    (recipe((1, 8, 8))(x) - 1).square().sum().backward()
    assert bool(x.grad.isfinite().all())


@pytest.mark.parametrize("recipe", [Recipe(Magnitude, {"masks": 6}), OF_MATRIX])
def test_the_spectral_estimate_points_to_the_image(recipe):
    x = rand((1, 1, 16, 16)) ** 3 - 0.15  # a constant is no good guess
    a = recipe((1, 16, 16))
    found = a.estimate(a(x))
    assert torch.cosine_similarity(found.flatten(), x.flatten(), 0) > 0.7
    assert found.mean() > 0
    # From -x, whose magnitudes are the same, too.
    assert torch.equal(a.estimate(a(-x)), found)


@pytest.mark.parametrize("truth", [CAMERA, COFFEE])
def test_four_masks_tell_a_picture(truth):
    spec = {"operator": "magnitude", "noise": "gaussian:sigma=0.05"}
    y, optics = invprior.simulate(truth, **spec)
    assert optics.measurement_shape == (1, 4, 32, 32)
    (problem,) = invprior.build(y, prior="none", **spec)
    start = problem.initial_estimate()
    assert torch.equal(start, problem.operator.estimate(y))
    psnr = PSNR(data_range=(0, 1))
    x = invprior.solve(y, prior="tv:weight=10", solver="adam:lr=0.03", steps=60, **spec).x
    assert psnr.measure(x, truth) > psnr.measure(start, truth) + 10


def test_a_network_runs():
    spec = {"operator": "magnitude", "noise": "gaussian:sigma=0.05"}
    y, _ = invprior.simulate(CAMERA[..., :16, :16], **spec)
    x = invprior.solve(y, prior="dip:net=skip(down=[4],skip=[0])", steps=2, **spec).x
    assert bool(x.isfinite().all())


def test_faults_say_what_to_do(tmp_path):
    with pytest.raises(OptionError, match="not both"):
        Magnitude((1, 8, 8), of=Recipe(Matrix), masks=3)
    with pytest.raises(IncompatibleError, match="linear"):
        Magnitude((1, 8, 8), of=Recipe(Magnitude))
    assert "x0" in Magnitude((1, 8, 8), masks=2).notes[0]
    assert not Magnitude((1, 8, 8)).notes
    with pytest.raises(OptionError, match="masks=5"):
        Recipe(Magnitude).for_measurement((1, 5, 8, 8))
    y, _ = invprior.simulate(CAMERA, operator="magnitude", noise="gaussian:sigma=0.01")
    with pytest.raises(IncompatibleError, match="linear"):
        invprior.solve(y, operator="magnitude", prior="tv", solver="fista", steps=1)
    with pytest.raises(invprior.InvpriorError, match="complex"):
        invprior.solve(y + 0j, operator="magnitude", prior="tv", steps=1)
    np.save(tmp_path / "y.npy", y[0, 0])  # a file leaves out a single channel
    (problem,) = invprior.build(tmp_path / "y.npy", operator="magnitude", prior="tv")
    assert torch.equal(problem.y, y)
    assert "tells it" in problem.noise.doubt
