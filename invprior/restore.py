"""Restore an image by the name of a prior: functions that take and return numpy arrays.

    from invprior import restore
    image = restore.tv(y)
    image = restore.pnp(y, denoiser="nl-ridge", operator="blur:sigma=1.6")

Every registered prior is a function of this module, also that of a plugin, and takes its own options and those of
`invprior.solve`. A hyphen in a name becomes an underscore. `solve` returns more: the record, the history, the stop.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from invprior import registry
from invprior.errors import OptionError, PluginError, did_you_mean
from invprior.registry.options import Option, options_of
from invprior.registry.spec import Spec

if TYPE_CHECKING:
    from invprior.builders.measurements import ImageLike
    from invprior.problem.functionals import Functional, Prior

Restored: TypeAlias = NDArray[np.floating[Any]]


def with_prior(
    image: ImageLike,
    prior: str | Spec | Sequence[Spec] | Functional | Prior,
    **options: Any,
) -> Restored:
    """Restore an image with any prior: a spec, a sum such as "dip + tv:weight=0.1", or an object.

    Args:
        image: the measurement, an array (H, W) or (H, W, C), a signal (N,), or another form that `invprior.solve`
            takes. NaN and masked entries are refused, unless `nan="mask"` is given.
        prior: the prior.
        options: those of `invprior.solve`, such as operator, noise, data_range, steps and seed.

    Returns:
        The image, with as many dimensions as the array, in float32, or float64 with `dtype=torch.float64`. Floats keep
        their unit. `uint8` and `uint16` are read as [0, 1], which is the unit of the result; it is not clipped. A run
        that ends badly, and each note on it, is logged as a warning to "invprior".

    Raises:
        InvpriorError: as `invprior.solve`.
    """
    from invprior.runner.api import solve

    solution = solve(image, prior=prior, **options)
    if not solution.stop.ok:
        logging.getLogger("invprior").warning("%s", solution.stop.message)
    found: Restored = solution.to_numpy()
    grey = isinstance(image, np.ndarray) and image.ndim == 3 and image.shape[-1] == 1
    return found[..., None] if grey and found.ndim == 2 else found


def __getattr__(name: str) -> Callable[..., Restored]:
    if name.startswith("_"):
        raise AttributeError(name)
    try:
        return _named(name)
    except PluginError as error:  # as `hasattr` and `inspect` expect of a name that cannot be used
        raise AttributeError(str(error)) from error


def __dir__() -> list[str]:
    names = {entry.name.replace("-", "_") for entry in registry.entries("priors")}
    return sorted({"with_prior", *names})


def _named(name: str) -> Callable[..., Restored]:
    """Return the function of a prior, with its options in the signature and in the docstring."""
    from invprior.runner.api import solve

    known = {entry.name.replace("-", "_"): entry.name for entry in registry.entries("priors")}
    entry = registry.find("priors", known.get(name, name))
    prior = registry.load(entry)
    run = {k: p for k, p in inspect.signature(solve).parameters.items() if k not in ("y", "prior")}
    # The names that both have are the run's; `with_prior` reaches the prior's own.
    own = {option.name: option for option in options_of(prior) if option.name not in run}

    def restored(image: ImageLike, **options: Any) -> Restored:
        for option in options:
            if option not in own and option not in run:
                every = [*own, *run]
                raise OptionError(
                    f'restore.{name} has no option "{option}"{did_you_mean(option, every)}. Those of the prior: '
                    f"{', '.join(own) or 'none'}; the others are those of invprior.solve."
                )
        mine = {key: options.pop(key) for key in list(options) if key in own}
        # A number is the weight itself, and a name the rule that chooses it.
        if isinstance(weight := options.get("weight"), Real):
            mine["weight"] = weight if isinstance(weight, bool) else float(weight)
            del options["weight"]
        return with_prior(image, Spec(entry.name, mine), **options)

    kind = inspect.Parameter
    image = kind("image", kind.POSITIONAL_OR_KEYWORD)
    keywords = [kind(o.name, kind.KEYWORD_ONLY, default=o.default) for o in own.values()]
    run["weight"] = run["weight"].replace(annotation="float | str | Spec | WeightRule")
    restored.__signature__ = inspect.Signature([image, *keywords, *run.values()])  # type: ignore[attr-defined]
    restored.__name__ = restored.__qualname__ = name
    restored.__module__ = __name__
    restored.__doc__ = _docstring(prior, list(own.values()))
    return restored


def _docstring(prior: type, options: Sequence[Option]) -> str:
    first, _, rest = (inspect.getdoc(prior) or "").partition("\n\nArgs:")[0].partition("\n")
    lines = [f"Restore an image. The prior: {first}", rest.rstrip("\n"), "", "Args:"]
    lines.append(
        "    image: the measurement, as for `with_prior`, which also says what is returned."
    )
    lines += [f"    {o.name}: {o.description}" for o in options]
    lines.append("    weight: the weight of the prior, or the name of the rule that chooses it.")
    lines.append("    operator, noise, ...: the options of `invprior.solve`.")
    return "\n".join(lines)
