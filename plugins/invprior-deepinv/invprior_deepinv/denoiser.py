"""Denoisers of deepinv."""

from __future__ import annotations

import copy
import inspect
from pathlib import Path
from typing import Annotated, Any

import torch
from annotated_types import Ge
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from invprior import Denoiser, OptionError
from invprior.errors import did_you_mean
from invprior_deepinv.library import models

_STEP = 16  # pixels; networks that halve the image repeatedly need sides that are multiples of this


class DeepinvDenoiser(Denoiser, nn.Module):
    """A learnt or classical denoiser of deepinv.

    Weights are downloaded only with `weights=download`. A network for another number of channels than the image has is
    applied to each channel, repeated as often as the network has channels.

    Args:
        model: a class in `deepinv.models`, such as DRUNet, DnCNN, GSDRUNet or WaveletDenoiser.
        weights: the weights of a learnt denoiser: a file of its state (.pth, .safetensors), `download` for those of
            deepinv, or `random` for an untrained network. It must be absent for a classical denoiser.
        channels: number of channels of the training images.
        seed: of random weights.
    """

    def __init__(
        self,
        *,
        model: str = "DRUNet",
        weights: str | None = None,
        channels: Annotated[int, Ge(1)] = 3,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.model = model
        self.weights = weights
        self.channels = channels
        self.seed = seed
        self.network = _network(model, weights, channels, seed)

    @torch.no_grad()
    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        """Remove noise of standard deviation sigma."""
        network = self._network_for(x)
        height, width = x.shape[-2:]
        more = [-side % _STEP for side in (width, height)]
        wide = F.pad(x, (0, more[0], 0, more[1]), mode="replicate")
        by_channel = x.shape[1] != self.channels
        if by_channel:
            wide = wide.flatten(0, 1).unsqueeze(1).expand(-1, self.channels, -1, -1)
        clean: Tensor = network(wide, sigma).to(x)[..., :height, :width]
        return clean.mean(1).view_as(x) if by_channel else clean

    def _network_for(self, x: Tensor) -> Any:
        """Return the network on the device and in the precision of x, or a copy of a classical method."""
        first = next(iter(self.network.parameters()), None)
        if first is None:
            # A classical method keeps its last result and would start from it the next time.
            return copy.deepcopy(self.network)
        if (first.device, first.dtype) != (x.device, x.dtype):
            self.network.to(device=x.device, dtype=x.dtype)
        return self.network


def _network(model: str, weights: str | None, channels: int, seed: int) -> Any:
    """Return deepinv's denoiser.

    Raises:
        OptionError: there is no such denoiser, or its weights cannot be loaded.
    """
    made = _class(model)
    accepted = inspect.signature(made).parameters
    # Constructors name the number of channels differently.
    options = {
        name: channels for name in ("in_channels", "out_channels", "in_nc") if name in accepted
    }
    if ("pretrained" in accepted) != (weights is not None):
        need = (
            "be a file, download or random"
            if weights is None
            else "be left out, as the denoiser is not learnt"
        )
        raise OptionError(
            f'The option "weights" of deepinv with model={model} must {need}; got {weights}.'
        )
    if weights is not None:
        options["pretrained"] = "download" if weights == "download" else None
    with torch.random.fork_rng(devices=[]):  # deepinv draws from the global generator
        torch.manual_seed(seed)
        network = made(**options)
    if weights not in (None, "random", "download"):
        _load(network, Path(weights))
    return network.eval().requires_grad_(False)


def _class(model: str) -> Any:
    found = getattr(models, model, None)
    if inspect.isclass(found) and issubclass(found, models.Denoiser):
        return found
    classes = [
        n for n, c in vars(models).items() if inspect.isclass(c) and issubclass(c, models.Denoiser)
    ]
    names = sorted(set(classes) - {"Denoiser"})
    raise OptionError(
        f'The option "model" of deepinv must be a denoiser of deepinv.models; got "{model}"'
        f"{did_you_mean(model, names)}. Available: {', '.join(names)}."
    )


def _load(network: nn.Module, path: Path) -> None:
    try:
        state = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
        network.load_state_dict(state.get("state_dict", state))
    except Exception as error:  # a damaged or foreign file can raise anything
        reason = str(error).partition("\n")[0]
        raise OptionError(
            f'The option "weights" of deepinv must be a file with the state of {type(network).__name__}; '
            f'got "{path}" ({reason}).'
        ) from None
