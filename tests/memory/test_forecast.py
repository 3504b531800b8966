"""The estimate of memory before a run, against a network counted by hand and against what torch keeps."""

import random

import pytest
import torch
from torch import nn

from invprior.builders.problem import build
from invprior.memory import forecast as memory
from invprior.memory.forecast import Estimate, estimate, forecast
from invprior.problem.functionals import Reparameterization
from invprior.solvers.adam import Adam
from invprior.solvers.fista import FISTA

CHANNELS = 32


class Two(Reparameterization):
    """x = conv(relu(conv(z))), of a third party: 1x1 filters, nothing but `build`."""

    def build(self, x0, generator):
        return Pair(x0, generator)


class Pair(nn.Module):
    def __init__(self, x0, generator):
        super().__init__()
        self.z = torch.rand((1, 1, *x0.shape[2:]), generator=generator)
        self.first = nn.Conv2d(1, CHANNELS, 1, bias=False)
        self.second = nn.Conv2d(CHANNELS, 1, 1, bias=False)

    def forward(self):
        return self.second(self.first(self.z).relu())


def problem_of(prior, height, width, operator="denoise"):
    y = torch.rand((1, 1, height, width), generator=torch.Generator().manual_seed(0))
    return build(y, operator=operator, prior=prior, noise="gaussian:sigma=0.1")[0]


def test_a_network_counted_by_hand():
    """Behind the rectifier three maps meet in the backward pass: its output, and the gradients of both sides."""
    found = estimate(problem_of(Two(), 512, 384), Adam())
    image = 4 * 512 * 384
    assert 3 * CHANNELS * image < found.working < (3 * CHANNELS + 16) * image
    weights = 4 * 2 * CHANNELS
    assert 2 * 3 * weights <= found.weights <= 2 * 3 * weights + 64  # Adam's counters
    assert found.total == found.working + found.weights + found.images


@pytest.mark.parametrize("operator", ["denoise", "blur:sigma=1", "blur:sigma=1,boundary=circular"])
def test_it_grows_with_the_pixels(operator):
    small, large = (estimate(problem_of(Two(), n, n, operator), Adam()) for n in (256, 512))
    assert small.weights == large.weights
    assert 3.9 < large.working / small.working < 4.1
    assert large.images == 4 * small.images


def test_the_estimate_for_a_larger_image_is_what_it_takes():
    """The profiles of 64 and 128 pixels, extrapolated, against the count at the image's own size."""
    own = problem_of("dip:preset=fast", 192, 192)
    estimated = estimate(own, Adam()).working
    counted = memory._profiled(own, Adam(), (192, 192))
    assert 1 <= estimated / (counted.peak - counted.parameters) < 1.15


def test_pixels_take_a_few_images():
    found = estimate(problem_of("tv", 512, 512), FISTA())
    image = 4 * 512 * 512
    assert 16 * image < found.total < 60 * image


def test_a_part_that_cannot_run_is_no_estimate(monkeypatch):
    def fail(*_):
        raise RuntimeError("too small")

    monkeypatch.setattr(Two, "build", fail)
    assert forecast(problem_of(Two(), 200, 200), Adam()) is None


def test_no_random_state_changes():
    states = torch.get_rng_state(), random.getstate()
    estimate(problem_of("dip:preset=fast,weight_noise=0.01", 200, 200), Adam(langevin=1.0))
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1] == random.getstate()


def test_the_total_is_the_sum():
    assert Estimate(working=1, weights=2, images=4).total == 7
