import math

import pytest
import torch

from invprior.noise_estimation.clipping import kept_share, limits


@pytest.mark.parametrize(
    "bounds", [(0.0, 1.0), (0.0, math.inf), (-math.inf, 0.4), (-math.inf, math.inf)]
)
@pytest.mark.parametrize("x", [-0.1, 0.05, 0.3, 0.9])
def test_the_share_is_that_of_drawn_noise(bounds, x):
    noise = torch.randn(200_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    seen = (x + 0.2 * noise).clamp(*bounds)
    share = kept_share(seen.mean()[None], 0.2, bounds)
    assert float(share) == pytest.approx(float(seen.var()) / 0.04, abs=0.01)


def test_limits_are_values_that_several_pixels_share():
    assert limits(torch.tensor([0.0, 0.0, 0.3, 1.0])) == (0.0, math.inf)
    assert limits(torch.tensor([0.1, 0.3, 1.0, 1.0])) == (-math.inf, 1.0)
    assert limits(torch.full((4,), 0.5)) == (-math.inf, math.inf)
