"""Whether a fidelity is the negative log-likelihood of noise that was drawn.

With p the true prediction and g = dE/dp, a negative log-likelihood E has the expected values

    E[g] = 0,                   or the noise has another mean than E assumes;
    E[(p - y) g] = 1            for each measurement, or it is stronger or weaker;
    E[g_i g_j] = 0, i != j,     or measurements that E takes one by one depend on each other.

The second holds for Gaussian, Laplace and Poisson noise alike: it says that E is least at the noise's own scale.
"""

from __future__ import annotations

import torch
from torch import Tensor

from invprior.fidelities.base import Fidelity
from invprior.testing.report import Fault

_SIGNIFICANT = 6.0  # standard errors; the draws have fixed seeds
_BIAS = 0.03  # allowed mean of the gradient, relative to its size
_STRENGTH = 0.15  # allowed error of E[(p - y) g]: 7 % of a standard deviation


def require_likelihood(fit: Fidelity, clean: Tensor, y: Tensor) -> None:
    """Require that E is least at the true prediction rather than well beside it, and that it is of the usual size.

    Raises:
        Fault: it is not.
    """
    shift = 2 * float((y - clean).std())  # in units of the noise, which may be of any strength
    at, below, above = (float(fit.value(clean + d, y).sum()) for d in (0.0, -shift, shift))
    if not at < min(below, above):
        raise Fault(
            f"fidelity() is not least at the truth: the truth shifted by {shift:.2g} costs less"
        )
    # The expected value is 1/2 for Gaussian, near 1/2 for Poisson and 1 for Laplace noise, hence the wide range.
    share = at / clean.numel()
    if not 0.1 < share < 3.0:
        raise Fault(
            f"fidelity() is {share:.2g} per measurement at the truth, should be about 1/2: "
            "its scale is not that of this noise"
        )


def require_scores(fit: Fidelity, clean: Tensor, y: Tensor) -> str:
    """Require the three expected values above, of noise on images of one intensity.

    Args:
        fit: the fidelity, with its noise level set.
        clean: the true prediction, constant.
        y: measurements of it.

    Returns:
        The strength of the noise that was found, for the report.

    Raises:
        Fault: one of them is another.
    """
    level = float(clean.flatten()[0])
    where = f"at intensity {level:.2g}"
    score, noise = fit.gradient(clean, y), y - clean
    count = score.numel()
    size = float(score.square().mean().sqrt())
    if size == 0.0:
        raise Fault(f"fidelity() does not see the noise {where}: its gradient is 0")
    if abs(float(score.mean())) > max(_BIAS, _SIGNIFICANT / count**0.5) * size:
        raise Fault(
            f"the noise has another mean than its fidelity assumes, as one that is cut off or shifted: "
            f"{where}, y is {float(noise.mean()):+.2g} away on average"
        )
    strength = -noise * score
    found, spread = float(strength.mean()), float(strength.std()) / count**0.5
    if abs(found - 1) > max(_STRENGTH, _SIGNIFICANT * spread):
        raise Fault(
            f"the noise is {'stronger' if found > 1 else 'weaker'} than its fidelity assumes: "
            f"{where}, its standard deviation is {found**0.5 if found > 0 else 0:.2g} times that"
        )
    _require_independence(fit, clean, y, score)
    return f"its strength is {found**0.5:.3g} times what its fidelity assumes"


def _require_independence(fit: Fidelity, clean: Tensor, y: Tensor, score: Tensor) -> None:
    mixed = y.clone()
    mixed[..., ::2] = y.flip(-2)[..., ::2]
    if not torch.allclose(fit.gradient(clean, mixed)[..., 1::2], score[..., 1::2]):
        return  # this fidelity knows of correlations
    for dim, name in (
        (-1, "beside"),
        (-2, "below"),
        (1, "in another channel"),
        (0, "in another image"),
    ):
        here, there = (
            score.narrow(dim, 1, score.shape[dim] - 1),
            score.narrow(dim, 0, score.shape[dim] - 1),
        )
        correlation = float((here * there).mean() / score.square().mean())
        if abs(correlation) > _SIGNIFICANT / here.numel() ** 0.5:
            raise Fault(
                f"the noise of a measurement and of the one {name} are correlated by {correlation:.2g}, "
                "but its fidelity takes each alone"
            )
