"""Undersampled Fourier transforms with and without coils, and their complex images."""

import numpy as np
import pytest
import torch

import invprior
from invprior.errors import MeasurementError, OptionError
from invprior.numerics.linalg import conjugate_gradients
from invprior.numerics.sampling import sampling_mask
from invprior.operators.adjoint_test import adjoint_fault
from invprior.operators.base import LinearOperator, Recipe
from invprior.operators.fourier import Fourier
from invprior.operators.in_parts import InParts
from invprior.testing import parametrize_checks


def coils(count, height, width):
    """Smooth complex maps whose squares add up to 1."""
    down, across = np.mgrid[:height, :width] / max(height, width)
    maps = [
        np.exp(-2 * (down - np.cos(a)) ** 2 - 2 * (across - np.sin(a)) ** 2 + 1j * a * across)
        for a in 2 * np.pi * np.arange(count) / count
    ]
    return np.stack(maps) / np.sqrt(np.sum(np.abs(maps) ** 2, 0))


MAPS = torch.from_numpy(coils(3, 12, 9))
OPERATORS = {
    "columns": lambda: Fourier((2, 12, 9), acceleration=2.0),
    "coils": lambda: Fourier((2, 12, 9), acceleration=2.0, centre=0.2, coils=MAPS),
}


@parametrize_checks(
    Recipe(Fourier, {"pattern": "points"}),
    Fourier((1, 12, 9), acceleration=2.0, coils=MAPS).double(),
)
def test_conformance(check):
    check()


def random(*shape, dtype=torch.complex128, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("make", OPERATORS.values(), ids=OPERATORS)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.complex64, 1e-5), (torch.complex128, 1e-10)]
)
def test_complex_dot_product(make, dtype, tolerance):
    a = make()
    x, y = (
        random(1, *a.image_shape, dtype=dtype),
        random(1, *a.measurement_shape, dtype=dtype, seed=1),
    )
    forth = torch.vdot(a(x).flatten(), y.flatten())
    back = torch.vdot(x.flatten(), a.adjoint(y).flatten())  # complex, so the phase counts too
    assert abs(forth - back) <= tolerance * float(x.norm() * y.norm())
    parts = InParts(a)  # the operator of a run
    assert adjoint_fault(parts, x.real, tolerance) is None


@pytest.mark.parametrize("make", OPERATORS.values(), ids=OPERATORS)
def test_against_numpy(make):
    a = make()
    x = random(1, *a.image_shape)
    maps = MAPS.numpy() if a.coils is not None else np.ones((1, 12, 9))
    mask = a.sampled.numpy()[0, 0, 0]
    for channel, found in zip(x[0].numpy(), a(x)[0].numpy(), strict=True):
        for image, kspace in zip(maps * channel, found, strict=True):
            # The centre of the image is at [H // 2, W // 2], and so is the zero frequency.
            rows, columns = np.mgrid[:12, :9] - np.array([6, 4])[:, None, None]
            for k, m in ((0, 0), (3, 1), (11, 8)):
                wave = np.exp(-2j * np.pi * ((k - 6) * rows / 12 + (m - 4) * columns / 9))
                expected = mask[k, m] * (image * wave).sum() / np.sqrt(12 * 9)
                assert abs(kspace[k, m] - expected) < 1e-12
            whole = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image), norm="ortho"))
            assert np.allclose(kspace, whole * mask, atol=1e-12)


def test_damped_inverse_and_norm():
    a, b = OPERATORS["columns"](), OPERATORS["coils"]()
    rhs = random(1, 2, 12, 9)
    assert a.direct
    assert not b.direct
    iterated = conjugate_gradients(lambda x: a.normal(x) + 0.1 * x, rhs, tolerance=1e-12)
    assert torch.allclose(a.solve_damped(rhs, 0.1), iterated, atol=1e-9)
    assert a.norm() == 1
    lanczos = LinearOperator._spectral_norm(b)
    assert lanczos / 1.02 <= b.norm() <= 1.000002


@pytest.mark.parametrize("pattern", ["uniform", "random", "points"])
def test_masks(pattern):
    mask = sampling_mask(40, 32, 4.0, 0.1, pattern, 3)
    assert mask[20, 16]
    assert int(mask.sum()) == 40 * 32 // 4
    assert torch.equal(mask, sampling_mask(40, 32, 4.0, 0.1, pattern, 3))
    other = sampling_mask(40, 32, 4.0, 0.1, pattern, 4)
    assert torch.equal(mask, other) == (pattern == "uniform")
    if pattern != "points":
        assert torch.equal(mask, mask[:1].expand(40, 32))  # whole columns
    assert bool(sampling_mask(40, 32, 1.0, 0.1, pattern, 3).all())
    with pytest.raises(OptionError, match="centre of fourier"):
        sampling_mask(40, 32, 8.0, 0.5, pattern, 3)


def test_files(tmp_path):
    mask = sampling_mask(12, 9, 2.0, 0.1, "points", 0)
    np.save(tmp_path / "mask.npy", mask.numpy())
    np.save(tmp_path / "maps.npy", MAPS.numpy())
    invprior.save(tmp_path / "mask.png", mask.float()[None, None])
    for name in ("mask.npy", "mask.png"):
        a = Fourier((1, 12, 9), mask=tmp_path / name, coils=tmp_path / "maps.npy")
        assert torch.equal(a.sampled[0, 0, 0], mask)
        assert a.measurement_shape == (1, 3, 12, 9)
        assert not a.notes
    assert "zero frequency" in Fourier((1, 12, 9), mask=~mask).notes[0]


def test_what_does_not_fit():
    with pytest.raises(OptionError, match="not both"):
        Fourier((1, 12, 9), mask=torch.ones(12, 9), acceleration=2.0)
    with pytest.raises(MeasurementError, match="maps of the image's size"):
        Fourier((1, 12, 12), coils=MAPS)
    with pytest.raises(MeasurementError, match="mask of fourier"):
        Fourier((1, 12, 12), mask=torch.ones(12, 9))
    with pytest.raises(OptionError, match="mask or acceleration"):
        Recipe(Fourier, {}).image_shape_for((1, 1, 12, 9))
    with pytest.raises(MeasurementError, match="1 coil"):
        Recipe(Fourier, {"acceleration": 2.0}).image_shape_for((1, 3, 12, 9))
    with pytest.raises(MeasurementError, match="finite"):
        Fourier((1, 12, 9), coils=MAPS * float("nan"))
