"""The rule by the outputs' variance, against its definition."""

from types import SimpleNamespace

import pytest
import torch

from invprior.stopping.variance import Variance, selection


def outputs(steps):
    """Noise around a fixed image, whose level falls until step 60 and rises after."""
    g = torch.Generator().manual_seed(0)
    image = torch.rand((1, 1, 8, 8), generator=g)
    for step in range(1, steps + 1):
        level = 0.01 + abs(step - 60) / 200
        x = image + level * torch.randn(image.shape, generator=g)
        yield SimpleNamespace(step=step, x=x, latest=x)


def test_the_window_holds_the_last_outputs():
    watch, seen = Variance(window=10, patience=30).start(None), []
    figures = {}
    for now in outputs(200):
        seen.append(now.x.double())
        if now.step >= 10:
            figures[now.step] = float(torch.cat(seen[-10:]).var(0, correction=0).mean())
        stop = watch(now)
        if now.step >= 10:
            assert float(watch.lowest.figure) == pytest.approx(min(figures.values()), rel=1e-9)
        if stop is not None:
            break
    best = min(figures, key=figures.get)
    assert now.step == best + 30
    assert torch.equal(stop.x, seen[best - 1].float())
    assert 55 <= best <= 70


def test_the_exponential_form_needs_no_window():
    watch = Variance(form="exponential", window=10, patience=30).start(None)
    mean, variance, figures = 0.0, 0.0, {}
    for now in outputs(200):
        off = float((now.x.double() - mean).square().mean())
        variance = 0.9 * (variance + 0.1 * off)
        mean = 0.9 * mean + 0.1 * now.x.double()
        if now.step >= 10:
            figures[now.step] = variance
        if watch(now) is not None:
            break
    best = min(figures, key=figures.get)
    assert (watch.lowest.best, now.step) == (best, best + 30)
    assert float(watch.lowest.figure) == pytest.approx(figures[best], rel=1e-6)


def test_large_images_are_thinned_out():
    assert len(selection(torch.zeros(3, 512, 512))) == 65536
    assert len(selection(torch.zeros(3, 10, 10))) == 300
