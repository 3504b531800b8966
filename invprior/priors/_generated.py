"""The variable of Deep Image Prior: a network and its input, with noise on both during the fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from invprior.errors import MeasurementError, OptionError
from invprior.numerics.side_by_side import side_by_side
from invprior.problem.functionals import Output

Recorrupt: TypeAlias = Callable[[Tensor, tuple[int, int], torch.Generator], tuple[Tensor, Tensor]]


class Generated(nn.Module):
    """The image x = f_theta(z + noise), with theta and perhaps z to optimise.

    Args:
        network: maps z to an image at least as large as `size`.
        z: the input, (1, channels, h, w).
        size: height and width of the output, cut from the middle of the network's.
        noise: standard deviation of the noise added to z at every call in training mode.
        weight_noise: standard deviation of the noise added to the filters at such a call, as a fraction of that of
            each filter bank.
        learn_input: whether z is a parameter too.
        low_precision: whether a float32 network computes in bfloat16.
        generator: source of the noise, on the device of the module.
        recorrupt: draws the noise of z where z is the measurement, from memory of z's size, (h, w, channels), the
            output's size and the source of the noise. It also returns the offset of the predictions. None for
            independent noise without an offset.
    """

    z: Tensor
    noisy: Tensor

    def __init__(
        self,
        network: nn.Module,
        z: Tensor,
        *,
        size: tuple[int, int],
        noise: float,
        weight_noise: float,
        learn_input: bool,
        low_precision: bool,
        generator: torch.Generator,
        recorrupt: Recorrupt | None = None,
    ) -> None:
        super().__init__()
        self.recorrupt = recorrupt
        self.network, self.size = network, size
        self.noise, self.weight_noise = noise, weight_noise
        self.low_precision, self.generator = low_precision, generator
        if learn_input:
            self.z = nn.Parameter(z)
        else:
            self.register_buffer("z", z)
        channels, *sides = z.shape[1:]
        # Scratch memory that every call fills anew, so it is no part of a state dict.
        self.register_buffer("noisy", z.new_empty(*sides, channels), persistent=False)

    def forward(self, shift: Tensor | None = None) -> Tensor | Output:
        """Return the image, (1, C, H, W); with a shift, (1, channels, H, W), also the image of z + shift."""
        z, offset = self.z, None
        if self.training and self.noise > 0:
            if self.recorrupt is not None:
                noisy, offset = self.recorrupt(self.noisy, self.size, self.generator)
            else:
                # Drawn as (h, w, channels): torch draws eight times slower in another memory order.
                noisy = self.noisy.normal_(0, self.noise, generator=self.generator)
                noisy = noisy.movedim(-1, 0)[None]
            # In place where z is no parameter, which saves a copy at every step.
            z = z + noisy if z.requires_grad else noisy.add_(z)
        if shift is not None:
            # In one batch, so that both images have the same noise on z and on the filters.
            z = torch.cat((z, z + F.pad(shift, margins(self.size, z.shape[-2:]))))
        if self.z.is_contiguous():  # in the order of the weights
            z = z.contiguous()
        with torch.autocast(z.device.type, torch.bfloat16, enabled=self.low_precision):
            if self.training and self.weight_noise > 0:
                out: Tensor = functional_call(self.network, self._perturbed(), (z,))
            else:
                out = self.network(z)
        x = middle(out, self.size).to(self.z.dtype).contiguous()
        return x if offset is None else Output(x, offset)

    def _perturbed(self) -> dict[str, Tensor]:
        """Return the filters plus fresh noise; gradients reach the filters themselves."""
        found = {}
        for name, weight in self.network.named_parameters():
            if weight.ndim > 1:  # filters, not biases and norms
                draw = torch.empty_like(weight).normal_(generator=self.generator)
                # Detached, so that the size of the noise is a constant for the gradient.
                found[name] = weight + self.weight_noise * weight.detach().std() * draw
        return found


class Members(nn.Module):
    """An ensemble of networks, each with its own input and noise."""

    def __init__(self, members: list[Generated]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self) -> Tensor | Output:
        """Return the members' images, (K, C, H, W), with their offsets if they have any."""
        weights = [[p for p in m.parameters() if p.requires_grad] for m in self.members]
        on_cpu = next(self.parameters()).device.type == "cpu"
        made = side_by_side(list(self.members)) if on_cpu else [m() for m in self.members]
        offset = torch.cat([m.offset for m in made]) if isinstance(made[0], Output) else None
        images = [m.x if isinstance(m, Output) else m for m in made]
        if on_cpu and torch.is_grad_enabled():
            x = _Joined.apply(images, weights, *chain(*weights))  # type: ignore[no-untyped-call]
        else:
            x = torch.cat(images)
        return x if offset is None else Output(x, offset)


class _Joined(torch.autograd.Function):
    """Images of independent networks, joined so that the backward passes of the networks run side by side."""

    @staticmethod
    def forward(
        ctx: Any, images: list[Tensor], weights: list[list[nn.Parameter]], *flat: nn.Parameter
    ) -> Tensor:
        """Join images, each (1, C, H, W) and a function of its own weights; `flat` are all weights."""
        ctx.images, ctx.weights = images, weights
        return torch.cat([image.detach() for image in images])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of the weights."""

        def back(k: int) -> tuple[Tensor | None, ...]:
            image: Tensor = ctx.images[k]
            own: list[nn.Parameter] = ctx.weights[k]
            # A network of a plugin may hold weights that it does not use.
            return torch.autograd.grad(image, own, gradients[0][k : k + 1], allow_unused=True)

        found = side_by_side([partial(back, k) for k in range(len(ctx.images))])
        return (None, None, *chain(*found))


def extend_guide(guide: Tensor, size: tuple[int, int], whole: tuple[int, int]) -> Tensor:
    """Pad a guide with its border pixels to the size of the network's input; it stays in the middle.

    Args:
        guide: the guide image, (1, C, H, W).
        size: height and width of the restoration.
        whole: height and width of the network's input.

    Raises:
        MeasurementError: the guide is not of the restoration's size.
        OptionError: the network's input is smaller than the image.
    """
    if tuple(guide.shape[-2:]) != size:
        raise MeasurementError(
            f"The guide of dip must have the restoration's height and width, {size}; got {tuple(guide.shape[-2:])}. "
            "Crop or resize it."
        )
    (height, width), (tall, wide) = size, whole
    if tall < height or wide < width:
        raise OptionError(
            f"The network of dip takes a z of {tall} x {wide} for this image, too small for a guide of its size. "
            "Use skip, unet or resnet."
        )
    return F.pad(guide, margins(size, whole), mode="replicate")


def middle(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the middle of a larger image, (..., height, width)."""
    left, _, top, _ = margins(size, image.shape[-2:])
    height, width = size
    return image[..., top : top + height, left : left + width]


def margins(inner: Sequence[int], outer: Sequence[int]) -> tuple[int, int, int, int]:
    """Return the left, right, top and bottom margins of an image in the middle of a larger one.

    Args:
        inner: height and width of the image.
        outer: height and width of the larger one.
    """
    down, across = outer[0] - inner[0], outer[1] - inner[1]
    return across // 2, across - across // 2, down // 2, down - down // 2
