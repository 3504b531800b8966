"""Operators of tomography, single-pixel cameras and colour filter arrays, compared with other libraries."""

import numpy as np
import pytest
import scipy.fft
import scipy.linalg
import scipy.sparse
import skimage.transform
import torch

import invprior
from invprior.errors import IncompatibleError, InvpriorError, MeasurementError, OptionError
from invprior.numerics.hadamard import hadamard, sequency
from invprior.operators.base import Recipe
from invprior.operators.bayer import Bayer
from invprior.operators.matrix import Matrix
from invprior.operators.radon import Radon
from invprior.operators.subsample import Subsample
from invprior.testing import parametrize_checks
from tests.operators.cases import dense, rand, randn

RECIPES = {
    "radon": Recipe(Radon, {"angles": 3}),
    "radon-circle": Recipe(Radon, {"theta": (0.0, 45.0, 100.0), "circle": True}),
    "hadamard": Recipe(Subsample, {"keep": 0.4}),
    "dct": Recipe(Subsample, {"transform": "dct", "keep": 0.3, "low": 0.2}),
    "matrix": Recipe(Matrix, {"keep": 0.4}),
    "bayer": Recipe(Bayer, {"pattern": "gbrg"}),
}
every = pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)


@parametrize_checks(*(RECIPES[name] for name in ("radon", "hadamard", "matrix", "bayer")))
def test_kit(check):
    check()


@every
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_adjoint(recipe, dtype, tolerance):
    a = recipe((3, 16, 16))
    x, y = rand((2, *a.image_shape), 1, dtype), randn((2, *a.measurement_shape), 2, dtype)
    apart = float((a(x) * y).sum() - (x * a.adjoint(y)).sum())
    assert abs(apart) <= tolerance * float(a(x).norm() * y.norm())
    assert a(x).dtype == a.adjoint(y).dtype == dtype


@every
def test_norm_and_solution_with_the_matrix(recipe):
    a = recipe((3, 8, 8))
    pixels = torch.eye(192, dtype=torch.float64).view(-1, 3, 8, 8)
    matrix = a(pixels).flatten(1).T
    largest = float(torch.linalg.matrix_norm(matrix, ord=2))
    assert largest <= a.norm() * (1 + 1e-9)
    assert a.norm() <= 1.05 * largest
    rhs = randn((1, 3, 8, 8), 3)
    gram = matrix.T @ matrix + 0.05 * torch.eye(192, dtype=torch.float64)
    exact = torch.linalg.solve(gram, rhs.flatten(1).T).T.view(rhs.shape)
    assert (a.solve_damped(rhs, 0.05) - exact).norm() <= 1e-4 * exact.norm()


@every
def test_the_image_is_known_from_the_measurement(recipe):
    shape = (3, 16, 16) if recipe.operator is Bayer else (1, 16, 16)
    assert recipe.for_measurement(recipe(shape).measurement_shape).image_shape == shape


