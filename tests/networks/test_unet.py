from __future__ import annotations

import pytest
import torch
from torch import nn

from invprior.errors import OptionError
from invprior.networks.unet import UNet
from tests.networks.cases import count, generator


@pytest.mark.parametrize(
    ("inputs", "outputs", "options", "expected"),
    [
        (32, 3, {}, 2_469_539),
        (32, 3, {"upsample": "bilinear", "padding": "reflect"}, 2_164_899),
        (1, 3, {"channels": [8, 16, 32, 64, 128, 128], "norm": "instance"}, 1_616_315),
        (3, 3, {"concat_input": True, "bias": False}, 2_430_888),
        (
            3,
            1,
            {
                "channels": [8, 16, 32, 64, 128],
                "concat_input": True,
                "norm": "none",
                "upsample": "nearest",
            },
            523_879,
        ),
    ],
    ids=["default", "bilinear", "library", "concat", "concat-grey"],
)
def test_has_as_many_parameters_as_the_authors_network(inputs, outputs, options, expected):
    assert count(UNet(**options).build(inputs, outputs, generator())) == expected


def test_stride_counts_the_halvings():
    assert UNet(channels=[4]).stride == 1
    assert UNet(channels=[4] * 4).stride == 8
    assert UNet(channels=[4] * 4).input_size(17, 5) == (24, 16)


def test_the_transposed_convolution_has_pytorchs_default_distribution():
    torch.manual_seed(0)
    reference = nn.ConvTranspose2d(64, 32, 4)
    module = UNet(channels=[32, 64]).build(3, 3, generator())
    ours = next(m for m in module.modules() if isinstance(m, nn.ConvTranspose2d))
    assert ours.weight.shape == reference.weight.shape
    for mine, theirs in zip(ours.parameters(), reference.parameters(), strict=True):
        assert mine.abs().max().item() == pytest.approx(theirs.abs().max().item(), rel=0.1)
        assert mine.std().item() == pytest.approx(theirs.std().item(), rel=0.25)


def test_each_scale_sees_z_only_when_asked():
    z = torch.rand(1, 2, 16, 16, generator=generator(1))
    for concat in (False, True):
        network = UNet(channels=[4, 6], norm="none", padding="reflect", concat_input=concat)
        module = network.build(2, 1, generator())
        with torch.no_grad():
            for parameter in module[0].down.parameters():
                parameter.zero_()
        assert (module(z)[..., 4:-4, 4:-4].std() > 1e-4) == concat


def test_a_z_that_fills_a_scale_is_refused():
    with pytest.raises(OptionError, match="more than the 16 of z when concat_input is on; got 16"):
        UNet(concat_input=True).build(16, 3, generator())
