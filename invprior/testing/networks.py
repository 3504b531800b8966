"""Checks of networks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from invprior.networks.base import Network
from invprior.numerics.tensor_diff import distance
from invprior.testing.checkpoints import pack_or_fault
from invprior.testing.method_calls import MethodCall
from invprior.testing.report import Check, Fault, checks_for
from invprior.testing.sample_tensors import seeded
from invprior.testing.tensor_methods import tensor_method_checks
from invprior.testing.torch_modules import fresh_each_time, trains

_SIDES = (12, 15)  # no multiples of the powers of 2 by which networks halve the image


def _input(network: Network, height: int, width: int) -> Tensor:
    """Return the z that the network expects for one image of a size, float64."""
    size = network.input_size(height, width)
    if network.natural_input == "grid":
        rows, columns = (torch.linspace(0, 1, n, dtype=torch.float64) for n in size)
        return torch.stack((columns.expand(size), rows[:, None].expand(size)))[None]
    channels = network.natural_channels or 3
    # As in the Deep Image Prior paper, z is uniform in [0, 0.1].
    return torch.rand(1, channels, *size, generator=seeded(1), dtype=torch.float64) / 10


def _build(network: Network, generator: torch.Generator | None = None) -> nn.Module:
    channels = _input(network, *_SIDES).shape[1]
    return network.build(channels, 3, generator or seeded()).double()


def _calls(network: Network) -> Sequence[MethodCall]:
    # The same z twice: batch normalisation then computes the statistics of a single z, and mixes nothing.
    z, module = _input(network, *_SIDES).repeat(2, 1, 1, 1), _build(network)
    with torch.no_grad():
        shape = tuple(module(z).shape)
    return [MethodCall("the network", module, lambda m, z: m(z), (z,), (2, 3, *shape[2:]))]


def covers_the_image(network: Network) -> None:
    """The output is at least as large as the image, for sides that are multiples of nothing and for one pixel."""
    for height, width in ((1, 1), (5, 17), (21, 8)):
        z = _input(network, height, width)
        with torch.no_grad():
            found = _build(network)(z)
        if found.shape[:2] != (1, 3) or found.shape[2] < height or found.shape[3] < width:
            raise Fault(f"for an image of {height} x {width} its output is {tuple(found.shape)}")
        if not bool(found.isfinite().all()):
            raise Fault(f"for an image of {height} x {width} its output is not finite")


def fresh(network: Network) -> None:
    """The generator alone decides the weights, and each network has its own."""
    fresh_each_time(lambda generator: _build(network, generator))


def same_in_evaluation(network: Network) -> None:
    """Training and evaluation mode give the same image, so that what is fitted is what is returned."""
    z, module = _input(network, *_SIDES), _build(network)
    with torch.no_grad():
        training = module(z)
        apart = distance(module.eval()(z), training)
    if not apart <= 1e-6:
        raise Fault(f"evaluation mode gives another image (relative difference {apart:.0e})")


def trainable(network: Network) -> str:
    """Gradients reach every weight, and the network can be fitted to an image."""
    z, module = _input(network, *_SIDES), _build(network)
    with torch.no_grad():
        target = torch.full_like(module(z), 0.3)
        target[..., 4:, 6:] = 0.8
    lr = 0.01 if network.natural_lr is None else network.natural_lr
    return trains(module, lambda: module(z), target, lr)


def checkpoint(network: Network) -> None:
    """A checkpoint can store the network."""
    pack_or_fault(_build(network), "its")


def network_checks() -> tuple[Check, ...]:
    """Return the checks of every network."""
    own = (covers_the_image, fresh, same_in_evaluation, trainable, checkpoint)
    return (*tensor_method_checks(Network, _calls), *checks_for(Network, *own))
