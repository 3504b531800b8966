from __future__ import annotations

import pytest
import torch

from invprior.networks.resnet import ResNet
from tests.networks.cases import count, generator


@pytest.mark.parametrize(
    ("inputs", "options", "expected"),
    [(1, {}, 158_979), (32, {"blocks": 10, "channels": 16}, 54_131)],
    ids=["library", "get-net"],
)
def test_has_as_many_parameters_as_the_authors_network(inputs, options, expected):
    assert count(ResNet(**options).build(inputs, 3, generator())) == expected


def test_it_keeps_the_full_resolution():
    assert ResNet().stride == 1
    assert ResNet().input_size(17, 5) == (17, 5)


def test_a_residual_block_that_gives_nothing_passes_its_input_on():
    z = torch.rand(1, 2, 8, 8, generator=generator(1))
    for residual in (True, False):
        module = ResNet(blocks=1, channels=4, residual=residual).build(2, 1, generator())
        block = next(m for m in module if sum(1 for _ in m.modules()) > 5)
        with torch.no_grad():
            for parameter in block.parameters():
                parameter.zero_()
        assert (module(z).std() > 1e-4) == residual


def test_the_padding_stands_at_the_first_and_last_convolution():
    reflect, zero = (
        ResNet(blocks=0, channels=4, padding=padding).build(2, 1, generator())
        for padding in ("reflect", "zero")
    )
    z = torch.rand(1, 2, 9, 9, generator=generator(1))
    first = [
        torch.nn.Sequential(*list(module)[: 1 + index])(z)
        for index, module in ((1, reflect), (0, zero))
    ]
    assert torch.allclose(first[0][..., 1:-1, 1:-1], first[1][..., 1:-1, 1:-1], atol=1e-6)
    assert not torch.allclose(first[0], first[1], atol=1e-3)
