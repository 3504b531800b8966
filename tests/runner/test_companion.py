"""The mean of a network's image and an explicit prior's."""

import pytest
import torch

from invprior import simulate, solve
from invprior.denoisers.nl_ridge import NLRidge
from invprior.denoisers.nlm import NLM
from invprior.errors import IncompatibleError
from invprior.networks.skip import Skip
from invprior.priors._companion import companion_for
from invprior.priors.dip import DIP
from invprior.priors.tikhonov import Tikhonov

SIGMA = 0.1
NOISE = f"gaussian:sigma={SIGMA}"


def dip(**options):
    return DIP(net=Skip(down=(4,), skip=2), input="auto", members=1, **options)


def measured(operator="denoise"):
    generator = torch.Generator().manual_seed(0)
    return simulate(torch.rand(1, 3, 16, 16, generator=generator), operator=operator, noise=NOISE)


def image_of(prior, operator="denoise", **options):
    y, a = measured(operator)
    return solve(y, operator=a, prior=prior, noise=NOISE, data_range=(0, 1), steps=3, **options)


def test_the_result_is_the_mean_of_both_images():
    y, _ = measured()
    alone, both = image_of(dip()), image_of(dip(companion="auto"))
    explicit = NLRidge().denoise(y, SIGMA)
    torch.testing.assert_close(both.x, (alone.x + explicit) / 2, rtol=0, atol=2e-4)
    assert "companion" in [subject for subject, *_ in both.choices]
    assert "companion" not in [subject for subject, *_ in alone.choices]


@pytest.mark.parametrize(("operator", "denoiser"), [("blur", NLRidge), ("downsample", NLM)])
def test_nl_ridge_keeps_the_aliasing_of_a_smaller_image(operator, denoiser):
    _, a = measured(operator)
    assert isinstance(companion_for(a).prior.denoiser, denoiser)


def test_several_runs_are_averaged_each():
    alone = image_of(dip(), runs=2)
    both = image_of(dip(companion="auto"), runs=2)
    torch.testing.assert_close(both.deviation, alone.deviation / 2)
    torch.testing.assert_close((both.members[0].x + both.members[1].x) / 2, both.x)


@pytest.mark.parametrize(
    ("prior", "operator"),
    [
        (dip(companion="auto") + 0.1 * Tikhonov(), "denoise"),  # the user's own objective
        (dip(companion="auto"), "inpaint:keep=0.5"),  # the network does not see the measurement
        (DIP(preset="paper", net=Skip(down=(4,), skip=2)), "denoise"),
        (dip(), "blur"),
    ],
    ids=["more terms", "holes", "paper", "own network"],
)
def test_other_networks_stand_alone(prior, operator):
    assert "companion" not in [subject for subject, *_ in image_of(prior, operator).choices]


def test_a_companion_that_does_not_fit_becomes_a_note(monkeypatch):
    def refuse(*_):
        raise IncompatibleError("refused.")

    monkeypatch.setattr("invprior.runner.companion.select_solver", refuse)
    found = image_of(dip(companion="auto"))
    assert any("its companion could not be solved: refused" in note for note in found.notes)
    torch.testing.assert_close(found.x, image_of(dip()).x)


def test_a_network_that_refines_starts_from_the_companions_image():
    truth = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    noise = "gaussian:sigma=0.001"
    y, a = simulate(truth, operator="downsample:factor=2", noise=noise)

    fast = dip(companion="auto", preset="fast")

    def run(prior=fast, **options):
        return solve(y, operator=a, prior=prior, noise=noise, data_range=(0, 1), **options)

    refined, explicit = run(steps=3), run("pnp").x
    assert torch.equal(run(steps=3, x0=explicit).x, refined.x)
    assert not torch.equal(run(steps=3, x0=truth).x, refined.x)  # the user's estimate is seen
    chosen = {subject: value for subject, value, _ in refined.choices}
    assert chosen["input"] == "initial estimate"
    assert chosen["companion"].startswith("pnp")
    # In other units, too, but for the rounding of bfloat16.
    scaled = {"noise": "gaussian:sigma=0.4", "data_range": (-100, 300), "steps": 3}
    wide = solve(400 * y - 100, operator=a, prior=fast, **scaled)
    torch.testing.assert_close((wide.x + 100) / 400, refined.x, rtol=0, atol=0.03)
