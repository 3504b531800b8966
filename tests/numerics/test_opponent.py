import pytest
import torch

from invprior.numerics.opponent import from_opponent, to_opponent


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_is_an_orthonormal_turn(channels):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2, channels, 5, 4, generator=generator, dtype=torch.float64)
    turned = to_opponent(x)
    torch.testing.assert_close(from_opponent(turned), x)
    torch.testing.assert_close(turned.square().sum((1, 2, 3)), x.square().sum((1, 2, 3)))


def test_grey_has_no_chroma():
    grey = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(0)).double()
    turned = to_opponent(grey.expand(1, 3, 4, 4))
    assert turned[:, 1:].abs().max() < 1e-12
    torch.testing.assert_close(turned[:, :1], grey * 3**0.5)
