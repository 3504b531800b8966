"""Typed options: a plugin's options are its constructor's keyword-only parameters.

Every plugin base class has the metaclass `Plugin`, so options are validated, all faults at once,
whether the object comes from a spec, from the command line or from Python. An option annotated with
a plugin base class takes a nested spec; `option_values` reads an object's options back from the
attributes of the same names.
"""

from __future__ import annotations

import inspect
import re
import sys
import typing
from abc import ABCMeta
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any

from invprior.errors import InvpriorError, OptionError, did_you_mean
from invprior.registry.spec import Spec

if TYPE_CHECKING:
    from pydantic import BaseModel

REQUIRED: Any = inspect.Parameter.empty
_FIELD = "option_"  # so that an option may have any name, even one that pydantic uses itself


class Plugin(ABCMeta):
    """Metaclass of the plugin base classes: checks the options before the constructor runs."""

    if not TYPE_CHECKING:  # a checker must see each class's own constructor

        def __call__(cls, *args, **options):  # noqa: D102
            plain = {name: options.pop(name) for name in _positional(cls) if name in options}
            return super().__call__(*args, **plain, **validate(cls, options))

    def from_options(cls, options: dict[str, Any]) -> Any:
        """Make what a spec stands for; an operator's is a recipe, not an instance."""
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


def validate(cls: Any, options: dict[str, Any]) -> dict[str, Any]:
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
    return {name: getattr(checked, _FIELD + name) for name in options}


@contextmanager
def wrap_plugin_errors(cls: type) -> Iterator[None]:
    """Tell a crash of a registered class's constructor as one error that names its package.

    Raises:
        PluginError: in place of what the constructor raised; an own class's error stays as it is.
    """
    try:
        yield
    except InvpriorError:
        raise
    except (Exception, SystemExit) as error:
        from invprior import registry

        entry = registry.entry_of(cls)
        if entry is None:
            raise
        raise registry.crashed(entry, error) from error


def plain_name(cls: type) -> str:
    """Name a plugin's class in messages: MaxSteps is max-steps, PnP is pnp."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "-", cls.__name__).lower()


def options_of(cls: type) -> list[Option]:
    """List a plugin's options in the order of its constructor."""
    described = _descriptions(cls)
    return [
        Option(p.name, _type_text(hint), p.default, described.get(p.name, ""))
        for p, hint in _parameters(cls)
    ]


def option_values(obj: Any) -> tuple[type, dict[str, Any]]:
    """Return a plugin's class and its options' values, defaults filled in and absent ones left out.

    A plugin keeps each option as an attribute of the option's name; what stands for a plugin not
    made yet (a recipe) says so by a method `described() -> (class, options given)`.
    """
    cls: Any
    cls, given = obj.described() if hasattr(obj, "described") else (type(obj), None)
    values = {}
    for parameter, _ in _parameters(cls):
        default = None if parameter.default is REQUIRED else parameter.default
        source = (
            getattr(obj, parameter.name, None)
            if given is None
            else given.get(parameter.name, default)
        )
        if source is not None:
            values[parameter.name] = source
    return cls, values


@cache
def _parameters(cls: Any) -> tuple[tuple[inspect.Parameter, Any], ...]:
    parameters = inspect.signature(cls.__init__).parameters.values()
    return tuple((p, _hint(cls, p)) for p in parameters if p.kind is p.KEYWORD_ONLY)


@cache
def _positional(cls: Any) -> tuple[str, ...]:
    """Name the constructor's ordinary parameters, which Python code may also pass by keyword."""
    _, *parameters = inspect.signature(cls.__init__).parameters.values()
    return tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)


def _hint(cls: Any, parameter: inspect.Parameter) -> Any:
    """Read one option's annotation; Any for what is absent or cannot be understood here."""
    from pydantic import ConfigDict, TypeAdapter

    written = Any if parameter.annotation is parameter.empty else parameter.annotation
    owners = [
        base for base in cls.__mro__ if parameter.name in vars(base).get("__annotations__", {})
    ]
    scopes = [getattr(cls.__init__, "__globals__", {})]
    scopes += [vars(sys.modules[base.__module__]) for base in owners]  # inherited dataclass fields
    for scope in scopes:
        holder = type("Holder", (), {"__annotations__": {"option": written}})
        with suppress(Exception):  # an annotation may run any code
            hint = typing.get_type_hints(holder, scope, include_extras=True)["option"]
            TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
            return hint
    return Any


