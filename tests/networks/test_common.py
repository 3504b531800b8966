"""Properties of every network: the conformance kit's checks, and stricter ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import invprior
from invprior import registry, samples
from invprior.errors import OptionError
from invprior.registry.spec import Spec
from invprior.testing import parametrize_checks
from tests.networks.cases import OPTIONS, SMALL, count, crop, every, every_option, generator, z_for


def test_each_name_of_the_registry_has_a_case():
    assert set(SMALL) == {entry.name for entry in registry.entries("networks")}
    for name, network in SMALL.items():
        assert type(registry.create("networks", name)) is type(network)


@parametrize_checks(*SMALL.values(), *OPTIONS)
def test_conformance(check):
    check()


@every_option
@settings(deadline=None, max_examples=8)
@given(height=st.integers(1, 21), width=st.integers(1, 21), outputs=st.integers(1, 4))
def test_the_output_covers_any_image(network, height, width, outputs):
    z = z_for(network, height, width)
    assert min(z.shape[-2:]) >= 2
    image = network.build(z.shape[1], outputs, generator())(z)
    assert image.isfinite().all()
    assert crop(image, height, width).shape == (1, outputs, height, width)


@every_option
def test_gradients_reach_every_weight_and_z(network):
    z = z_for(network, 12, 15).requires_grad_()
    module = network.build(z.shape[1], 2, generator())
    image = module(z)
    if network.sigmoid:
        assert 0 < image.min() < image.max() < 1
    weights = dict(module.named_parameters(), z=z)
    probe = torch.rand(image.shape, generator=generator(2))
    gradients = torch.autograd.grad((image * probe).sum(), list(weights.values()))
    for (name, weight), gradient in zip(weights.items(), gradients, strict=True):
        assert gradient.isfinite().all(), name
        # Batch norm cancels a bias right before it, so such a bias may have no gradient.
        assert weight.ndim == 1 or gradient.abs().max() > 0, name


@every
def test_fits_an_image(network):
    truth = samples.load("astronaut", 32).x
    z = z_for(network, 32, 32)
    module = network.build(z.shape[1], 3, generator())
    optimiser = torch.optim.Adam(module.parameters(), lr=0.02)
    energies = []
    for _ in range(60):
        optimiser.zero_grad()
        energy = (crop(module(z), 32, 32) - truth).square().mean()
        energy.backward()
        optimiser.step()
        energies.append(energy.item())
    constant = (truth - truth.mean((2, 3), keepdim=True)).square().mean()
    assert energies[-1] < 0.6 * energies[0]
    assert energies[-1] < 0.8 * constant  # better than the mean colour


@every
def test_the_default_is_buildable_and_has_room_for_small_images(network):
    default = type(network)()
    z = z_for(default, 5, 40)
    module = default.build(z.shape[1], 1, generator())
    assert count(module) > count(network.build(z.shape[1], 1, generator()))
    assert crop(module(z), 5, 40).shape == (1, 1, 5, 40)


@every
def test_the_documentation_states_what_it_wants(network):
    page = (Path(__file__).parents[2] / "docs" / "networks.md").read_text()
    name = registry.describe(network).name
    row = re.search(rf"^\| `{name}` \| ([\d,]+) \| (\d+) \|(.*?)\|", page, re.M)
    weights, channels, wants = row.groups()
    default = registry.create("networks", name)
    assert count(default.build(int(channels), 3, generator())) == int(weights.replace(",", ""))
    assert default.natural_channels in (None, int(channels))
    expected = [] if default.natural_lr is None else [f"lr={default.natural_lr:g}"]
    expected += [] if default.natural_noise is None else [f"input_noise={default.natural_noise:g}"]
    assert re.findall(r"`(.*?)`", wants) == expected


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("unet", {"channels": []}, "channels"),
        ("unet", {"channels": [4, 0]}, "channels"),
        ("unet", {"upsample": "stride"}, "upsample"),
        ("unet", {"norm": "group"}, "norm"),
        ("resnet", {"blocks": -1}, "blocks"),
        ("resnet", {"channels": 0}, "channels"),
        ("resnet", {"activation": "tanh"}, "activation"),
        ("texture", {"ratios": [4, 2]}, r"ratios of texture must fall to 1, .*got \[4, 2\]"),
        ("texture", {"ratios": [6, 4, 1]}, "ratios of texture must"),
        ("texture", {"ratios": [2, 2, 1]}, "ratios of texture must"),
        ("texture", {"ratios": []}, "ratios"),
        ("texture", {"fill": True}, "fill"),
        ("deep-decoder", {"channels": []}, "channels"),
        ("deep-decoder", {"padding": "zero"}, 'no option "padding"'),
        ("conv-decoder", {"upsample": "deconv"}, "upsample"),
        ("siren", {"omega_0": 0}, "omega_0"),
        ("siren", {"hidden": -1}, "hidden"),
    ],
)
def test_wrong_options_are_refused(name, options, text):
    with pytest.raises(OptionError, match=text):
        type(SMALL[name])(**options)


@every
def test_dip_solves_with_it_by_name(network):
    truth = samples.load("camera", 24).x
    prior = str(Spec("dip", {"net": registry.describe(network)}))
    solution = invprior.solve(truth, operator="denoise", prior=prior, steps=3)
    assert solution.steps == 3
    assert solution.x.shape == truth.shape
    assert solution.x.std() > 1e-4
