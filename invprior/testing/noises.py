"""Checks of noise models."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from invprior.fidelities.base import Fidelity
from invprior.noises.base import Noise
from invprior.testing.global_state import global_state_unused
from invprior.testing.method_calls import MethodCall
from invprior.testing.report import Check, Fault, checks_for
from invprior.testing.sample_tensors import SIZE, images, seeded
from invprior.testing.tensor_methods import tensor_method_checks


def _calls(noise: Noise) -> Sequence[MethodCall]:
    return [MethodCall("sample", noise, lambda n, x: n.sample(x, seeded()), (images(),), SIZE)]


def seeded_alone(noise: Noise) -> None:
    """The generator alone decides the noise."""
    clean = images()
    with global_state_unused("sample"):
        first, again, other = (noise.sample(clean, seeded(s)) for s in (0, 0, 1))
    if not torch.equal(first, again):
        raise Fault("sample gives another result for the same seed")
    if torch.equal(first, other):
        raise Fault(
            "sample gives the same result for every seed: it does not draw from the generator"
        )


def independent(noise: Noise) -> None:
    """Each image of a batch gets its own noise, and every draw differs from the last."""
    clean = images()[:1].repeat(2, 1, 1, 1)
    source = seeded()
    first, second = noise.sample(clean, source), noise.sample(clean, source)
    if torch.equal(first[0], first[1]):
        raise Fault("both images of a batch get the same noise")
    if torch.equal(first, second):
        raise Fault("two draws from one generator are the same: it is seeded again, or copied")


def both_precisions(noise: Noise) -> None:
    """Float32 and float64 images get the same noise, so that a run can be repeated in either precision."""
    clean = images()
    exact, rough = noise.sample(clean, seeded()), noise.sample(clean.float(), seeded())
    if not torch.allclose(rough.double(), exact, atol=1e-5):
        raise Fault(
            "float32 images get other noise than float64 images; draw in float64 on the CPU"
        )


def any_shape(noise: Noise) -> None:
    """Measurements of any shape are accepted, as an operator's need not be images."""
    found = noise.sample(torch.full((2, 11), 0.5, dtype=torch.float64), seeded())
    if found.shape != (2, 11):
        raise Fault(f"a measurement of (2, 11) comes back as {tuple(found.shape)}")


def its_fidelity(noise: Noise) -> None:
    """`fidelity` is the negative log-likelihood of this noise: least at the truth, about 1/2 a measurement."""
    fidelity = noise.fidelity()
    if not isinstance(fidelity, Fidelity):
        raise Fault(f"fidelity() returns a {type(fidelity).__name__}, should be a Fidelity")
    clean = torch.full((1, 1, 48, 48), 0.5, dtype=torch.float64)
    y = noise.sample(clean, seeded())
    fit = fidelity.with_noise_level(max(float((y - clean).std()), 1e-3))
    at, below, above = (float(fit.value(clean + d, y)) for d in (0.0, -0.2, 0.2))
    if not at < min(below, above):
        raise Fault("fidelity() is not least at the truth: the truth shifted by 0.2 costs less")
    # The expected value is 1/2 for Gaussian, near 1/2 for Poisson and 1 for Laplace noise, hence the wide range.
    share = at / clean.numel()
    if not 0.1 < share < 3.0:
        raise Fault(
            f"fidelity() is {share:.2g} per measurement at the truth, should be about 1/2: "
            "its scale is not that of this noise"
        )


def noise_checks() -> tuple[Check, ...]:
    """Return the checks of every noise model."""
    own = (seeded_alone, independent, both_precisions, any_shape, its_fidelity)
    # One generator serves the whole batch, so an image alone gets other noise than in a batch.
    methods = tensor_method_checks(Noise, _calls, batch=False)
    return (*methods, *checks_for(Noise, *own))
