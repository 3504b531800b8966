"""Build a checked `Problem` from text, specs, arrays, paths or objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import torch

from invprior import registry
from invprior.builders.inference import differentiable
from invprior.builders.measurements import ImageLike, default_device, dimensions, image_batch
from invprior.builders.notes import missing_notes, noise_notes
from invprior.builders.ranges import given_range, photograph_range, top_of
from invprior.errors import InvpriorError, OptionError
from invprior.fidelities.base import Fidelity
from invprior.fidelities.gaussian import Gaussian
from invprior.io.arrays import read_numbers
from invprior.io.images import TOPS, load
from invprior.noises.base import Noise
from invprior.numerics.devices import placed
from invprior.operators.base import Operator, Recipe, Shape
from invprior.problem.functionals import Functional, Prior, as_prior
from invprior.problem.problem import Problem
from invprior.problem.restriction import with_masked_nan
from invprior.problem.units import DataRange
from invprior.registry.options import shown, sized
from invprior.registry.spec import RuleSpec, Spec, parse_rule, parse_sum
from invprior.solvers.base import Solver
from invprior.stopping.base import AllOf, AnyOf, StoppingRule
from invprior.weights.base import WeightRule

AUTO = "auto"  # as a noise: estimated from y, as when none is given


@torch.inference_mode(False)
def operator_for(
    operator: str | Spec | Recipe | Operator,
    *,
    image: Shape | None = None,
    measurement: Shape | None = None,
) -> Operator:
    """Make the operator for the shape of an image or of a measurement, without the batch dimension."""
    if isinstance(operator, Operator):
        return operator
    if not isinstance(operator, str | Spec | Recipe):
        raise _wrong("operator", "an Operator", operator)
    recipe = operator if isinstance(operator, Recipe) else registry.create("operators", operator)
    if image is not None:
        made: Operator = recipe(image)
    else:
        assert measurement is not None
        made = recipe.for_measurement(measurement)
    return made


def measurement_axes(operator: str | Spec | Recipe | Operator) -> int:
    """Return the number of dimensions of the operator's measurements, without the batch; 3 while it has faults."""
    if isinstance(operator, Operator):
        return len(operator.measurement_shape)
    try:
        made = operator if isinstance(operator, Recipe) else registry.create("operators", operator)
    except InvpriorError:  # told where the operator is made
        return 3
    return made.measurement_axes if isinstance(made, Recipe) else 3


def prior_from(prior: str | Spec | Sequence[Spec] | Functional | Prior) -> Prior:
    """Make a sum of weighted terms, from text such as `dip + tv:weight=0.1`."""
    if isinstance(prior, Functional | Prior):
        return as_prior(prior)
    specs = (
        parse_sum(prior)
        if isinstance(prior, str)
        else (prior,)
        if isinstance(prior, Spec)
        else prior
    )
    if not isinstance(specs, Sequence):
        as_prior(specs)  # raises the error for what is not a prior
    terms = all_of(*(partial(_term, spec) for spec in specs))
    return Prior(tuple(t for term in terms for t in term.terms))


def _term(spec: Spec) -> Prior:
    """Make a term; most priors take `weight` beside their own options."""
    options = dict(spec.options)
    weight = options.pop("weight", None)
    cls = registry.load(registry.find("priors", spec.name))
    if "weight" not in cls.term_options:  # its error for a given weight lists its options
        return as_prior(registry.create("priors", spec))
    faults = []
    if weight == "auto":
        weight = None
    if weight is not None and (must := _fault_of_weight(weight)):
        faults.append(f'The option "weight" of {spec.name} {must}; got {shown(weight)}.')
    try:
        functional = registry.create("priors", Spec(spec.name, options))
    except OptionError as error:
        faults.append(str(error))
    if faults:
        raise OptionError("\n".join(faults))
    prior = as_prior(functional)
    return prior if weight is None else prior * float(weight)  # type: ignore[arg-type]


def _fault_of_weight(weight: object) -> str | None:
    number = isinstance(weight, int | float) and not isinstance(weight, bool)  # True is an int
    if not number or not 0 <= weight < float("inf"):  # type: ignore[operator]
        return "must be a finite number >= 0 or auto"
    try:
        sized(weight)
    except ValueError as error:
        return str(error)
    return None


def stop_from(stop: str | Spec | RuleSpec | StoppingRule) -> StoppingRule:
    """Make a stopping rule, from text such as `discrepancy | max-steps:steps=500`."""
    if isinstance(stop, StoppingRule):
        return stop
    spec = parse_rule(stop) if isinstance(stop, str) else stop
    if not isinstance(spec, Spec | RuleSpec):
        raise _wrong("stopping rule", "a StoppingRule", stop)
    if isinstance(spec, Spec):
        rule: StoppingRule = registry.create("stopping", spec)
        return rule
    rules = tuple(stop_from(part) for part in spec.parts)
    return AnyOf(rules) if spec.joint == "|" else AllOf(rules)


def solver_from(solver: str | Spec | Solver) -> Solver:
    """Make a solver from its spec; a solver is returned unchanged."""
    if isinstance(solver, Solver):
        return solver
    if not isinstance(solver, str | Spec):
        raise _wrong("solver", "a Solver", solver)
    made: Solver = registry.create("solvers", solver)
    return made