@pytest.mark.parametrize("circle", [False, True])
@pytest.mark.parametrize("side", [24, 31])
def test_radon_agrees_with_scikit_image(side, circle):
    phantom = skimage.transform.resize(
        skimage.data.shepp_logan_phantom(), (side, side), anti_aliasing=True
    )
    down, across = (axis - side // 2 for axis in np.ogrid[:side, :side])
    phantom = phantom * (down**2 + across**2 <= (side // 2) ** 2) if circle else phantom
    theta = (0.0, 17.0, 45.0, 90.0, 133.0)
    theirs = skimage.transform.radon(phantom, theta, circle=circle).T
    ours = Radon((1, side, side), theta=theta, circle=circle)(torch.from_numpy(phantom)[None, None])
    assert ours.shape[2:] == theirs.shape
    assert np.linalg.norm(ours[0, 0].numpy() - theirs) <= 0.015 * np.linalg.norm(theirs)
    # The sum of each projection is that of the image, and the first one sums the columns.
    assert torch.allclose(ours.sum(-1), torch.tensor(phantom.sum()), rtol=5e-3 if circle else 1e-5)
    start = ours.shape[-1] // 2 - side // 2
    assert np.allclose(ours[0, 0, 0, start : start + side], phantom.sum(0))


def test_a_pixel_of_radon_falls_on_the_strips_by_its_area():
    a, x = Radon((1, 3, 3), theta=(45.0,)), torch.zeros(1, 1, 3, 3, dtype=torch.float64)
    x[..., 1, 1] = 1  # a square on its corner, whose middle strip leaves out two triangles
    outside = (np.sqrt(0.5) - 0.5) ** 2
    assert np.allclose(a(x).flatten(), [0, outside, 1 - 2 * outside, outside, 0], atol=1e-12)


def test_transforms_agree_with_scipy():
    x = rand((2, 3, 8, 16), 1)
    matrix = torch.from_numpy(scipy.linalg.hadamard(16)).double()
    assert torch.allclose(hadamard(x, -1), x @ matrix / 4)
    assert torch.allclose(hadamard(x, -2).mT, x.mT @ matrix[:8, :8] / 8**0.5)
    assert torch.equal(sequency(16), (matrix.diff(dim=1) != 0).sum(1))
    cosine = Subsample((3, 8, 16), transform="dct", keep=1.0)
    theirs = scipy.fft.dctn(x.numpy(), axes=(2, 3), norm="ortho").reshape(2, 3, -1)
    assert np.allclose(cosine(x).numpy(), theirs[..., cosine.places.numpy()])


def test_subsample_measures_the_mean_and_all_low_frequencies():
    for transform in ("dct", "hadamard"):
        a = Subsample((1, 8, 8), transform=transform, keep=0.5, low=0.5)
        assert len(set(a.places.tolist())) == 32
        assert float(a(torch.ones(1, 1, 8, 8))[0, 0, 0]) == pytest.approx(8)
        assert not torch.equal(a.places, Subsample((1, 8, 8), keep=0.5, seed=1).places)


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "grbg", "gbrg"])
def test_bayer_is_a_mask_then_a_sum(pattern):
    x = rand((1, 3, 5, 6), 1)
    mosaic = Bayer((3, 5, 6), pattern=pattern)(x)[0, 0]
    for place, letter in enumerate(pattern):
        down, across = divmod(place, 2)
        channel = x[0, "rgb".index(letter)]
        assert torch.equal(mosaic[down::2, across::2], channel[down::2, across::2])


def test_the_noise_of_a_mosaic_is_not_that_of_its_pattern():
    x = torch.tensor([0.9, 0.5, 0.1]).view(1, 3, 1, 1).expand(1, 3, 48, 48)
    y, _ = invprior.simulate(x, operator="bayer", noise="gaussian:sigma=0.02")
    (problem,) = invprior.build(y, operator="bayer", prior="tv")
    assert problem.noise_level == pytest.approx(0.02, rel=0.1)


def test_matrices_from_files(tmp_path):
    matrix = np.random.default_rng(0).normal(size=(7, 16)) * (np.arange(16) % 3 == 0)
    np.save(tmp_path / "m.npy", matrix)
    np.savez(tmp_path / "m.npz", matrix)
    scipy.sparse.save_npz(tmp_path / "sparse.npz", scipy.sparse.csr_array(matrix))
    x = rand((2, 1, 4, 4), 1)
    exact = x.flatten(1) @ torch.from_numpy(matrix).T
    sparse = torch.from_numpy(matrix).to_sparse()
    for given in (*(tmp_path / n for n in ("m.npy", "m.npz", "sparse.npz")), sparse):
        a = Recipe(Matrix, {"file": given}).for_measurement((7,))
        assert a.image_shape == (1, 4, 4)
        assert torch.allclose(a(x), exact)
        assert torch.allclose(a.adjoint(exact).flatten(1), exact @ torch.from_numpy(matrix))
        assert a.norm() == pytest.approx(np.linalg.norm(matrix, 2), rel=0.03)
    np.save(tmp_path / "z.npy", 1j * matrix)
    scipy.sparse.save_npz(tmp_path / "z.npz", scipy.sparse.csr_array(1j * matrix))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "sparse.npz").read_bytes()[:300])
    for name in ("z.npy", "z.npz", "cut.npz", "none.npz"):
        with pytest.raises(MeasurementError, match=name):
            Matrix((1, 4, 4), file=tmp_path / name)


FAULTS = [
    (lambda: Bayer((1, 8, 8)), IncompatibleError, "3 channels"),
    (lambda: Recipe(Bayer).for_measurement((3, 8, 8)), IncompatibleError, "mosaic"),
    (lambda: Subsample((1, 12, 8)), IncompatibleError, "transform=dct"),
    (lambda: Subsample((1, 8, 8), size=(4, 8)), OptionError, "Leave it out"),
    (lambda: Recipe(Subsample).for_measurement((1, 17)), OptionError, r"size=\[64,48\]"),
    (lambda: Recipe(Radon).for_measurement((1, 90, 180)), MeasurementError, "Transpose"),
    (lambda: Recipe(Radon, {"angles": 9}).for_measurement((1, 9, 11)), OptionError, "11 bins"),
    (lambda: Radon((1, 8, 9), circle=True), OptionError, "square"),
    (lambda: Radon((1, 8, 8), theta=()), OptionError, "angles"),
    (lambda: Matrix((1, 4, 4), file=torch.ones(3, 9)), MeasurementError, "16 values"),
    (lambda: Matrix((1, 4, 4), file=torch.ones(3, 16), keep=0.5), OptionError, "not both"),
    (lambda: Recipe(Matrix).for_measurement((7,)), OptionError, "size"),
]


@pytest.mark.parametrize(("make", "kind", "text"), FAULTS)
def test_faults_say_what_to_do(make, kind, text):
    with pytest.raises(kind, match=text) as caught:
        make()
    assert isinstance(caught.value, InvpriorError)


def test_sizes_that_are_not_square():
    assert Recipe(Radon, {"angles": 4, "size": (6, 9)}).for_measurement((1, 4, 13)).image_shape == (
        1,
        6,
        9,
    )
    half = Recipe(Subsample, {"transform": "dct", "keep": 0.5, "size": (6, 9)})
    assert half.for_measurement((1, 27)).image_shape == (1, 6, 9)
    assert Recipe(Matrix, {"size": (3, 2, 4)}).for_measurement((12,)).image_shape == (3, 2, 4)


def test_angles_from_a_file(tmp_path):
    np.savetxt(tmp_path / "theta.txt", [0.0, 30.0, 120.0])
    a = Radon((1, 8, 8), theta=tmp_path / "theta.txt")
    assert torch.equal(
        a(rand((1, 1, 8, 8))), Radon((1, 8, 8), theta=(0.0, 30.0, 120.0))(rand((1, 1, 8, 8)))
    )
    assert dense(a).shape == (3 * 12, 64)
