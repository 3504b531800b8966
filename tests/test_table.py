"""Every prior solves every operator, and beats what one has without a prior."""

import functools

import pytest
import torch

import invprior
from invprior import samples
from invprior.builders.problem import build
from invprior.builders.simulation import simulate
from invprior.metrics.psnr import PSNR
from invprior.operators.inpaint import Inpaint

# Operator, standard deviation of the noise, and the iterations of Deep Image Prior, which has a
# network for a small image here, and one only: few iterations where the noise is strong.
PROBLEMS = {
    "denoise": ("denoise", 25 / 255, 200),
    "blur": ("blur", 0.02, 400),
    "blur-valid": ("blur:boundary=valid", 0.02, 400),
    "downsample": ("downsample:factor=2", 0.02, 400),
    "inpaint": ("inpaint:keep=0.5", 0.02, 400),
    "compose": ("compose:operators=[blur(sigma=1.0),downsample(factor=2)]", 0.02, 400),
}
DIP = "dip:net=skip(down=[32,64],up=[32,64],skip=4),members=1"
PRIORS = (
    "tikhonov",
    "tv",
    "wavelet",
    "pnp",
    "red",
    DIP,
    DIP + " + tv:weight=1",
    "tv:weight=5 + wavelet:weight=5",
)


@functools.cache
def measured(problem):
    """The true image, its measurement, and the operator."""
    text, sigma, _ = PROBLEMS[problem]
    truth = samples.load("astronaut", 256).x[..., 8:72, 80:144]  # the face
    return truth, *simulate(truth, operator=text, noise=f"gaussian:sigma={sigma}", seed=1)


def solved(problem, prior, **options):
    _, y, operator = measured(problem)
    noise = f"gaussian:sigma={PROBLEMS[problem][1]}"
    run = {
        "noise": noise,
        "weight": "default",
        **options,
    }  # the search for weights has its own tests
    return invprior.solve(y, operator=operator, prior=prior, **run).x


@functools.cache
def baselines(problem):
    """PSNR of what one has without a prior, and of the prior `none`.

    The measurement itself where it has the image's size, else the damped pseudo-inverse; for an
    inpainting problem also the measurement with the mean in place of the missing pixels.
    """
    truth, y, operator = measured(problem)
    found = {"none": solved(problem, "none")}
    if y.shape == truth.shape:
        found["measurement"] = y
    else:
        found["pseudo-inverse"] = build(y, operator=operator, prior="none")[0].initial_estimate()
    if isinstance(operator, Inpaint):
        mean = y.sum() / operator.observation_mask.expand(y.shape).sum()
        found["mean-filled"] = torch.where(operator.observation_mask.expand(y.shape) > 0, y, mean)
    return {name: psnr(x, truth) for name, x in found.items()}


def psnr(x, truth):
    return float(PSNR().measure(x, truth))


# A network beside another term takes the paths of both, so two operators will do for it.
PAIRS = [
    (prior, problem)
    for prior in PRIORS
    for problem in PROBLEMS
    if prior != DIP + " + tv:weight=1" or problem in ("denoise", "compose")
]


@pytest.mark.parametrize(("prior", "problem"), PAIRS)
def test_beats_no_prior(problem, prior):
    truth, _, _ = measured(problem)
    x = solved(problem, prior, steps=PROBLEMS[problem][2] if prior.startswith("dip") else None)
    assert x.shape == truth.shape
    assert torch.isfinite(x).all()
    reached = psnr(x, truth)
    for name, score in baselines(problem).items():
        assert reached > score, f"{prior} on {problem}: {reached:.2f} dB, {name} {score:.2f} dB"


@pytest.mark.parametrize("problem", PROBLEMS)
def test_none_gives_a_finite_image(problem):
    truth, _, _ = measured(problem)
    x = solved(problem, "none")
    assert x.shape == truth.shape
    assert torch.isfinite(x).all()
