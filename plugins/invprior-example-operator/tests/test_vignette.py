"""The operator passes every check of its kind, and is inverted under its registered name."""

from invprior_example_operator import Vignette

import invprior
from invprior import samples
from invprior.testing import parametrize_checks


@parametrize_checks(Vignette, Vignette((2, 9, 1), corner=1.0))
def test_vignette(check):
    check()


def test_it_is_inverted():
    truth = samples.load("camera", 32).x
    y, vignette = invprior.simulate(truth, operator="vignette", noise="gaussian:sigma=0.02")
    x = invprior.solve(y, operator=vignette, prior="tv:weight=5", steps=50).x
    assert (x - truth).square().mean() < 0.3 * (y - truth).square().mean()
