"""Noise that was clipped at black and white leaves no bias in the restoration."""

from __future__ import annotations

import pytest
import torch

import invprior
from invprior.noise_estimation.clipping import unclipped

SIGMA = 0.1


def measured(value: float, *, clip: bool = True) -> torch.Tensor:
    """Return a flat image of this value with noise, (1, 1, 32, 32)."""
    noise = torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    noisy = value + SIGMA * noise
    return noisy.clamp(0, 1) if clip else noisy


@pytest.mark.parametrize("value", [0.0, 0.02, 0.5, 0.95, 1.0])
def test_inverts_the_mean_of_clipped_noise(value: float) -> None:
    draws = torch.randn(400_000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    seen = (value + SIGMA * draws).clamp(0, 1).mean()
    assert float(unclipped(seen[None], SIGMA, (0.0, 1.0))) == pytest.approx(value, abs=1e-3)


@pytest.mark.parametrize("operator", ["denoise", "inpaint:keep=0.8"])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_black_and_white_are_restored(operator: str, value: float) -> None:
    y = measured(value)
    _, mask = invprior.simulate(y, operator=operator, noise="gaussian:sigma=0")
    given = {"operator": mask, "prior": "tv:weight=30", "data_range": (0, 1)}
    solution = invprior.solve(y, noise=f"gaussian:sigma={SIGMA}", **given)
    assert float(solution.x.mean()) == pytest.approx(value, abs=0.01)
    assert "clipping" in [what for what, *_ in solution.choices]
    minimiser = invprior.solve(y, fidelity=f"gaussian:sigma={SIGMA},clipping=ignore", **given)
    assert abs(float(minimiser.x.mean()) - value) > 0.03


def test_range_and_offset_of_the_data_do_not_matter() -> None:
    y = measured(0.05)
    given = {"prior": "tv:weight=30", "noise": f"gaussian:sigma={SIGMA}", "data_range": (0, 1)}
    x = invprior.solve(y, **given).x
    given |= {"prior": "tv:weight=0.03", "noise": f"gaussian:sigma={1000 * SIGMA}"}
    given["data_range"] = (-500, 500)
    wide = invprior.solve(1000 * y - 500, **given).x
    torch.testing.assert_close((wide + 500) / 1000, x, atol=1e-4, rtol=0)


def test_each_run_is_corrected_once() -> None:
    y = measured(0.0)
    given = {"prior": "dip:preset=fast,companion=none", "noise": f"gaussian:sigma={SIGMA}"}
    solution = invprior.solve(y, data_range=(0, 1), steps=2, runs=2, **given)
    mean = torch.stack([member.x for member in solution.members]).mean(0)
    torch.testing.assert_close(solution.x, mean)
    assert float(solution.x.min()) >= 0


@pytest.mark.parametrize("prior", ["tv:weight=30", "none"])
def test_nothing_is_undone_without_clipping_or_without_a_prior(prior: str) -> None:
    y = measured(0.0, clip=prior == "none")
    given = {"prior": prior, "data_range": (0, 1)}
    solution = invprior.solve(y, noise=f"gaussian:sigma={SIGMA}", **given)
    ignored = invprior.solve(y, fidelity=f"gaussian:sigma={SIGMA},clipping=ignore", **given)
    assert torch.equal(solution.x, ignored.x)
    assert "clipping" not in [what for what, *_ in solution.choices]
