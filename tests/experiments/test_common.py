"""The image of an experiment."""

import torch

from invprior import samples
from invprior.experiments.common import single_image


def test_an_image_outside_0_to_1_is_mapped_to_it_with_a_note(caplog):
    x = samples.load("camera", 16).x
    assert torch.equal(single_image(x), x)
    assert not caplog.records
    spread = (x - x.min()) / (x.max() - x.min())
    for scale, offset in ((4095.0, 0.0), (0.01, 0.0), (3000.0, -1000.0)):
        found = single_image(scale * x + offset)
        torch.testing.assert_close(found, spread, atol=1e-4, rtol=0)
    assert "mapped to 0 to 1" in caplog.text
    assert torch.equal(single_image(torch.full((4, 4), 7.0)), torch.ones(1, 1, 4, 4))
