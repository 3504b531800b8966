from __future__ import annotations

import torch
from torch import nn

from invprior.networks.conv_decoder import ConvDecoder
from invprior.networks.deep_decoder import DeepDecoder
from tests.networks.cases import count, generator


def test_have_as_many_parameters_as_the_authors_networks():
    assert count(DeepDecoder().build(128, 3, generator())) == 100_224
    assert count(DeepDecoder(channels=[64] * 6).build(64, 3, generator())) == 25_536
    assert count(ConvDecoder(channels=[160] * 7).build(160, 30, generator())) == 1_619_840


def test_z_is_small_and_as_wide_as_the_first_layer():
    assert DeepDecoder().input_size(512, 512) == (16, 16)
    assert ConvDecoder(channels=[8, 4, 4]).input_size(9, 4) == (3, 2)
    assert DeepDecoder().natural_channels == 128
    assert ConvDecoder(channels=[8, 4, 4]).natural_channels == 8


def test_mixing_before_enlarging_gives_what_the_paper_enlarges_first():
    module = DeepDecoder(channels=[6, 5]).build(4, 2, generator()).double()
    z = torch.rand(1, 4, 3, 5, dtype=torch.float64, generator=generator(1))
    mix, enlarge, *rest = module
    torch.testing.assert_close(module(z), nn.Sequential(enlarge, mix, *rest)(z))


def test_a_deep_decoder_mixes_no_neighbours_where_nothing_is_enlarged():
    module = DeepDecoder(channels=[5]).build(4, 2, generator())
    z = torch.rand(1, 4, 3, 4, generator=generator(1))
    order = torch.randperm(12, generator=generator(2))
    shuffled = z.flatten(2)[..., order].view_as(z)
    torch.testing.assert_close(
        module(shuffled).flatten(2), module(z).flatten(2)[..., order], atol=1e-5, rtol=1e-4
    )
