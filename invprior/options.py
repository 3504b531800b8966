"""Typed options: a plugin's options are its constructor's keyword-only parameters.

Every plugin base class has the metaclass `Plugin`, so options are validated, all faults at once, whether the object
comes from a spec, from the command line or from Python. An option annotated with a plugin base class takes a nested
spec; `spec_of` reads an object's options back, defaults filled in, from the attributes of the same names.
"""

from __future__ import annotations

import inspect
import re
import typing
from abc import ABCMeta
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from invprior.errors import InvpriorError, OptionError, did_you_mean
from invprior.spec import Spec

if TYPE_CHECKING:
    from pydantic import BaseModel

REQUIRED: Any = inspect.Parameter.empty
S = TypeVar("S")


class Plugin(ABCMeta):
    """Metaclass of the plugin base classes: validates the options before the constructor sees them."""

    if not TYPE_CHECKING:  # a checker must see each class's own constructor

        def __call__(cls, *args, **options):
            return super().__call__(*args, **validate(cls, options))

    def from_options(cls, options: dict[str, Any]) -> Any:
        """Make what a spec stands for; a plugin base may return something other than an instance."""
        return cls(**options)


@dataclass(frozen=True)
class Option:
    """One row of `invprior describe`."""

    name: str
    type: str
    default: Any
    description: str

    @property
    def required(self) -> bool:
        """Whether the option has no default."""
        return self.default is REQUIRED


def validate(cls: type, options: dict[str, Any]) -> dict[str, Any]:
    """Check and convert a plugin's options.

    Raises:
        OptionError: with every fault at once; it names the option, what was expected and what came.
    """
    from pydantic import ValidationError

    if inspect.isabstract(cls):
        missing = ", ".join(sorted(cls.__abstractmethods__))
        raise OptionError(f"{cls.__name__} cannot be used yet: it must define {missing}.")
    model = _model(cls)
    try:
        checked = model.model_validate(options)
    except ValidationError as error:
        raise OptionError(_faults(cls, model, error)) from None
    return {name: getattr(checked, name) for name in checked.model_fields_set}


def options_of(cls: type) -> list[Option]:
    """List a plugin's options in the order of its constructor."""
    described = _descriptions(cls)
    return [
        Option(p.name, _type_text(hint), p.default, described.get(p.name, ""))
        for p, hint in _parameters(cls)
    ]


def spec_of(obj: object, name: str, nested: Callable[[Any], Any]) -> Spec:
    """Read an object's options back, defaults included.

    Args:
        obj: a plugin, which keeps each option as an attribute of the option's name.
        name: the name that the spec gets.
        nested: turns an option's value that is itself a component into its spec; others it returns as they are.
    """
    options = {}
    for parameter, _ in _parameters(type(obj)):
        value = getattr(obj, parameter.name, None)
        if value is not None:
            options[parameter.name] = _plain(value, nested)
    return Spec(name, options)


def _plain(value: Any, nested: Callable[[Any], Any]) -> Any:
    if isinstance(type(value), Plugin) or getattr(value, "plugin_group", None):
        return nested(value)
    if isinstance(value, tuple | list):
        return [_plain(item, nested) for item in value]
    if isinstance(value, bool | int | float | str | Spec):
        return value
    if hasattr(value, "detach"):  # a tensor or array option is named by its content
        import hashlib

        return "sha256-" + hashlib.sha256(value.detach().cpu().numpy().tobytes()).hexdigest()[:16]
    return str(value)


@lru_cache(maxsize=None)
def _parameters(cls: type) -> tuple[tuple[inspect.Parameter, Any], ...]:
    init = cls.__init__
    try:
        hints = typing.get_type_hints(init, include_extras=True)
    except NameError:  # a class made inside a function, with names that only that function knows
        hints = {}
    parameters = inspect.signature(init).parameters.values()
    return tuple((p, hints.get(p.name, Any)) for p in parameters if p.kind is p.KEYWORD_ONLY)


