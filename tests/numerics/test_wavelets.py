import numpy as np
import pytest
import pywt
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from invprior.errors import OptionError
from invprior.numerics.wavelets import WaveletTransform, fitting_levels, load_filters

NAMES = ["haar", "db4", "sym8", "coif2", "bior4.4", "bior1.3", "rbio2.2"]
ORTHOGONAL = ["haar", "db4", "sym8", "coif2"]
sides = st.integers(1, 40)


def image(*shape, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(
        dtype
    )


def inner(a, b):
    return float(sum((p * q).sum() for p, q in zip([a[0], *a[1]], [b[0], *b[1]], strict=True)))


@settings(deadline=None, max_examples=25)
@given(st.sampled_from(NAMES), sides, sides, st.integers(1, 3), st.booleans())
def test_reconstructs_and_has_its_adjoint(name, height, width, levels, undecimated):
    filters = load_filters(name)
    levels = fitting_levels(filters, height, width, levels)
    transform = WaveletTransform(filters, levels, undecimated)
    x = image(2, 3, height, width)
    coefficients = transform.analysis(x)
    assert (transform.synthesis(*coefficients) - x).abs().max() < 1e-10
    other = transform.analysis(x.flip(-1, 0) + 1.0)
    left, right = inner(other, coefficients), float((transform.adjoint(*other) * x).sum())
    scale = (inner(other, other) * float((x * x).sum())) ** 0.5
    assert abs(left - right) < 1e-10 * scale
    energy = inner(coefficients, coefficients) ** 0.5
    assert energy <= transform.norm() * float(torch.linalg.vector_norm(x)) * (1 + 1e-10)


@settings(deadline=None, max_examples=15)
@given(st.sampled_from(ORTHOGONAL), sides, sides, st.booleans())
def test_orthogonal_wavelets_keep_energy_at_any_size(name, height, width, undecimated):
    filters = load_filters(name)
    levels = fitting_levels(filters, height, width, 3)
    x = image(1, 2, height, width)
    coefficients = WaveletTransform(filters, levels, undecimated).analysis(x)
    assert inner(coefficients, coefficients) == pytest.approx(float((x * x).sum()), rel=1e-10)
    count = sum(c.numel() for c in (coefficients[0], *coefficients[1]))
    assert undecimated or count == x.numel()


@pytest.mark.filterwarnings("ignore:Level value")
@pytest.mark.parametrize("name", ["haar", "db3", "sym8", "bior4.4", "rbio1.3"])
@pytest.mark.parametrize("size", [(32, 32), (64, 48)])
def test_is_pywavelets_periodization_on_even_sizes(name, size):
    x = image(*size)
    low, details = WaveletTransform(load_filters(name), (2, 2)).analysis(x)
    expected = pywt.wavedec2(x.numpy(), name, mode="periodization", level=2)
    np.testing.assert_allclose(low, expected[0], atol=1e-12)
    for level, bands in enumerate(reversed(expected[1:])):
        # PyWavelets calls "horizontal" the band that is highpass along the height.
        mine = [details[3 * level + i] for i in (1, 0, 2)]
        for ours, theirs in zip(mine, bands, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_is_pywavelets_stationary_transform():
    x = image(32, 32)
    low, details = WaveletTransform(load_filters("haar"), (2, 2), undecimated=True).analysis(x)
    expected = pywt.swt2(x.numpy(), "haar", level=2, norm=True, trim_approx=True)
    energies = [float((band**2).sum()) for band in details]
    theirs = [[float((band**2).sum()) for band in bands] for bands in reversed(expected[1:])]
    for level, (first, second, third) in enumerate(theirs):
        mine = energies[3 * level : 3 * level + 3]
        assert mine == pytest.approx([second, first, third])
    assert float((low**2).sum()) == pytest.approx(float((expected[0] ** 2).sum()))


@pytest.mark.parametrize("undecimated", [False, True])
def test_every_exact_wavelet_loads_and_single_precision_reconstructs(undecimated):
    x = image(1, 1, 17, 18, dtype=torch.float32)
    for name in set(pywt.wavelist(kind="discrete")) - {"dmey"}:
        transform = WaveletTransform(load_filters(name), (1, 1), undecimated)
        back = transform.synthesis(*transform.analysis(x))
        assert back.dtype == x.dtype
        assert (back - x).abs().max() < 1e-3, name


def test_gradients_flow_through_the_transform():
    transform = WaveletTransform(load_filters("db2"), (2, 2))
    x = image(1, 1, 7, 10).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: (transform.analysis(x)[1][3] ** 2).sum(), x)


def test_refuses_unknown_and_inexact_wavelets():
    with pytest.raises(OptionError, match='did you mean "sym8"'):
        load_filters("sim8")
    with pytest.raises(OptionError, match="dmey"):
        load_filters("dmey")


@pytest.mark.parametrize(
    ("size", "levels", "expected"),
    [(512, None, 4), (33, None, 2), (5, None, 1), (1, None, 0), (512, 9, 9), (8, 9, 3)],
)
def test_levels_fit_the_image(size, levels, expected):
    assert fitting_levels(load_filters("sym8"), size, size, levels) == (expected, expected)


def test_levels_fit_each_axis():
    filters = load_filters("sym8")
    assert fitting_levels(filters, 1, 512, None) == (0, 4)
    assert fitting_levels(filters, 512, 5, None) == (4, 1)
    assert fitting_levels(filters, 8, 512, 5) == (3, 5)


@pytest.mark.parametrize("undecimated", [False, True])
@pytest.mark.parametrize("name", ["db4", "bior4.4"])
@pytest.mark.parametrize("size", [(1, 64), (4, 96), (3, 70)])
def test_a_tall_image_is_the_transpose_of_a_wide_one(name, size, undecimated):
    filters, x = load_filters(name), image(1, 2, *size)
    tall = WaveletTransform(filters, fitting_levels(filters, *size[::-1], None), undecimated)
    wide = WaveletTransform(filters, fitting_levels(filters, *size, None), undecimated)
    (low, details), (other, others) = wide.analysis(x), tall.analysis(x.mT)
    torch.testing.assert_close(low, other.mT)
    norms, expected = ([float(b.square().sum()) for b in bands] for bands in (others, details))
    assert sorted(norms) == pytest.approx(sorted(expected))
    assert wide.norm() == pytest.approx(tall.norm(), rel=0.02)


def test_a_row_is_pywavelets_signal():
    x = image(64)
    low, details = WaveletTransform(load_filters("db2"), (0, 3)).analysis(x[None])
    expected = pywt.wavedec(x.numpy(), "db2", mode="periodization", level=3)
    for ours, theirs in zip([low, *details[::-1]], expected, strict=True):
        np.testing.assert_allclose(ours[0], theirs, atol=1e-12)
