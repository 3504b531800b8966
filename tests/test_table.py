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

# Operator and standard deviation of the noise.
PROBLEMS = {
    "denoise": ("denoise", 25 / 255),
    "blur": ("blur", 0.02),
    "blur-valid": ("blur:boundary=valid", 0.02),
    "downsample": ("downsample:factor=2", 0.02),
    "inpaint": ("inpaint:keep=0.5", 0.02),
    "compose": ("compose:operators=[blur(sigma=1.0),downsample(factor=2)]", 0.02),
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
def measured(problem, size):
    """The true image, its measurement, and the operator."""
    text, sigma = PROBLEMS[problem]
    top, left = 40 - size // 2, 112 - size // 2  # around the middle of the face
    truth = samples.load("astronaut", 256).x[..., top : top + size, left : left + size]
    return truth, *simulate(truth, operator=text, noise=f"gaussian:sigma={sigma}", seed=1)


def solved(problem, prior, size=64, **options):
    _, y, operator = measured(problem, size)
    noise = f"gaussian:sigma={PROBLEMS[problem][1]}"
    run = {
        "noise": noise,
        "weight": "default",
        **options,
    }  # the search for weights has its own tests
    return invprior.solve(y, operator=operator, prior=prior, **run).x


@functools.cache
def baselines(problem, size):
    """PSNR of what one has without a prior, and of the prior `none`.

    The measurement itself where it has the image's size, else the damped pseudo-inverse; for an
    inpainting problem also the measurement with the mean in place of the missing pixels.
    """
    truth, y, operator = measured(problem, size)
    found = {"none": solved(problem, "none", size)}
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


# Two terms take one path whatever the operator: one with a closed form and one without will do for a sum.
PAIRS = [
    (prior, problem)
    for prior in PRIORS
    for problem in PROBLEMS
    if " + " not in prior or problem in ("denoise", "compose")
]


@pytest.mark.parametrize(("prior", "problem"), PAIRS)
def test_beats_no_prior(problem, prior):
    # A network needs far fewer steps, of far less time each, where the image is small; it is a small one, and alone.
    size, steps = (32, 150) if prior.startswith("dip") else (64, None)
    truth, _, _ = measured(problem, size)
    x = solved(problem, prior, size, steps=steps)
    assert x.shape == truth.shape
    assert torch.isfinite(x).all()
    reached = psnr(x, truth)
    for name, score in baselines(problem, size).items():
        assert reached > score, f"{prior} on {problem}: {reached:.2f} dB, {name} {score:.2f} dB"


@pytest.mark.parametrize("problem", PROBLEMS)
def test_none_gives_a_finite_image(problem):
    truth, _, _ = measured(problem, 64)
    x = solved(problem, "none")
    assert x.shape == truth.shape
    assert torch.isfinite(x).all()