@lru_cache(maxsize=None)
def _model(cls: type) -> type[BaseModel]:
    from pydantic import ConfigDict, create_model

    fields: dict[str, Any] = {}
    for parameter, hint in _parameters(cls):
        default = ... if parameter.default is REQUIRED else parameter.default
        fields[parameter.name] = (_with_components(hint), default)
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, protected_namespaces=())
    return create_model(cls.__name__, __config__=config, **fields)


def _with_components(hint: Any) -> Any:
    """Let every plugin class inside the annotation be given as text or as a spec too."""
    from pydantic import BeforeValidator

    if isinstance(hint, type) and isinstance(getattr(hint, "plugin_group", None), str):
        return Annotated[hint, BeforeValidator(lambda value: _component(hint, value))]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return Annotated[(_with_components(arguments[0]), *arguments[1:])]  # type: ignore[return-value]
    if origin in (typing.Union, UnionType):
        return typing.Union[tuple(_with_components(a) for a in arguments)]  # noqa: UP007
    if origin in (tuple, list):
        return origin[tuple(a if a is ... else _with_components(a) for a in arguments)]
    return hint


def _component(base: Any, value: Any) -> Any:
    if not isinstance(value, str | Spec):
        return value
    from invprior import registry

    return registry.create(base.plugin_group, value)


def _faults(cls: type, model: type[BaseModel], error: Any) -> str:
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "-", cls.__name__).lower()
    lines = []
    for fault in error.errors():
        option = ".".join(str(part) for part in fault["loc"][:1])
        if fault["type"] == "extra_forbidden":
            hint = did_you_mean(option, model.model_fields)
            lines.append(f'{name} has no option "{option}"{hint}; it has: {", ".join(model.model_fields) or "none"}.')
        elif fault["type"] == "missing":
            lines.append(f'The option "{option}" of {name} must be given.')
        else:
            cause = fault.get("ctx", {}).get("error")
            text = str(cause) if isinstance(cause, InvpriorError) else _must(fault["msg"])
            lines.append(f'The option "{option}" of {name} {text}; got {_short(fault["input"])}.')
    return "\n".join(dict.fromkeys(lines))


def _must(message: str) -> str:
    text = re.sub(r"^(Input should be|Value error,) ?", "must be ", message)
    return text if text.startswith("must") else f"is wrong ({text[0].lower()}{text[1:]})"


def _short(value: Any) -> str:
    text = str(value) if isinstance(value, Spec) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _type_text(hint: Any) -> str:
    """Print an annotation as a user would say it: `float > 0`, `"l1" or "l0"`."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        bounds = [_bound(m) for m in arguments[1:]]
        return " ".join([_type_text(arguments[0]), *filter(None, bounds)])
    if origin in (typing.Union, UnionType):
        return " or ".join(_type_text(a) for a in arguments if a is not type(None))
    if origin is typing.Literal:
        return " | ".join(str(a) for a in arguments)
    if origin in (tuple, list):
        inner = ", ".join(_type_text(a) for a in arguments if a is not ...)
        return f"[{inner}, ...]" if ... in arguments or origin is list else f"[{inner}]"
    if group := getattr(hint, "plugin_group", None):
        return f"a component of {group}"
    return getattr(hint, "__name__", str(hint))


def _bound(constraint: Any) -> str:
    symbols = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    found = [(s, getattr(constraint, a, None)) for a, s in symbols.items()]
    return ", ".join(f"{symbol} {value:g}" for symbol, value in found if value is not None)


def _descriptions(cls: type) -> dict[str, str]:
    """Read the Args section of the class's docstring, or of its constructor's."""
    found: dict[str, str] = {}
    for doc in (inspect.getdoc(cls) or "", inspect.getdoc(cls.__init__) or ""):
        section = re.search(r"^Args:\n((?:[ \t]+.*\n?|\n)+)", doc, re.M)
        if section is None:
            continue
        for match in re.finditer(r"^ {4}(\w+):\s*(.*(?:\n {5,}.*)*)", section.group(1), re.M):
            found[match.group(1)] = " ".join(match.group(2).split())
    return found
