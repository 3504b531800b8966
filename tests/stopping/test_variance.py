"""The rule `variance`, against its definition."""

from types import SimpleNamespace

import pytest
import torch

from invprior.stopping.variance import Variance, selection


def outputs(steps):
    """A fixed image with noise, whose level falls until step 60 and rises afterwards."""
    g = torch.Generator().manual_seed(0)
    image = torch.rand((1, 1, 8, 8), generator=g)
    for step in range(1, steps + 1):
        level = 0.01 + abs(step - 60) / 200
        x = image + level * torch.randn(image.shape, generator=g)
        yield SimpleNamespace(step=step, x=x, latest=x)


def test_the_window_holds_the_last_outputs():
    watch, seen = Variance(window=10, patience=30).start(None), []
    variances = {}
    for now in outputs(200):
        seen.append(now.x.double())
        if now.step >= 10:
            variances[now.step] = float(torch.cat(seen[-10:]).var(0, correction=0).mean())
        stop = watch(now)
        if now.step >= 10:
            assert float(watch.lowest.value) == pytest.approx(min(variances.values()), rel=1e-9)
        if stop is not None:
            break
    best = min(variances, key=variances.get)
    assert now.step == best + 30
    assert torch.equal(stop.x, seen[best - 1].float())
    assert 55 <= best <= 70


def test_the_exponential_form_needs_no_window():
    watch = Variance(form="exponential", window=10, patience=30).start(None)
    mean, variance, variances = 0.0, 0.0, {}
    for now in outputs(200):
        distance = float((now.x.double() - mean).square().mean())
        variance = 0.9 * (variance + 0.1 * distance)
        mean = 0.9 * mean + 0.1 * now.x.double()
        if now.step >= 10:
            variances[now.step] = variance
        if watch(now) is not None:
            break
    best = min(variances, key=variances.get)
    assert (watch.lowest.best, now.step) == (best, best + 30)
    assert float(watch.lowest.value) == pytest.approx(variances[best], rel=1e-6)


def test_large_images_are_thinned_out():
    assert len(selection(torch.zeros(3, 512, 512))) == 65536
    assert len(selection(torch.zeros(3, 10, 10))) == 300
