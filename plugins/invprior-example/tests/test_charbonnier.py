"""The prior restores a picture, found by its name as users write it."""

import invprior
from invprior import samples


def test_it_restores_a_picture():
    truth = samples.load("camera", 64).x
    y, blur = invprior.simulate(truth, operator="blur", noise="gaussian:sigma=0.02")
    x = invprior.solve(y, operator=blur, prior="charbonnier:width=0.02", steps=50).x
    assert (x - truth).square().mean() < 0.6 * (y - truth).square().mean()
