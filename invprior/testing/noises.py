"""Checks of noise models."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from invprior.fidelities.base import Fidelity
from invprior.noises.base import Noise
from invprior.testing.global_state import global_state_unused
from invprior.testing.likelihoods import require_likelihood, require_scores
from invprior.testing.method_calls import MethodCall
from invprior.testing.report import Check, Fault, Skip, checks_for
from invprior.testing.sample_tensors import SIZE, images, seeded
from invprior.testing.tensor_methods import tensor_method_checks

_MANY = (3, 2, 64, 64)  # 24,576 draws, which tell a strength to 1 %


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


def its_fidelity(noise: Noise) -> str:
    """`fidelity` is the negative log-likelihood of this noise: its mean, its strength and its independence."""
    # With the open parameters of a simulation set, as only those say how strong the noise is.
    model = noise.filled_in()
    fidelity = model.fidelity()
    if not isinstance(fidelity, Fidelity):
        raise Fault(f"fidelity() returns a {type(fidelity).__name__}, should be a Fidelity")
    clean = torch.full(_MANY, 0.5, dtype=torch.float64)
    y = noise.sample(clean, seeded())
    if torch.equal(y, clean):
        raise Skip("it adds no noise")
    if not _varies(y):
        raise Skip("intensities in [0, 1] are outside its range, as below the offset of a camera")
    if not torch.equal(model.sample(clean, seeded()), y):
        raise Fault("filled_in() is another noise: its sample differs")
    text = ""
    fit = fidelity.with_noise_level(float((y - clean).std()))
    require_likelihood(fit, clean, y)
    # Also near black and white, where noise of any strength that is cut off to [0, 1] loses a part.
    dark = min(0.05, 0.5 * float((y - clean).std()))
    for level in (dark, 0.5, 1 - dark):
        clean = torch.full(_MANY, level, dtype=torch.float64)
        y = model.sample(clean, seeded(2))
        # Not below the offset of a camera, nor where photons are so few that a likelihood bounds its gradient.
        if _varies(y) and float((y - clean).std()) < 3 * level:
            text = require_scores(fit, clean, y)
            _require_variance(fit, clean, y)
    return text


def _require_variance(fit: Fidelity, clean: Tensor, y: Tensor) -> None:
    variance = fit.noise_variance(y)
    if variance is None:
        return
    found, true = float(variance.double().mean()), float((y - clean).var())
    if not math.isclose(found, true, rel_tol=0.1):
        raise Fault(
            f"noise_variance of its fidelity is {found:.3g} on average where the noise has {true:.3g}"
        )


def _varies(y: Tensor) -> bool:
    return bool((y != y.flatten()[0]).any())


def noise_checks() -> tuple[Check, ...]:
    """Return the checks of every noise model."""
    own = (seeded_alone, independent, both_precisions, any_shape, its_fidelity)
    # One generator serves the whole batch, so an image alone gets other noise than in a batch.
    methods = tensor_method_checks(Noise, _calls, batch=False)
    return (*methods, *checks_for(Noise, *own))