@cache
def _model(cls: Any) -> type[BaseModel]:
    from pydantic import ConfigDict, Field, create_model

    fields: dict[str, Any] = {}
    for parameter, hint in _parameters(cls):
        hint = _with_components(hint)
        if parameter.default is None:
            hint = typing.Optional[hint]  # noqa: UP045
        default = ... if parameter.default is REQUIRED else None
        fields[_FIELD + parameter.name] = (hint, Field(default, alias=parameter.name))
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)
    return create_model(cls.__name__, __config__=config, **fields)


def _with_components(hint: Any) -> Any:
    """Let every plugin class inside the annotation be given as text or as a spec too."""
    from pydantic import BeforeValidator

    if hint in (int, float):
        return Annotated[hint, BeforeValidator(_no_switch)]
    if isinstance(hint, type) and isinstance(getattr(hint, "plugin_group", None), str):
        return Annotated[hint, BeforeValidator(lambda value: _component(hint, value))]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return Annotated[(_with_components(arguments[0]), *arguments[1:])]
    if origin in (typing.Union, UnionType):
        return typing.Union[tuple(_with_components(a) for a in arguments)]  # noqa: UP007
    if origin in (tuple, list):
        return origin[tuple(a if a is ... else _with_components(a) for a in arguments)]
    return hint


def _no_switch(value: Any) -> Any:
    if isinstance(value, bool):  # which Python and pydantic take for 0 or 1
        raise ValueError("must be a number")
    return value


def _component(base: Any, value: Any) -> Any:
    if not isinstance(value, str | Spec):
        return value
    from invprior import registry

    return registry.create(base.plugin_group, value)


def _faults(cls: type, model: type[BaseModel], error: Any) -> str:
    name = plain_name(cls)
    known = [option.removeprefix(_FIELD) for option in model.model_fields]
    known += getattr(cls, "term_options", ())  # which its spec may hold beside the constructor's
    lines = []
    for fault in error.errors():
        option, *inside = fault["loc"]
        cause = fault.get("ctx", {}).get("error")
        if fault["type"] == "extra_forbidden" and not inside:
            hint = did_you_mean(option, known)
            if option in _positional(cls):
                hint = " (its constructor takes that by position too; options are keyword-only)"
            lines.append(
                f'{name} has no option "{option}"{hint}; it has: {", ".join(known) or "none"}.'
            )
        elif fault["type"] == "missing" and not inside:
            lines.append(f'The option "{option}" of {name} must be given.')
        elif isinstance(cause, InvpriorError):
            lines.append(f'In the option "{option}" of {name}: {cause}')
        else:
            got = _short(fault["input"])
            lines.append(f'The option "{option}" of {name} {_must(fault["msg"])}; got {got}.')
    return "\n".join(dict.fromkeys(lines))


def _must(message: str) -> str:
    text = re.sub(r"^(Value error|Assertion failed), ", "", message)
    text = re.sub(r"^Input should (?=be )", "must ", text)
    return text if text.startswith("must") else f"is wrong ({text[:1].lower()}{text[1:]})"


def _short(value: Any) -> str:
    text = str(value) if isinstance(value, Spec) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _type_text(hint: Any) -> str:
    """Print an annotation as a user would say it: `float > 0`, `l1 | l0`."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        bounds = [_bound(m) for m in arguments[1:]]
        return " ".join([_type_text(arguments[0]), ", ".join(filter(None, bounds))]).strip()
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


def _descriptions(cls: Any) -> dict[str, str]:
    """Read the Args sections of the class's docstring, its constructor's and its bases'."""
    found: dict[str, str] = {}
    bases = [(base, vars(base).get("__init__")) for base in reversed(cls.__mro__)]
    for doc in (inspect.cleandoc(part.__doc__ or "") for pair in bases for part in pair):
        section = re.search(r"^Args:\n((?:[ \t]+.*\n?|\n)+)", doc, re.M)
        if section is None:
            continue
        for match in re.finditer(
            r"^ {4}(\w+)(?: \(.*?\))?:\s*(.*(?:\n {5,}.*)*)", section.group(1), re.M
        ):
            found[match.group(1)] = " ".join(match.group(2).split())
    return found
