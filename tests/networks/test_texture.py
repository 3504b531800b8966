from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from invprior.networks.texture import Pyramid, Texture
from tests.networks.cases import count, generator


@pytest.mark.parametrize(
    ("inputs", "options", "expected"),
    [
        (3, {}, 116_915),
        (32, {"padding": "reflect", "fill": "noise"}, 129_443),
        (2, {"ratios": [8, 4, 2, 1], "channels": 4}, 10_335),
    ],
    ids=["default", "get-net", "four-scales"],
)
def test_has_as_many_parameters_as_the_authors_network(inputs, options, expected):
    assert count(Texture(**options).build(inputs, 3, generator())) == expected


def test_the_input_is_a_multiple_of_the_coarsest_ratio():
    assert Texture().stride == 32
    assert Texture().input_size(33, 100) == (64, 128)


class Seen(torch.nn.Module):
    """An identity that remembers the part of z that a scale sees."""

    def forward(self, x):
        self.part = x
        return x


def parts(fill, z):
    seen = [Seen() for _ in range(3)]
    join = [torch.nn.Identity(), torch.nn.Identity()]
    pyramid = Pyramid(ratios=(4, 2, 1), enter=seen, join=join, upsample="nearest", fill=fill)
    assert pyramid(z).shape == (1, 3, *z.shape[-2:])
    return [scale.part for scale in seen]


def test_a_coarser_scale_sees_averages_or_noise_of_full_strength():
    z = torch.randn(1, 1, 64, 64, generator=generator(1))
    coarse, middle, fine = parts("average", z)
    assert torch.equal(fine, z)
    assert torch.allclose(coarse, F.avg_pool2d(z, 4))
    assert coarse.std() < 0.4 < middle.std() < 0.6

    coarse, middle, fine = parts("noise", z)
    assert torch.equal(fine, z)
    assert coarse.shape[-1] == 16
    assert middle.shape[-1] == 32
    assert 0.85 < coarse.std() < 1.15
    assert not set(coarse.flatten().tolist()) & set(middle.flatten().tolist())
