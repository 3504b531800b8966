"""What `solve` starts from: its options, and the images, read or measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from invprior import registry
from invprior.builders.problem import (
    AUTO,
    all_of,
    build,
    check_seed,
    default_device,
    image_batch,
    noise_from,
    operator_for,
    placed,
    prior_from,
    solver_from,
    stop_from,
    weight_rule_from,
)
from invprior.builders.simulation import default_noise, simulate
from invprior.errors import MeasurementError, OptionError
from invprior.fidelities.base import Fidelity
from invprior.io import files, images, samples
from invprior.memory.plan import parse_size
from invprior.noises.base import Noise
from invprior.operators.base import Operator, Recipe
from invprior.problem.functionals import Prior
from invprior.problem.problem import Problem
from invprior.solvers.base import Solver
from invprior.stopping.base import StoppingRule
from invprior.stopping.max_steps import MaxSteps
from invprior.weights.base import WeightRule


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of the command, as they were given."""

    image: str
    operator: str
    prior: str
    output: str | None
    simulate: bool
    truth: str | None
    noise: str | None
    fidelity: str | None
    solver: str
    weight: str
    weight_curve: bool
    stop: str | None
    steps: int | None
    seed: int
    runs: int
    device: str
    dtype: str
    nan: Literal["refuse", "mask"]
    overwrite: bool
    checkpoint: bool
    checkpoint_every: float
    memory_limit: str | None

    @property
    def simulated(self) -> bool:
        """Whether the image is the truth, to be measured first."""
        return self.simulate or self.image.startswith(samples.PREFIX)


@dataclass(frozen=True)
class Parts:
    """What the options name, checked; the operator still without an image's size."""

    operator: Recipe
    prior: Prior
    noise: Noise | None
    fidelity: Fidelity | None
    solver: Solver
    weight: WeightRule
    stop: StoppingRule | None
    device: torch.device


@dataclass(frozen=True)
class Inputs:
    """The images.

    Attributes:
        y: the measurement, (1, C, H, W), NaN included.
        truth: the true image, (1, C, H, W), when it is known.
        like: depth and alpha channel of the source, for what is written.
    """

    y: Tensor
    truth: Tensor | None
    like: images.Image

    def save(self, path: Path) -> None:
        """Keep them in a file, so that those they came from may be gone."""
        tensors = {"y": self.y, "truth": self.truth, "alpha": self.like.alpha}
        known = {k: v.detach().cpu().contiguous() for k, v in tensors.items() if v is not None}
        with files.atomic(path, overwrite=True) as file:
            file.write(save(known, {"depth": self.like.depth, "path": str(self.like.path or "")}))

    @staticmethod
    def load(path: Path) -> Inputs:
        """Read what `save` has kept.

        Raises:
            OptionError: the file is missing or damaged.
        """
        try:
            with safe_open(path, "pt") as file:
                facts = file.metadata()
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            source = Path(facts["path"]) if facts["path"] else None
            like = images.Image(tensors["y"], facts["depth"], tensors.get("alpha"), source)
        except Exception as error:  # a damaged file can raise anything
            reason = str(error) or type(error).__name__
            raise OptionError(
                f'The images of the run, "{path}", are damaged: {reason[0].lower()}{reason[1:]}. Start it anew.'
            ) from None
        return Inputs(tensors["y"], tensors.get("truth"), like)

    def to(self, device: torch.device) -> Inputs:
        """Bring them to a device."""
        truth = None if self.truth is None else self.truth.to(device)
        return Inputs(self.y.to(device), truth, self.like)


def read(options: Options) -> tuple[Parts, Inputs]:
    """Make the parts and read the images, or measure one.

    Raises:
        InvpriorError: the faults of all of them at once.
    """
    if options.simulated and options.truth is not None:
        raise OptionError(
            "--truth goes with a real measurement; a simulated one has the image itself as "
            "truth. Leave out --truth or --simulate."
        )
    given, true, parts = all_of(
        lambda: samples.resolve(options.image),
        lambda: None if options.truth is None else samples.resolve(options.truth),
        lambda: parts_of(options),
    )
    y = image_batch(given.x, parts.device, getattr(torch, options.dtype))
    if not options.simulated:
        return parts, Inputs(y, None if true is None else true.x.to(y), given)
    assert parts.noise is not None
    measured, _ = simulate(y, operator=parts.operator, noise=parts.noise, seed=options.seed)
    return parts, Inputs(measured, y, given)


def parts_of(options: Options) -> Parts:
    """Make the parts.

    Raises:
        InvpriorError: the faults of all of them at once.
    """
    noise = options.noise
    if options.simulated and (noise is None or noise.strip() == AUTO):
        noise = default_noise(options.operator)
    where, operator, prior, model, fidelity, solver, weight, stop, limit, *_ = all_of(
        lambda: _device(options.device),
        lambda: registry.create("operators", options.operator),
        lambda: prior_from(options.prior),
        lambda: None if noise is None else noise_from(noise),
        lambda: (
            None if options.fidelity is None else registry.create("fidelities", options.fidelity)
        ),
        lambda: solver_from(options.solver),
        lambda: weight_rule_from(options.weight),
        lambda: None if options.stop is None else stop_from(options.stop),
        lambda: None if options.steps is None else MaxSteps(steps=options.steps),
        lambda: check_seed(options.seed),
        lambda: None if options.memory_limit is None else parse_size(options.memory_limit),
    )
    rule = limit if stop is None else stop if limit is None else stop | limit
    return Parts(operator, prior, model, fidelity, solver, weight, rule, where)


def problem_of(options: Options, parts: Parts, inputs: Inputs) -> Problem:
    """Join the parts and the images.

    Raises:
        InvpriorError: they do not fit each other.
    """
    operator: Recipe | Operator = parts.operator
    if options.simulated:
        assert inputs.truth is not None
        made = operator_for(operator, image=tuple(inputs.truth.shape[1:]))
        operator = placed(made, inputs.y)
    (problem,) = build(
        inputs.y,
        operator=operator,
        prior=parts.prior,
        fidelity=parts.fidelity,
        noise=parts.noise,
        nan=options.nan,
        dtype=inputs.y.dtype,
    )
    shape = problem.operator.image_shape
    if inputs.truth is not None and tuple(inputs.truth.shape[1:]) != shape:
        raise MeasurementError(
            f'The truth "{options.truth}" must have the shape {shape} of the restoration (channels, '
            f"height, width); got {tuple(inputs.truth.shape[1:])}. Crop or convert it."
        )
    return problem


def _device(name: str) -> torch.device:
    return default_device() if name == "auto" else image_batch(torch.empty(1, 1), name).device
