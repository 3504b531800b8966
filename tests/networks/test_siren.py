from __future__ import annotations

import math

import pytest
import torch

from invprior.networks.siren import Siren
from tests.networks.cases import count, generator, z_for


def test_has_as_many_parameters_as_the_authors_network():
    # 2 -> 256, three times 256 -> 256, 256 -> 3, each with biases
    assert count(Siren().build(2, 3, generator())) == 768 + 3 * 65_792 + 771


def test_wants_coordinates_at_the_images_own_size():
    assert (Siren().natural_input, Siren().natural_channels) == ("grid", 2)
    assert Siren().input_size(17, 5) == (17, 5)


def test_the_weights_begin_as_in_the_paper():
    network = Siren(width=128, hidden=2, omega_0=20)
    module = network.build(2, 3, generator())
    bounds = [1 / 2, *[math.sqrt(6 / 128) / 20] * 3]
    for layer, bound in zip(module.layers, bounds, strict=True):
        weight = layer.weight * layer.unit
        assert weight.abs().max().item() == pytest.approx(bound, rel=0.05)
        assert weight.abs().max() <= bound * 1.0001
        assert weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1)


def test_the_hidden_maps_keep_their_spread_through_the_layers():
    module = Siren(hidden=6).build(2, 3, generator())
    x = 2 * z_for(Siren(), 32, 32) - 1
    with torch.no_grad():
        for layer in module.layers[:-1]:
            x = torch.sin(layer(x, 30.0))
            # arcsine distributed, so the standard deviation is 1 / sqrt(2)
            assert x.std().item() == pytest.approx(0.707, abs=0.05)


def test_each_pixel_depends_on_its_own_coordinates_alone():
    module = Siren(width=8).build(2, 1, generator())
    z = z_for(Siren(), 6, 7)
    order = torch.randperm(42, generator=generator(2))
    shuffled = z.flatten(2)[..., order].view_as(z)
    torch.testing.assert_close(module(shuffled).flatten(2), module(z).flatten(2)[..., order])


def test_the_coordinates_run_from_minus_one_to_one_inside():
    module = Siren(width=4, hidden=0, sigmoid=False).build(2, 1, generator())
    first, last = module.layers
    with torch.no_grad():
        first.weight.zero_()
        first.bias.zero_()
        first.weight[0, 0] = math.pi / 2 / (30 * first.unit)  # sin(pi / 2 * x)
        last.weight.zero_()
        last.bias.zero_()
        last.weight[0, 0] = 1 / last.unit
    z = torch.tensor([0.0, 0.5, 1.0]).expand(1, 2, 1, 3)
    torch.testing.assert_close(module(z).flatten(), torch.tensor([-1.0, 0.0, 1.0]))


def test_low_precision_does_not_merge_neighbouring_pixels():
    module = Siren(width=16).build(2, 1, generator())
    z = z_for(Siren(), 4, 512)
    plain = module(z)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(module(z), plain)
