"""The rule `self-reference`: two copies of one measurement."""

from types import SimpleNamespace

import pytest
import torch

from invprior.builders.problem import build
from invprior.errors import IncompatibleError
from invprior.runner.api import solve
from invprior.stopping.self_reference import SelfReference

SMALL = "dip:net=skip(down=[4,8],skip=2),channels=4"


def test_the_noise_of_the_copies_is_independent():
    g = torch.Generator().manual_seed(0)
    truth = torch.rand((1, 1, 200, 200), generator=g)
    y = truth + 0.1 * torch.randn(truth.shape, generator=g)
    (problem,) = build(y, prior=SMALL, noise="gaussian:sigma=0.1")
    made = SelfReference(alpha=0.5).prepare(problem, torch.Generator().manual_seed(1))
    one, other = made.y - truth, made.reference - truth
    assert float(one.std()) == pytest.approx(0.1 * 1.25**0.5, rel=0.02)
    assert float(other.std()) == pytest.approx(0.1 * 5**0.5, rel=0.02)
    assert abs(float((one * other).mean() / (one.std() * other.std()))) < 0.02
    assert made.fidelity.sigma == pytest.approx(0.1 * 1.25**0.5)


def test_the_second_noise_is_not_the_first_though_their_seeds_are_the_same():
    """Research code draws its noise from seed 0, as `solve` does."""
    noise = torch.randn((1, 3, 64, 64), generator=torch.Generator().manual_seed(0))
    y, seen = 0.5 + 0.1 * noise, []
    run = {"prior": SMALL, "noise": "gaussian:sigma=0.1", "stop": "self-reference", "steps": 1}
    # In this range the run works in the units of y.
    solve(y, seed=0, data_range=(0, 1), callbacks=[seen.append], **run)
    added = seen[0].objective.problem.y - y
    assert float(added.std()) == pytest.approx(0.05, rel=0.05)
    assert abs(float((added * noise).mean() / added.std())) < 0.05


def test_channels_stand_for_each_other():
    g = torch.Generator().manual_seed(0)
    grey = torch.rand((1, 1, 20, 20), generator=g)
    y = torch.cat((grey, 0.5 * grey + 0.2, 0.1 + 0.3 * grey), 1)
    (problem,) = build(y, prior=SMALL, noise="gaussian:sigma=0.1")
    made = SelfReference(copies="channels").prepare(problem, torch.Generator())
    assert torch.equal(made.y, y)
    assert torch.allclose(made.reference, y, atol=1e-6)
    watch = SelfReference(copies="channels", every=1, patience=0.5).start(made)
    iterates = [
        SimpleNamespace(step=s, x=y + abs(s - 30) / 100, objective=SimpleNamespace(problem=made))
        for s in range(1, 200)
    ]
    stops = [(now.step, stop) for now in iterates if (stop := watch(now)) is not None]
    assert stops[0][0] == 105
    assert torch.allclose(stops[0][1].x, y, atol=1e-6)


def test_what_does_not_fit_is_refused(y):
    with pytest.raises(IncompatibleError, match="several channels"):
        solve(y[:, :1], prior=SMALL, stop="self-reference:copies=channels")
    with pytest.raises(IncompatibleError, match="Gaussian noise"):
        solve(y, prior=SMALL, stop="self-reference", noise="poisson:peak=50")
