"""What holds for every module that a plugin builds from a generator: networks, and the variables of priors."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from invprior.checkpoint.encode import Unpackable, pack
from invprior.testing.method_calls import seeded
from invprior.testing.report import Fault
from invprior.testing.tensor_methods import global_state_watched

Build = Callable[[torch.Generator], nn.Module]


def fresh_each_time(build: Build) -> None:
    """Fail unless the generator alone decides the weights, and each module has its own.

    Raises:
        Fault: how the weights are not what they should be.
    """
    source = seeded(3)
    with global_state_watched("build"):
        first, second = build(source), build(source)
    kept = {name: value.clone() for name, value in first.state_dict().items()}
    again, other = build(seeded(3)).state_dict(), second.state_dict()
    if any(not torch.equal(value, again[name]) for name, value in kept.items()):
        raise Fault("build gives other weights for the same seed")
    ours, theirs = ({id(p) for p in m.parameters()} for m in (first, second))
    if ours & theirs:
        raise Fault(
            "build hands out one network twice: the second image would start from the first one's weights"
        )
    if kept and all(torch.equal(value, other[name]) for name, value in kept.items()):
        raise Fault(
            "build gives the same weights at every call: it does not draw from the generator"
        )


def trains(module: nn.Module, output: Callable[[], Tensor], target: Tensor, lr: float) -> str:
    """Fit the output to a target with some steps of Adam; say what is left of the error.

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
                _reached(weights)
            optimiser.step()
            errors.append(float(error.detach()))
    share = errors[-1] / errors[0]
    if not share < 0.999:  # slow learners are no fault
        raise Fault(f"it cannot be fitted: 16 steps of Adam leave {share:.2g} of the error")
    return f"16 steps of Adam leave {share:.2g} of the error"


def _reached(weights: dict[str, nn.Parameter]) -> None:
    for name, weight in weights.items():
        if not weight.requires_grad:
            continue
        if weight.grad is None:
            raise Fault(f"no gradient reaches the weight {name}")
        if not bool(weight.grad.isfinite().all()):
            raise Fault(f"the gradient of the weight {name} is not finite")
        if weight.dim() > 1 and not bool(
            (weight.grad != 0).any()
        ):  # a norm may cancel a bias before it
            raise Fault(f"the gradient of the weight {name} is 0: the output does not depend on it")


def can_be_kept(module: nn.Module) -> None:
    """Fail unless a checkpoint can hold the module.

    Raises:
        Fault: which part it cannot hold.
    """
    try:
        pack(module)
    except Unpackable as error:
        raise Fault(
            f"a checkpoint cannot keep its {error.place.lstrip('.')}, a {error.kind}; "
            "keep tensors, modules, generators, numbers and texts"
        ) from None
