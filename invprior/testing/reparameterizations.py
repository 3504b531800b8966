"""Checks of priors that set x = f(z)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from invprior.problem.functionals import Reparameterization
from invprior.testing import torch_modules
from invprior.testing.method_calls import Use, images, seeded
from invprior.testing.report import Check, Fault, checks_for
from invprior.testing.tensor_methods import map_checks

_SIZE = (1, 3, 16, 15)


def _build(prior: Reparameterization, x0: Tensor | None = None, seed: int = 0) -> nn.Module:
    return prior.build(images(*_SIZE) if x0 is None else x0, seeded(seed))


def _uses(prior: Reparameterization) -> Sequence[Use]:
    call = lambda p, x0: _build(p, x0)()  # noqa: E731
    return [Use("build(x0)()", prior, call, (images(*_SIZE),), (prior.members, *_SIZE[1:]))]


def any_size(prior: Reparameterization) -> None:
    """Images of any size and number of channels will do."""
    for shape in ((1, 1, 5, 17), (1, 4, 9, 8)):
        with torch.no_grad():
            found = _build(prior, images(*shape))()
        if found.dim() != 4 or found.shape[1:] != shape[1:]:
            raise Fault(f"for an image of {shape} it makes {tuple(found.shape)}")


def fresh(prior: Reparameterization) -> None:
    """The generator alone decides the weights, and each build has its own: no image starts from another's."""
    torch_modules.fresh_each_time(lambda generator: prior.build(images(*_SIZE), generator))


def seeded_throughout(prior: Reparameterization) -> None:
    """What it draws while it runs comes from its generator too."""
    first, second = _build(prior), _build(prior)
    with torch.no_grad():
        for _ in range(2):
            if not torch.equal(first(), second()):
                raise Fault("two variables of the same seed differ when they are called")


def trainable(prior: Reparameterization) -> str:
    """Gradients reach every weight, and the variable can be fitted to an image."""
    target, variable = images(*_SIZE), _build(prior)
    return torch_modules.trains(variable, lambda: variable(), target, prior.learning_rate)


def defaults(prior: Reparameterization) -> None:
    """Its wishes for the solver are in range: learning_rate > 0, 0 <= average < 1, steps >= 1, langevin >= 0."""
    for name, value, right in (
        ("learning_rate", prior.learning_rate, prior.learning_rate > 0),
        ("average", prior.average, 0 <= prior.average < 1),
        ("steps", prior.steps, isinstance(prior.steps, int) and prior.steps >= 1),
        ("langevin", prior.langevin, prior.langevin >= 0),
    ):
        if not right:
            raise Fault(f"its {name} is {value!r}, out of range")


def checkpoint(prior: Reparameterization) -> None:
    """A checkpoint can keep it."""
    torch_modules.can_be_kept(_build(prior))


def variable_checks() -> tuple[Check, ...]:
    """Of every prior that sets x = f(z)."""
    own = (any_size, fresh, seeded_throughout, trainable, defaults, checkpoint)
    maps = map_checks(Reparameterization, _uses, batch=False)
    return (*maps, *checks_for(Reparameterization, *own))
