"""Checks of priors that set x = f(z)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from invprior.builders.problem import solver_from
from invprior.errors import InvpriorError
from invprior.problem.functionals import Reparameterization
from invprior.problem.objective import Objective
from invprior.testing.checkpoints import pack_or_fault
from invprior.testing.method_calls import MethodCall
from invprior.testing.report import Check, Fault, checks_for
from invprior.testing.sample_tensors import images, seeded
from invprior.testing.tensor_methods import tensor_method_checks
from invprior.testing.torch_modules import fresh_each_time, trains

_SIZE = (1, 3, 16, 15)  # one image: a network is fitted to a single one


def _build(prior: Reparameterization, x0: Tensor | None = None, seed: int = 0) -> nn.Module:
    return prior.build(images(*_SIZE) if x0 is None else x0, seeded(seed))


def _calls(prior: Reparameterization) -> Sequence[MethodCall]:
    call = lambda p, x0: _build(p, x0)()  # noqa: E731
    shape = (prior.members, *_SIZE[1:])  # one output for each network of an ensemble
    return [MethodCall("build(x0)()", prior, call, (images(*_SIZE),), shape)]


def any_size(prior: Reparameterization) -> None:
    """Images of any size and any number of channels are accepted."""
    for shape in ((1, 1, 5, 17), (1, 4, 9, 8)):
        with torch.no_grad():
            found = _build(prior, images(*shape))()
        if found.dim() != 4 or found.shape[1:] != shape[1:]:
            raise Fault(f"for an image of {shape} it returns {tuple(found.shape)}")


def fresh(prior: Reparameterization) -> None:
    """The generator alone decides the weights, and each module has its own: no image starts from another's."""
    fresh_each_time(lambda generator: prior.build(images(*_SIZE), generator))


def seeded_throughout(prior: Reparameterization) -> None:
    """Random numbers drawn during the run come from the generator too."""
    first, second = _build(prior), _build(prior)
    with torch.no_grad():
        for _ in range(2):
            if not torch.equal(first(), second()):
                raise Fault("two modules built from the same seed return different images")


def trainable(prior: Reparameterization) -> str:
    """Gradients reach every weight, and the module can be fitted to an image."""
    target, module = images(*_SIZE), _build(prior)
    spec = prior.solver_spec
    lr = float(spec.options.get("lr", 0.01)) if spec.name == "adam" else 0.01  # type: ignore[arg-type]
    return trains(module, lambda: Objective.output(module).x, target, lr)


def defaults(prior: Reparameterization) -> None:
    """Its `default_solver` can be made, and its `steps` are an integer >= 1."""
    try:
        solver_from(prior.default_solver)
    except InvpriorError as error:
        raise Fault(f"its default_solver cannot be made: {error}") from None
    if not isinstance(prior.steps, int) or prior.steps < 1:
        raise Fault(f"its steps is {prior.steps!r}, out of range")


def checkpoint(prior: Reparameterization) -> None:
    """A checkpoint can store the module."""
    pack_or_fault(_build(prior), "its")


def reparameterization_checks() -> tuple[Check, ...]:
    """Return the checks of every prior that sets x = f(z)."""
    own = (any_size, fresh, seeded_throughout, trainable, defaults, checkpoint)
    methods = tensor_method_checks(Reparameterization, _calls, batch=False)
    return (*methods, *checks_for(Reparameterization, *own))