def weight_rule_from(rule: str | Spec | WeightRule) -> WeightRule:
    """Make a weight rule from its spec; a rule is returned unchanged."""
    if isinstance(rule, WeightRule):
        return rule
    if not isinstance(rule, str | Spec):
        raise _wrong("weight rule", "a WeightRule", rule)
    made: WeightRule = registry.create("weights", rule)
    return made


def noise_from(noise: str | Spec) -> Noise | None:
    """Make the noise model; None for `auto`, white Gaussian noise of an estimated level."""
    if str(noise).strip() == AUTO:
        return None
    made: Noise = registry.create("noises", noise)
    return made


def fidelity_from(
    fidelity: str | Spec | Fidelity | None, noise: str | Spec | Noise | None
) -> Fidelity:
    """Make the fidelity: by default the noise's negative log-likelihood, without a noise least squares."""
    if isinstance(noise, str | Spec):
        noise = noise_from(noise)
    if isinstance(fidelity, str | Spec):
        fidelity = registry.create("fidelities", fidelity)
    if not isinstance(noise, Noise | None):
        raise _wrong("noise", "a Noise", noise)
    if isinstance(fidelity, Fidelity):
        return fidelity
    if fidelity is not None:
        raise _wrong("fidelity", "a Fidelity", fidelity)
    return noise.fidelity() if isinstance(noise, Noise) else Gaussian()


def _noise_and_fidelity(
    noise: str | Spec | Noise | None, fidelity: str | Spec | Fidelity | None
) -> tuple[Noise | None, Fidelity]:
    """Make the noise once, and the fidelity; the noise is None unless it is the fidelity's source."""
    model = noise_from(noise) if isinstance(noise, str | Spec) else noise
    made = fidelity_from(fidelity, model)
    return (model if fidelity is None else None), made


@torch.inference_mode(False)
def build(
    y: ImageLike,
    *,
    operator: str | Spec | Recipe | Operator = "denoise",
    prior: str | Spec | Sequence[Spec] | Functional | Prior = "dip",
    fidelity: str | Spec | Fidelity | None = None,
    noise: str | Spec | Noise | None = None,
    nan: Literal["refuse", "mask"] = "refuse",
    data_range: tuple[float, float] | DataRange | None = None,
    device: str | torch.device | None = None,
    dtype: torch.dtype = torch.float32,
) -> list[Problem]:
    """Make a checked problem for each image of y; the arguments are those of `solve`.

    Raises:
        InvpriorError: an argument is wrong; the message lists the faults of all parts.
    """
    if nan not in ("refuse", "mask"):
        raise OptionError(f'The option "nan" must be "refuse" or "mask"; got {nan!r}.')
    # Only an object knows its measurement's shape; specs are made for the shape of an image.
    shape = operator.measurement_shape if isinstance(operator, Operator) else None
    axes = measurement_axes(operator)
    top = None
    if axes != 3 and isinstance(y, str | PathLike):
        y = read_numbers(Path(y))
    one_dimensional = not isinstance(y, str | PathLike) and dimensions(y) == 1
    if axes == 3:  # a vector is no image
        if isinstance(y, str | PathLike):  # read once, for its values and for their type
            image = load(y, dtype)
            y, top, one_dimensional = image.x, TOPS.get(image.depth), image.is_signal
            device = default_device() if device is None else device
        else:
            top = top_of(y)
    measured = image_batch(y, device, dtype, shape, axes)
    forward, terms, (model, likelihood), known_range = all_of(
        lambda: operator_for(operator, measurement=tuple(measured.shape[1:])),
        lambda: prior_from(prior),
        lambda: _noise_and_fidelity(noise, fidelity),
        lambda: given_range(data_range, top),
    )
    # Copies where they must move, as the user's objects stay on their device.
    forward = differentiable(placed(forward, measured))
    likelihood = differentiable(placed(likelihood, measured))
    terms = Prior(
        tuple(
            replace(t, functional=differentiable(placed(t.functional, measured)))
            for t in terms.terms
        )
    )
    problems = []
    # One problem an image: each has its own noise level, range and NaN mask, and stops by itself.
    for one in torch.split(measured, 1):
        own, known = with_masked_nan(forward, one) if nan == "mask" else (forward, one)
        own_range = known_range
        if own_range is None and top is not None:
            own_range = photograph_range(one, forward)
        problem = Problem(
            operator=own,
            y=known,
            prior=terms,
            fidelity=likelihood,
            data_range=own_range,
            one_dimensional=one_dimensional,
        )
        notes = (*missing_notes(one), *noise_notes(problem, model))
        problems.append(replace(problem, notes=notes))
    return problems


def all_of(*makers: Callable[[], Any]) -> list[Any]:
    """Call every maker and return the results.

    Raises:
        InvpriorError: the fault of one maker, or an OptionError with those of several.
    """
    made, faults = [], []
    for make in makers:
        try:
            made.append(make())
        except InvpriorError as error:
            faults.append(error)
    if len(faults) == 1:  # keeps its own class
        raise faults[0]
    if faults:
        raise OptionError("\n".join(map(str, faults)))
    return made


def _wrong(what: str, kind: str, got: object) -> OptionError:
    return OptionError(f"The {what} must be a name, a spec or {kind}; got {type(got).__name__}.")
