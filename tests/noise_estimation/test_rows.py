"""The noise of signals, from differences of their samples."""

import math

import numpy as np
import pytest
import torch

from invprior.noise_estimation.gaussian import estimate_gaussian
from invprior.noise_estimation.poisson import estimate_poisson
from invprior.noise_estimation.rows import _CUT, _differences, _spread, level_of_rows


def smooth(n):
    return np.sin(np.linspace(0, 9, n))


def spectrum(n):
    t = np.linspace(0, 1, n)
    lines = [(0.2, 0.01, 1.0), (0.35, 0.004, 0.7), (0.6, 0.03, 0.5), (0.8, 0.006, 0.9)]
    return sum(
        height * width**2 / ((t - centre) ** 2 + width**2) for centre, width, height in lines
    )


def steps(n):
    generator, x = np.random.default_rng(5), np.zeros(n)
    for place in generator.integers(0, n, 10):
        x[place:] += generator.normal() * 0.4
    return x


def oscillating(n):
    t = np.linspace(0, 1, n)
    return 0.5 + 0.4 * np.sin(2 * np.pi * (5 * t + n / 25 * t**2))


SIGNALS = [smooth, spectrum, steps, oscillating]


def noisy(signal, n, sigma, seed):
    return torch.from_numpy(signal(n) + sigma * np.random.default_rng(seed).standard_normal(n))


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("sigma", [0.01, 0.05])
@pytest.mark.parametrize("n", [256, 2048])
def test_sigma_is_right_within_10_percent(signal, sigma, n):
    found = [
        estimate_gaussian(noisy(signal, n, sigma, seed)[None, None, None]) for seed in range(20)
    ]
    ratios = np.array([one.sigma for one in found]) / sigma
    assert ratios.mean() == pytest.approx(1, abs=0.06)
    assert np.sqrt(np.square(ratios - 1).mean()) < 0.1
    # What the estimate says of itself is about what it does.
    assert 0.5 < np.mean([one.uncertainty for one in found]) / max(ratios.std(), 0.02) < 3
    assert sum(one.note is not None for one in found) <= (20 if signal is oscillating else 2)


def test_a_signal_as_fast_as_the_noise_raises_a_doubt():
    found = estimate_gaussian(noisy(oscillating, 64, 0.01, 0)[None, None, None])
    assert found.sigma > 0.012
    assert "as fast as the noise" in found.note


@pytest.mark.parametrize("signal", [smooth, spectrum, steps])
def test_missing_samples_leave_gaps(signal):
    known = torch.from_numpy(np.random.default_rng(1).random(2048) < 0.5)[None, None, None]
    y = noisy(signal, 2048, 0.05, 0)[None, None, None]
    found = estimate_gaussian(torch.where(known, y, 1e6), known)
    assert found.sigma == pytest.approx(0.05, rel=0.1)


def test_fewer_than_20_samples_have_no_estimate():
    assert math.isinf(estimate_gaussian(noisy(smooth, 19, 0.1, 0)[None, None, None]).uncertainty)
    assert estimate_gaussian(noisy(smooth, 20, 0.1, 0)[None, None, None]).uncertainty < 1


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_differences_vanish_on_polynomials_and_keep_white_noise(order):
    generator = np.random.default_rng(order)
    places = torch.from_numpy(np.sort(generator.choice(200, 50, replace=False)).astype(float))[None]
    polynomial = sum((places / 100) ** power for power in range(order))
    assert float(_differences(polynomial, places, order).abs().max()) < 1e-10
    assert float(_differences((places / 100) ** order, places, order).abs().max()) > 1e-6
    noise = torch.from_numpy(generator.standard_normal((4000, 50)))
    assert float(_differences(noise, places.expand(4000, 50), order).std()) == pytest.approx(
        1, rel=0.02
    )


def test_the_cut_of_normal_numbers_is_accounted_for():
    numbers = torch.randn(200_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert _spread(3 * numbers) == pytest.approx(3, rel=0.01)
    spoiled = torch.cat([numbers, torch.full((20_000,), 50.0)])
    assert _spread(spoiled) == pytest.approx(1, rel=0.02)
    assert _CUT < 3


def test_rows_apart_are_not_joined():
    """Each row has its own level; a difference across the end of one would be a jump."""
    y = torch.arange(5.0, dtype=torch.float64)[:, None] * 100 + noisy(smooth, 200, 0.1, 0)
    found = level_of_rows(y, torch.ones_like(y, dtype=torch.bool))
    assert found.sigma == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize("length", [1, 4])
def test_rows_too_short_for_a_difference_have_no_level(length):
    y = torch.rand(3, length, dtype=torch.float64)
    assert level_of_rows(y, torch.ones_like(y, dtype=torch.bool), scale=y + 1) is None


@pytest.mark.parametrize("signal", [spectrum, lambda n: np.abs(steps(n))])
@pytest.mark.parametrize("peak", [30, 300])
def test_the_gain_of_photon_counts(signal, peak):
    clean = signal(2048) + 0.1
    y = torch.from_numpy(np.random.default_rng(0).poisson(peak * clean) / peak)[None, None, None]
    found = estimate_poisson(y)
    assert found.peak == pytest.approx(peak, rel=0.15)
    assert found.sigma == pytest.approx(math.sqrt(clean.mean() / peak), rel=0.1)
    assert found.doubt is None
    offset = estimate_poisson(y + 5, offset=5.0)
    assert offset.peak == pytest.approx(found.peak, rel=1e-6)


def test_fewer_than_one_count_in_a_sample_raises_a_doubt():
    y = torch.from_numpy(np.random.default_rng(0).poisson(np.full(2048, 0.2)).astype(float))
    assert "less than one count" in estimate_poisson(y[None, None, None]).note
