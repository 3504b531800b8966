"""What `solve` starts from: the parts that its options name, and the images, read or simulated."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from invprior import registry
from invprior.builders.measurements import default_device, image_batch
from invprior.builders.problem import (
    AUTO,
    all_of,
    build,
    measurement_axes,
    noise_from,
    operator_for,
    prior_from,
    solver_from,
    stop_from,
    weight_rule_from,
)
from invprior.builders.ranges import given_range, photograph_range
from invprior.builders.simulation import default_noise, simulate
from invprior.cli.solve_options import Options
from invprior.errors import MeasurementError, OptionError
from invprior.fidelities.base import Fidelity
from invprior.io import images, samples, sealed_tensors
from invprior.io.metadata import Metadata
from invprior.io.missing import with_missing
from invprior.io.typed import typed
from invprior.io.values import TOPS
from invprior.memory.size import parse_size
from invprior.noises.base import Noise
from invprior.numerics.devices import placed
from invprior.numerics.random import check_seed
from invprior.numerics.threads import compute_with
from invprior.operators.base import Operator, Recipe
from invprior.problem.functionals import Prior
from invprior.problem.problem import Problem
from invprior.problem.units import DataRange
from invprior.solvers.base import Solver
from invprior.stopping.base import StoppingRule
from invprior.stopping.max_steps import MaxSteps
from invprior.weights.base import WeightRule


@dataclass(frozen=True)
class Parts:
    """What the options name, checked. The operator does not know the image's size yet."""

    operator: Recipe
    prior: Prior
    noise: Noise | None
    fidelity: Fidelity | None
    solver: Solver
    weight: WeightRule
    stop: StoppingRule | None
    device: torch.device


@dataclass(frozen=True)
class _Source:
    """What the results take from the source beside its values."""

    depth: str
    path: str
    premultiplied: bool
    notes: tuple[str, ...]
    metadata: str


@dataclass(frozen=True)
class Inputs:
    """The images.

    Attributes:
        y: the measurement, (1, C, H, W) or of the operator's shape, NaN included.
        truth: the true image, (1, C, H, W), or None when it is unknown.
        like: the source, whose depth and alpha channel the results take.
    """

    y: Tensor
    truth: Tensor | None
    like: images.Image

    def save(self, path: Path, run: str) -> None:
        """Write them to one file of a run, so that it can be resumed without the files they came from."""
        tensors = {"y": self.y, "truth": self.truth, "alpha": self.like.alpha}
        known = {k: v for k, v in tensors.items() if v is not None}
        sealed_tensors.write(path, known, {"run": run, **asdict(self._source)})

    @property
    def _source(self) -> _Source:
        like = self.like
        path = str(like.path or "")
        return _Source(
            like.depth, path, like.premultiplied, tuple(like.notes), like.metadata.packed()
        )

    @staticmethod
    def load(path: Path, run: str) -> Inputs:
        """Read what `save` has written for a run.

        Raises:
            OptionError: the file is missing or damaged.
        """
        try:
            tensors, facts = sealed_tensors.read(path)
            if facts["run"] != run:
                raise ValueError("they belong to another run")
            if any(t.dim() < 2 or t.numel() == 0 for t in tensors.values()):
                raise ValueError("they are no images")
            source = typed(_Source, facts, "their source")
            like = images.Image(
                tensors["y"],
                source.depth,
                tensors.get("alpha"),
                Path(source.path) if source.path else None,
                source.premultiplied,
                source.notes,
                Metadata.unpacked(source.metadata),
            )
        except Exception as error:  # a damaged file can raise anything
            reason = str(error) or type(error).__name__
            raise OptionError(
                f'The images of the run, "{path}", are damaged: {reason[0].lower()}{reason[1:]}. '
                "Start over."
            ) from None
        return Inputs(tensors["y"], tensors.get("truth"), like)

    def to(self, device: torch.device) -> Inputs:
        """Return them on a device."""
        truth = None if self.truth is None else self.truth.to(device)
        return Inputs(self.y.to(device), truth, self.like)


