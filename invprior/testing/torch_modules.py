"""Checks of every torch module that a plugin builds from a generator: networks, and priors that set x = f(z)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from invprior.testing.global_state import global_state_unused
from invprior.testing.report import Fault
from invprior.testing.sample_tensors import seeded

Build = Callable[[torch.Generator], nn.Module]


def fresh_each_time(build: Build) -> None:
    """Require that the generator alone decides the weights, and that each module has its own.

    Raises:
        Fault: what else decides the weights, or that modules share them.
    """
    source = seeded(3)
    with global_state_unused("build"):
        first, second = build(source), build(source)
    # Cloned, as `build` may return one module again and draw into its tensors.
    kept = {name: value.clone() for name, value in first.state_dict().items()}
    again, other = build(seeded(3)).state_dict(), second.state_dict()
    if any(not torch.equal(value, again[name]) for name, value in kept.items()):
        raise Fault("build gives other weights for the same seed")
    # By identity: two modules may hold equal weights without sharing them.
    ours, theirs = ({id(p) for p in m.parameters()} for m in (first, second))
    if ours & theirs:
        raise Fault(
            "build returns the same network twice: the second image would start from the first one's weights"
        )
    if kept and all(torch.equal(value, other[name]) for name, value in kept.items()):
        raise Fault(
            "build gives the same weights at every call: it does not draw from the generator"
        )


def trains(module: nn.Module, output: Callable[[], Tensor], target: Tensor, lr: float) -> str:
    """Fit the output to a target with a few steps of Adam.

    Returns:
        The share of the error that is left, for the report.

    Raises:
        Fault: a weight gets no gradient, or the error does not fall.
    """
    weights = dict(module.named_parameters())
    if not any(p.requires_grad for p in weights.values()):
        raise Fault("the module has no parameters that can be fitted")
    optimiser = torch.optim.Adam(module.parameters(), lr=lr)
    errors = []
    with torch.enable_grad():
        for step in range(16):
            optimiser.zero_grad()
            error = (output() - target).square().mean()
            error.backward()
            if step == 0:
                _require_gradients(weights)
            optimiser.step()
            errors.append(float(error.detach()))
    share = errors[-1] / errors[0]
    if not share < 0.999:  # lenient: a slow learner is not wrong
        raise Fault(f"it cannot be fitted: 16 steps of Adam leave {share:.2g} of the error")
    return f"16 steps of Adam leave {share:.2g} of the error"


def _require_gradients(weights: dict[str, nn.Parameter]) -> None:
    for name, weight in weights.items():
        if not weight.requires_grad:
            continue
        if weight.grad is None:
            raise Fault(f"no gradient reaches the weight {name}")
        if not bool(weight.grad.isfinite().all()):
            raise Fault(f"the gradient of the weight {name} is not finite")
        # Biases are exempt: a normalisation after one cancels it, so its gradient is 0.
        if weight.dim() > 1 and not bool((weight.grad != 0).any()):
            raise Fault(f"the gradient of the weight {name} is 0: the output does not depend on it")
