"""A configuration in Python: a mapping in which objects and arrays may stand, printed as a TOML file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from invprior import registry
from invprior.errors import OptionError
from invprior.problem.functionals import Functional, Prior, Reparameterization, as_prior
from invprior.registry.spec import RuleSpec, Spec, Value
from invprior.stopping.base import AllOf, AnyOf


def toml(values: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the text of a configuration, and the arrays of its images by name.

    Args:
        values: the keys of a TOML file. Where a file has a spec, an object may stand. `images` may be a mapping from
            names to arrays.

    Raises:
        OptionError: an object cannot be written as a spec; the message says why and what to do.
    """
    values, arrays = dict(values), {}
    images = values.get("images")
    if isinstance(images, Mapping):
        arrays, values["images"] = dict(images), list(images)
        for name in images:
            if not isinstance(name, str) or Path(name).name != name:
                raise OptionError(
                    f'The names of "images" must be plain names of files, without a folder; got {name!r}.'
                )
        protocol = dict(values.get("protocol", {}))
        if "truth" in protocol:
            raise OptionError(
                'The key "truth" of [protocol] must be left out when "images" is a mapping of arrays.'
            )
        values["protocol"] = {**protocol, "truth": "{image}.npy"}
    lines = [f"{json.dumps(str(key))} = {_printed(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n", arrays


def _printed(value: Any) -> str:
    """Print a value as TOML on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        pairs = (f"{json.dumps(str(k))} = {_printed(v)}" for k, v in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_printed, value))}]"
    return json.dumps(spec_text(value), ensure_ascii=False)  # a string of JSON is one of TOML


def spec_text(part: Any) -> str:
    """Return the spec of a part, given as text, as a spec or as an object.

    Raises:
        OptionError: its class is not registered, or it holds a tensor.
    """
    if isinstance(part, str | Spec | RuleSpec):
        return str(part)
    if isinstance(part, Functional | Prior):
        return " + ".join(_term_text(term) for term in as_prior(part).terms)
    if isinstance(part, AnyOf):
        return " | ".join(map(spec_text, part.rules))
    if isinstance(part, AllOf):
        inner = [(spec_text(rule), isinstance(rule, AnyOf)) for rule in part.rules]
        return " & ".join(f"({text})" if group else text for text, group in inner)
    if getattr(part, "plugin_group", None) is None and not hasattr(part, "described"):
        raise OptionError(
            f"A value of the matrix must be text, a number, a spec or a part of invprior; got {type(part).__name__}."
        )
    return str(_described(part))


def _term_text(term: Any) -> str:
    spec = _described(term.functional)
    # An open weight stays open, so that it is chosen for each cell.
    if term.given_weight is not None and not isinstance(term.functional, Reparameterization):
        spec = Spec(spec.name, {"weight": float(term.given_weight), **spec.options})
    return str(spec)


def _described(part: Any) -> Spec:
    """Return the spec of an object that its cell's own process can make again."""
    spec = registry.describe(part)
    if ":" in spec.name:
        raise OptionError(
            f"{spec.name} is not registered, and the processes of a matrix know only registered classes. Register it "
            'in a package: "invprior plugin new" writes one. To compare it in this process, call solve.'
        )
    if (option := _tensor(spec)) is not None:
        raise OptionError(
            f"The {option} holds a tensor, which a record of the matrix cannot hold. Save it to a file, and give the "
            "file's name."
        )
    return spec


def _tensor(spec: Spec) -> str | None:
    """Name the option that stands for a tensor, of the spec or of one inside; None without any."""
    for key, value in spec.options.items():
        parts: list[Value] = value if isinstance(value, list) else [value]
        for inner in parts:
            if isinstance(inner, str) and inner.startswith("sha256-"):
                return f'option "{key}" of {spec.name}'
            if isinstance(inner, Spec) and (found := _tensor(inner)):
                return found
    return None