def read(
    options: Options, given: images.Image | None = None, true: images.Image | None = None
) -> tuple[Parts, Inputs]:
    """Create the parts and read the images, or simulate a measurement.

    Args:
        options: of the command.
        given: the image, if it has been read.
        true: the true image, if it has been read.

    Raises:
        InvpriorError: something is wrong; reports all faults at once.
    """
    if options.simulated and options.truth is not None:
        raise OptionError(
            "--truth needs a real measurement: a simulated one has the given image as its "
            "ground truth. Leave out --truth or --simulate."
        )
    dtype = getattr(torch, options.dtype)
    given, true, parts = all_of(
        lambda: _given(options, given, dtype),
        lambda: true or (None if options.truth is None else samples.resolve(options.truth, dtype)),
        lambda: parts_of(options),
    )
    if options.missing is not None:
        given = with_missing(given, options.missing)
    axes = given.x.dim() - 1
    y = image_batch(given.x, parts.device, dtype, axes=axes)
    known = given if options.simulated else true
    if known is not None and not bool(known.x.isfinite().all()):
        count = int((~known.x.isfinite()).sum())
        raise MeasurementError(
            f"A true image must be known everywhere; {count:,} of its {known.x.numel():,} values are missing (NaN or "
            "infinite). Crop it, or fill them first."
        )
    if not options.simulated:
        return parts, Inputs(y, None if true is None else true.x.to(y.device), given)
    assert parts.noise is not None  # `parts_of` has filled in the default
    measured, _ = simulate(y, operator=parts.operator, noise=parts.noise, seed=options.seed)
    return parts, Inputs(measured, y, given)


def _given(options: Options, given: images.Image | None, dtype: torch.dtype) -> images.Image:
    """Return the image, or the numbers of a measurement that is none, as its source."""
    axes = 3 if options.simulated else measurement_axes(options.operator)
    if axes == 3:
        return given or samples.resolve(options.image, dtype)
    values = image_batch(options.image, torch.device("cpu"), dtype, axes=axes)
    return images.Image(values, options.dtype, path=Path(options.image))


def parts_of(options: Options) -> Parts:
    """Create the parts that the options name.

    Raises:
        InvpriorError: something is wrong; reports all faults at once.
    """
    noise = options.noise
    if options.simulated and (noise is None or noise.strip() == AUTO):
        # A real measurement's noise is estimated; a simulation needs a level before there is a measurement.
        noise = default_noise(options.operator)
    # The last three are only checked, so their results are not unpacked.
    where, operator, prior, model, fidelity, solver, weight, stop, *_ = all_of(
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
        lambda: compute_with(options.threads),
        lambda: None if options.memory_limit is None else parse_size(options.memory_limit),
    )
    return Parts(operator, prior, model, fidelity, solver, weight, stop, where)


def problem_of(options: Options, parts: Parts, inputs: Inputs) -> Problem:
    """Build the problem from the parts and the images.

    Raises:
        InvpriorError: they do not fit each other.
    """
    operator: Recipe | Operator = parts.operator
    if options.simulated:
        # The image's size is known here and need not be derived from the measurement's.
        assert inputs.truth is not None
        made = operator_for(operator, image=tuple(inputs.truth.shape[1:]))
        operator = placed(made, inputs.y)
    (problem,) = build(  # one problem for each image of the batch, here one
        inputs.y,
        operator=operator,
        prior=parts.prior,
        fidelity=parts.fidelity,
        noise=parts.noise,
        nan=options.nan,
        data_range=_range(options, inputs, operator),
        dtype=inputs.y.real.dtype,
    )
    shape = problem.operator.image_shape
    if inputs.truth is not None and tuple(inputs.truth.shape[1:]) != shape:
        raise MeasurementError(
            f'The true image "{options.truth}" must have the shape {shape} of the restoration (channels, '
            f"height, width); got {tuple(inputs.truth.shape[1:])}. Crop or convert it."
        )
    return problem


def _range(options: Options, inputs: Inputs, operator: Recipe | Operator) -> DataRange | None:
    """Return the range of the image: the given one, or that of a photograph's file; None to estimate it."""
    top = TOPS.get(inputs.like.depth)
    known = given_range(options.data_range, top)
    if known is not None or top is None:
        return known
    if options.simulated and inputs.truth is not None:
        return photograph_range(inputs.truth)
    return photograph_range(inputs.y, operator_for(operator, measurement=tuple(inputs.y.shape[1:])))


def _device(name: str) -> torch.device:
    """Return the device; a name that torch does not know is refused as `invprior.solve` refuses it."""
    return default_device() if name == "auto" else image_batch(torch.empty(1, 1), name).device
