"""The prior passes every check of its kind, and restores an image under its registered name."""

from invprior_example import Charbonnier

import invprior
from invprior import samples
from invprior.testing import parametrize_checks


@parametrize_checks(Charbonnier, Charbonnier(width=0.1))
def test_charbonnier(check):
    check()


def test_it_restores_an_image():
    truth = samples.load("camera", 64).x
    y, blur = invprior.simulate(truth, operator="blur", noise="gaussian:sigma=0.02")
    x = invprior.solve(y, operator=blur, prior="charbonnier:width=0.02,weight=10", steps=50).x
    assert (x - truth).square().mean() < 0.6 * (y - truth).square().mean()
