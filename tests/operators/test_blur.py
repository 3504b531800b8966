from __future__ import annotations

from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
import torch
from scipy import ndimage, signal

from invprior.errors import MeasurementError, OptionError
from invprior.operators.base import Recipe
from invprior.operators.blur import Blur
from invprior.registry import describe
from tests.operators.cases import KERNELS, LOPSIDED, cases, rand, randn

NUMPY = {"reflect": "symmetric", "circular": "wrap"}


@pytest.mark.parametrize("boundary", ["reflect", "circular", "valid"])
@pytest.mark.parametrize("options", KERNELS.values(), ids=KERNELS.keys())
def test_is_convolution(options: dict, boundary: str) -> None:
    x = rand((1, 1, 19, 16))
    a = Blur((1, 19, 16), boundary=boundary, **options)
    kernel, padded = a.weights.numpy(), x[0, 0].numpy()
    if boundary != "valid":
        margins = [((k - 1) - k // 2, k // 2) for k in kernel.shape]
        padded = np.pad(padded, margins, mode=NUMPY[boundary])
    assert np.allclose(a(x)[0, 0], signal.convolve2d(padded, kernel, mode="valid"))


@pytest.mark.parametrize(("boundary", "mode"), [("reflect", "reflect"), ("circular", "wrap")])
def test_gaussian_is_scipys(boundary: str, mode: str) -> None:
    x = rand((1, 1, 9, 11))  # smaller than the kernel: the border repeats
    a = Blur((1, 9, 11), sigma=2.3, boundary=boundary)
    expected = ndimage.gaussian_filter(x[0, 0].numpy(), 2.3, mode=mode)
    assert np.allclose(a(x)[0, 0], expected)


@cases({n: Recipe(Blur, {**o, "boundary": b}) for n, o in KERNELS.items() for b in NUMPY})
def test_constants_stay(recipe: Recipe) -> None:
    ones = torch.ones(1, 2, 12, 9)
    assert torch.allclose(recipe((2, 12, 9))(ones), ones, atol=1e-6)


def test_a_single_pixel_shows_the_kernel_where_its_centre_is() -> None:
    x = torch.zeros(1, 1, 11, 11, dtype=torch.float64)
    x[0, 0, 5, 5] = 1.0
    y = Blur((1, 11, 11), kernel=LOPSIDED)(x)[0, 0]
    assert torch.allclose(y[5 - 2 : 5 + 2, 5 - 2 : 5 + 3], LOPSIDED)


def test_motion_kernels() -> None:
    level = Blur((1, 40, 40), kernel="motion").weights
    assert torch.allclose(level, torch.full((1, 15), 1 / 15, dtype=torch.float64))
    upright = Blur((1, 40, 40), kernel="motion", angle=90.0).weights
    assert torch.allclose(upright, level.T)
    rising = Blur((1, 40, 40), kernel="motion", length=7.0, angle=45.0).weights
    assert torch.allclose(rising, rising.fliplr().diagonal().diag().fliplr())
    for angle in (10.0, 77.0, 130.0):
        tilted = Blur((1, 40, 40), kernel="motion", length=9.5, angle=angle).weights
        assert torch.equal(tilted, tilted.flip(0, 1))
        rows, columns = (torch.arange(n).double() - n // 2 for n in tilted.shape)
        across, down = (tilted * columns**2).sum(), (tilted * rows[:, None] ** 2).sum()
        mixed = -(tilted * rows[:, None] * columns).sum()  # rows count downwards
        found = torch.rad2deg(torch.atan2(2 * mixed, across - down) / 2) % 180
        assert float(found) == pytest.approx(angle, abs=3.0)


def test_disk_and_uniform_kernels() -> None:
    disk = Blur((1, 40, 40), kernel="disk", radius=5.0).weights
    assert disk.shape == (11, 11)
    assert float(disk[5, 5]) == pytest.approx(1 / (np.pi * 25), rel=0.01)
    uniform = Blur((1, 40, 40), kernel="uniform", size=4).weights
    assert torch.allclose(uniform, torch.full((4, 4), 1 / 16, dtype=torch.float64))


def test_kernels_from_files(tmp_path: Path) -> None:
    kernel = np.random.default_rng(0).random((4, 7)) * 3.0
    np.save(tmp_path / "k.npy", kernel)
    np.savez(tmp_path / "one.npz", k=kernel)
    np.savez(tmp_path / "two.npz", k1=kernel, k2=kernel.T)
    wanted = torch.from_numpy(kernel / kernel.sum())
    for path, index in (("k.npy", None), ("one.npz", None), ("two.npz", "k1")):
        weights = Blur((1, 20, 20), kernel=tmp_path / path, index=index).weights
        assert torch.allclose(weights, wanted)
    image = (kernel / kernel.max() * 255).round().astype(np.uint8)
    imageio.imwrite(tmp_path / "k.png", image)
    imageio.imwrite(tmp_path / "colour.png", np.repeat(image[..., None], 3, 2))
    for name in ("k.png", "colour.png"):
        weights = Blur((1, 20, 20), kernel=str(tmp_path / name)).weights
        assert torch.allclose(weights, torch.from_numpy(image / image.sum()), atol=1e-6)


def test_wrong_files(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", k1=np.ones((3, 3)), k2=np.ones((3, 3)))
    np.save(tmp_path / "line.npy", np.ones(3))
    np.save(tmp_path / "nan.npy", np.full((3, 3), np.nan))
    np.save(tmp_path / "zero.npy", np.array([[1.0, -1.0]]))
    (tmp_path / "broken.png").write_bytes(b"no image")
    (tmp_path / "broken.npz").write_bytes(b"no archive")
    faults = {
        "absent.npy": "does not exist",
        "two.npz": "k1, k2; none was chosen",
        "line.npy": "two dimensions",
        "nan.npy": "finite",
        "zero.npy": "positive sum",
        "broken.png": "broken.png",
        "broken.npz": "cannot be read",
    }
    for name, message in faults.items():
        with pytest.raises(MeasurementError, match=message):
            Blur((1, 20, 20), kernel=str(tmp_path / name))
    with pytest.raises(MeasurementError, match='did you mean "k1"'):
        Blur((1, 20, 20), kernel=str(tmp_path / "two.npz"), index="k11")
    with pytest.raises(MeasurementError, match="one kernel"):
        Blur((1, 20, 20), kernel=str(tmp_path / "line.npy"), index="k1")


def test_wrong_options() -> None:
    shape = (1, 20, 20)
    with pytest.raises(OptionError, match='did you mean "gaussian"'):
        Blur(shape, kernel="gausian")
    with pytest.raises(OptionError) as caught:
        Blur(shape, kernel="motion", sigma=2.0, radius=3.0)
    assert '"sigma" of blur belongs to kernel gaussian' in str(caught.value)
    assert '"radius" of blur belongs to kernel disk' in str(caught.value)
    with pytest.raises(OptionError) as caught:
        Blur(shape, sigma=-1.0, length=0.0, boundary="mirror")  # type: ignore[arg-type]
    assert all(name in str(caught.value) for name in ("sigma", "length", "boundary"))
    with pytest.raises(OptionError, match="2-D tensor"):
        Blur(shape, kernel=torch.ones(3))
    with pytest.raises(OptionError, match="13x13 and an image of 10x20"):
        Blur((1, 10, 20), boundary="valid")


def test_options_are_kept_with_their_defaults() -> None:
    assert str(describe(Blur((1, 9, 9)))) == "blur:kernel=gaussian,sigma=1.6,boundary=reflect"
    motion = Blur((1, 9, 9), kernel="motion", angle=5.0)
    assert (motion.length, motion.angle, motion.sigma) == (15.0, 5.0, None)


def test_large_kernels_agree_with_the_separable_way() -> None:
    size = 25
    profile = torch.from_numpy(signal.windows.hann(size + 2)[1:-1])
    smooth = torch.outer(profile, profile) / profile.sum() ** 2
    speck = torch.zeros(size, size, dtype=torch.float64)
    speck[3, 4] = 1.0
    x = randn((2, 3, 40, 33))
    for boundary in ("reflect", "circular", "valid"):
        together = Blur((3, 40, 33), kernel=(smooth + speck) / 2, boundary=boundary)(x)
        apart = [Blur((3, 40, 33), kernel=k, boundary=boundary)(x) for k in (smooth, speck)]
        assert torch.allclose(together, (apart[0] + apart[1]) / 2, atol=1e-12)


@pytest.mark.parametrize("boundary", ["reflect", "valid"])
def test_back_projection_undoes_a_lopsided_blur_away_from_the_border(boundary: str) -> None:
    a = Blur((1, 64, 64), kernel="motion", length=7.0, angle=30.0, boundary=boundary)
    assert not a.direct
    x = rand((1, *a.image_shape), 1)
    exact = a.solve_damped(a.normal(x), 0.05)
    found = a.back_project(a(x), 0.05)
    middle = (..., slice(24, 40), slice(24, 40))
    left = [float((v - exact)[middle].norm() / exact[middle].norm()) for v in (found, a.normal(x))]
    assert left[0] < 0.1 * left[1]


def test_a_complex_kernel_is_refused() -> None:
    with pytest.raises(MeasurementError, match="kernel of blur must be real; got complex64"):
        Blur((1, 16, 16), kernel=torch.ones(3, 3, dtype=torch.complex64))
