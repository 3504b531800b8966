"""Callbacks that write the course of a run to TensorBoard, Weights & Biases or MLflow.

    from invprior.runner.loggers import TensorBoard
    invprior.solve(y, prior="dip", callbacks=[TensorBoard("logs")])

Each package is optional and is imported when its class is made.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from os import PathLike, fspath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from invprior.errors import PluginError
from invprior.problem.presentation import colours, picture
from invprior.problem.solution import Iterate, Place


class Logger(ABC):
    """Logs the energy, the change, the seconds and measures at regular steps, and the image more seldom.

    Names begin with the place of the run, such as `image-2/energy` for the second image of a batch.

    Args:
        every: log the first step and each step that is a multiple of this.
        images: the same for the image, shown in 8 bits; 0 for none.
        measures: further values by name, each a function of the iterate's x, (1, C, H, W).
    """

    def __init__(
        self,
        *,
        every: int = 10,
        images: int = 100,
        measures: Mapping[str, Callable[[Tensor], Tensor]] | None = None,
    ) -> None:
        self.every, self.images, self.measures = every, images, dict(measures or {})

    def __call__(self, now: Iterate) -> None:
        """Log the iterate if its step is due."""
        where = _name(now.place)
        if _due(now.step, self.every):
            with torch.no_grad():
                more = {name: float(measure(now.x)) for name, measure in self.measures.items()}
            values = {"energy": float(now.energy), "change": float(now.change), **more}
            values["seconds"] = now.seconds
            self.write({f"{where}/{name}": value for name, value in values.items()}, now.step)
        if self.images and _due(now.step, self.images):
            self.draw(f"{where}/x", picture(colours(now.x)), now.step)

    @abstractmethod
    def write(self, values: Mapping[str, float], step: int) -> None:
        """Log numbers by name."""

    @abstractmethod
    def draw(self, name: str, image: Any, step: int) -> None:
        """Log an image of Pillow."""


class TensorBoard(Logger):
    """Writes event files for TensorBoard. It needs `pip install 'invprior[tensorboard]'`.

    Args:
        folder: where to write them.
        options: those of `Logger`.

    Raises:
        PluginError: the package is not installed.
    """

    def __init__(self, folder: str | PathLike[str], **options: Any) -> None:
        super().__init__(**options)
        package = _needed("torch.utils.tensorboard", "tensorboard")
        self.writer = package.SummaryWriter(fspath(folder))

    def write(self, values: Mapping[str, float], step: int) -> None:
        """Log numbers, so that they are in the file at once."""
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)
        self.writer.flush()

    def draw(self, name: str, image: Any, step: int) -> None:
        """Log an image of Pillow."""
        self.writer.add_image(name, _array(image), step, dataformats="HWC")


class WandB(Logger):
    """Logs to a run of Weights & Biases. It needs `pip install 'invprior[wandb]'`.

    The step is a value beside the others, `image-1/step`: W&B's own steps cannot begin again with the next image.

    Args:
        run: what `wandb.init` has returned.
        options: those of `Logger`.
    """

    def __init__(self, run: Any, **options: Any) -> None:
        super().__init__(**options)
        self.run, self.package = run, _needed("wandb", "wandb")

    def write(self, values: Mapping[str, float], step: int) -> None:
        """Log numbers with their step."""
        where = next(iter(values)).rpartition("/")[0]
        self.run.log({**values, f"{where}/step": step})

    def draw(self, name: str, image: Any, step: int) -> None:
        """Log an image of Pillow."""
        self.run.log({name: self.package.Image(image, caption=f"step {step}")})


class MLflow(Logger):
    """Logs to MLflow's active run. It needs `pip install 'invprior[mlflow]'`.

    Args:
        options: those of `Logger`.

    Raises:
        PluginError: the package is not installed.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.package = _needed("mlflow", "mlflow")

    def write(self, values: Mapping[str, float], step: int) -> None:
        """Log numbers."""
        self.package.log_metrics(dict(values), step=step)

    def draw(self, name: str, image: Any, step: int) -> None:
        """Log an image of Pillow."""
        self.package.log_image(image, key=name, step=step)


def _due(step: int, every: int) -> bool:
    return step == 1 or step % every == 0


def _name(place: Place) -> str:
    """Return the image's number, from 1; with that of the run and of the tile behind the first."""
    others = {"run": place.run, "tile": place.tile}
    more = [f"{kind}-{index + 1}" for kind, index in others.items() if index]
    return "/".join([f"image-{place.image + 1}", *more])


def _array(image: Any) -> Any:
    array = np.asarray(image)
    return array[..., None] if array.ndim == 2 else array


def _needed(module: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise PluginError(
            f"This callback needs the package {extra}, which is not installed. "
            f"Run: pip install 'invprior[{extra}]'"
        ) from None
