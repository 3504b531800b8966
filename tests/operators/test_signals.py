"""The operators on a signal, an image of one row: each is the operator in one dimension."""

import numpy as np
import pytest
import scipy.fft
import scipy.ndimage
import torch

import invprior
from invprior.errors import IncompatibleError, InvpriorError, MeasurementError, OptionError
from invprior.operators.adjoint_test import adjoint_fault
from invprior.operators.blur import Blur
from invprior.operators.downsample import Downsample
from invprior.operators.fourier import Fourier
from invprior.operators.inpaint import Inpaint
from invprior.operators.radon import Radon
from invprior.operators.subsample import Subsample

N = 50
X = np.random.default_rng(0).random(N)
ROW = torch.from_numpy(X)[None, None, None]
VECTOR = np.array([0.1, 0.5, 0.25, 0.15])  # of even length, asymmetric


def of(operator):
    return operator(ROW)[0, 0, 0].numpy()


@pytest.mark.parametrize("sigma", [0.5, 3, 12])
@pytest.mark.parametrize(("boundary", "mode"), [("reflect", "reflect"), ("circular", "wrap")])
def test_gaussian_blur_is_that_of_scipy(sigma, boundary, mode):
    operator = Blur((1, 1, N), sigma=sigma, boundary=boundary)
    radius = max(int(4 * sigma + 0.5), 1)
    expected = scipy.ndimage.gaussian_filter1d(X, sigma, mode=mode, radius=radius)
    assert np.allclose(of(operator), expected, atol=1e-12)
    assert operator.weights.shape[0] == 1


def test_a_uniform_kernel_is_a_moving_mean():
    expected = scipy.ndimage.uniform_filter1d(X, 5, mode="reflect")
    assert np.allclose(of(Blur((1, 1, N), kernel="uniform", size=5)), expected, atol=1e-12)
    disk = Blur((1, 1, N), kernel="disk", radius=3)
    assert np.allclose(of(disk), of(Blur((1, 1, N), kernel=disk.weights[0])), atol=1e-12)
    assert float(disk.weights.max()) == float(disk.weights[0, 3])
    assert np.allclose(of(Blur((1, 1, N), kernel="motion", length=9, angle=90)), X)


def test_a_column_is_blurred_as_a_row():
    column = Blur((1, N, 1), sigma=2)(ROW.mT)
    assert torch.allclose(column.mT, Blur((1, 1, N), sigma=2)(ROW), atol=1e-12)


@pytest.mark.parametrize("suffix", [".npy", ".txt", "row.txt"])
def test_a_kernel_file_of_one_dimension(tmp_path, suffix):
    path = tmp_path / f"k{suffix}"
    if suffix == ".npy":
        np.save(path, 3 * VECTOR)
    else:
        np.savetxt(path, 3 * (VECTOR[None] if suffix == "row.txt" else VECTOR))
    # Convolution, whose centre is at size // 2.
    expected = scipy.ndimage.convolve1d(X, VECTOR, mode="reflect")
    assert np.allclose(of(Blur((1, 1, N), kernel=path)), expected, atol=1e-12)
    assert np.allclose(of(Blur((1, 1, N), kernel=torch.from_numpy(VECTOR))), expected, atol=1e-12)
    if suffix == ".npy":
        with pytest.raises(MeasurementError, match="two dimensions"):
            Blur((1, N, N), kernel=path)
        with pytest.raises(OptionError, match="2-D tensor, or 1-D for a signal"):
            Blur((1, N, N), kernel=torch.from_numpy(VECTOR))


def test_valid_shortens_the_row_only():
    operator = Blur((1, 1, N), kernel="uniform", size=5, boundary="valid")
    assert operator.measurement_shape == (1, 1, N - 4)
    assert np.allclose(of(operator), np.convolve(X, np.ones(5) / 5, "valid"), atol=1e-12)
    assert Blur.image_shape_for((1, 1, N - 4), kernel="uniform", size=5, boundary="valid") == (
        1,
        1,
        N,
    )


@pytest.mark.parametrize("kernel", ["lanczos2", "lanczos3", "bicubic", "box"])
def test_downsample_shortens_the_row_only(kernel):
    operator = Downsample((1, 1, N - 2), factor=4, kernel=kernel)
    assert operator.measurement_shape == (1, 1, 12)
    assert Downsample.image_shape_for((1, 1, 12), factor=4) == (1, 1, 48)
    tall = Downsample((1, 8, N - 2), factor=4, kernel=kernel)(ROW[..., :48].expand(1, 1, 8, 48))
    assert torch.allclose(operator(ROW[..., :48])[0, 0, 0], tall[0, 0, 0], atol=1e-12)
    found = invprior.solve(
        X[:12],
        operator="downsample:factor=4",
        prior="tikhonov:weight=1",
        noise="gaussian:sigma=0.1",
    )
    assert found.to_numpy().shape == (48,)


def test_a_mask_of_one_dimension(tmp_path):
    known = X > 0.4
    np.save(tmp_path / "m.npy", known)
    np.savetxt(tmp_path / "m.txt", known)
    for mask in (torch.from_numpy(known), tmp_path / "m.npy", tmp_path / "m.txt"):
        assert np.array_equal(of(Inpaint((1, 1, N), mask=mask)), X * known)
        assert int(Fourier((1, 1, N), mask=mask).sampled.sum()) == known.sum()
        with pytest.raises(MeasurementError, match=f"size, {N}.?x.?{N}"):
            Inpaint((1, N, N), mask=mask)


def test_fourier_is_the_transform_of_the_row():
    found = Fourier((1, 1, N), acceleration=1)(ROW)[0, 0, 0, 0].numpy()
    expected = np.fft.fftshift(np.fft.fft(np.fft.ifftshift(X), norm="ortho"))
    assert np.allclose(found, expected, atol=1e-12)
    for pattern in ("uniform", "random", "points"):
        sampled = Fourier((1, 1, 256), acceleration=4, pattern=pattern).sampled
        assert int(sampled.sum()) == pytest.approx(64, abs=8)


def test_subsample_takes_the_transform_of_the_row():
    found = Subsample((1, 1, N), transform="dct", keep=1.0)(ROW)[0, 0].numpy()
    assert np.allclose(found, scipy.fft.dct(X, norm="ortho"), atol=1e-12)
    with pytest.raises(OptionError, match=r"\[1,1000\] for a signal"):
        Subsample.image_shape_for((1, 13), transform="dct", keep=0.25)


@pytest.mark.parametrize(
    "operator",
    [
        Blur((1, 1, N), sigma=3),
        Blur((1, 1, N), kernel=torch.from_numpy(VECTOR)),
        Blur((1, 1, N), kernel="uniform", size=4, boundary="valid"),
        Downsample((1, 1, N), factor=4),
        Subsample((1, 1, N), transform="dct"),
        Fourier((1, 1, N), acceleration=2),
    ],
    ids=lambda operator: type(operator).__name__,
)
def test_adjoints_are_exact(operator):
    assert adjoint_fault(operator, ROW, 1e-10) is None


def test_bayer_is_refused():
    with pytest.raises(IncompatibleError, match="at least 2 x 2 pixels"):
        invprior.solve(X, operator="bayer", prior="tikhonov:weight=1")


def test_radon_is_refused():
    with pytest.raises(IncompatibleError, match="a signal"):
        Radon((1, 1, N))
    with pytest.raises(InvpriorError, match="a signal"):
        invprior.simulate(X, operator="radon", noise="gaussian:sigma=0.1")
