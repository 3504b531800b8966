"""The metaclass of the plugin base classes: it validates options and reports all faults at once.

Specs, the command line and Python calls meet the same checks. An option annotated with a plugin base
class also takes a nested spec.
"""

from __future__ import annotations

import inspect
import re
import typing
from abc import ABCMeta
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any

from invprior.errors import InvpriorError, OptionError, did_you_mean, is_complex, refuse_complex
from invprior.registry import lookup
from invprior.registry.options import REQUIRED, parameters, plain_name, shown, sized
from invprior.registry.signatures import renamed_fault
from invprior.registry.spec import Spec

if TYPE_CHECKING:
    from pydantic import BaseModel

_FIELD = (
    "option_"  # prefix of the model's fields: pydantic reserves names such as "copy" and "json"
)


class Plugin(ABCMeta):
    """Metaclass of the plugin base classes; it checks the options before the constructor runs.

    A class that handles complex tensors says so with `takes_complex = True`, a property where options decide. It holds
    for that class alone, since one derived from it may handle real tensors only. In all other classes, the methods that
    a base class names in `real_methods` refuse complex tensors, and those in `magnitude_methods` see their magnitude.
    """

    takes_complex: bool

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> Any:
        """Make the class."""
        for kind, guard in (("real_methods", _refused), ("magnitude_methods", _magnitude)):
            inherited = (m for base in bases for m in getattr(base, kind, ()))
            for method in {*inherited, *namespace.get(kind, ())} & namespace.keys():
                namespace[method] = _of_reals(namespace[method], guard)
        namespace.setdefault("takes_complex", False)
        return super().__new__(mcs, name, bases, namespace)

    if not TYPE_CHECKING:  # a type checker must see each class's own constructor

        def __call__(cls, *args, **options):  # noqa: D102
            plain = {name: options.pop(name) for name in _positional(cls) if name in options}
            return super().__call__(*args, **plain, **validate(cls, options))

    def construct(cls, *args: Any, **options: Any) -> Any:
        """Make an object from options that are already validated."""
        return super().__call__(*args, **options)

    def from_options(cls, options: dict[str, Any]) -> Any:
        """Make the object of a spec; for an operator it is a recipe, since the image's size is unknown."""
        return cls(**options)


def _of_reals(method: Callable[..., Any], guard: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """Return a method that sees complex tensors only if its class takes them: most code would drop imaginary parts."""

    @wraps(method)
    def checked(self: Any, *args: Any, **options: Any) -> Any:
        if self.takes_complex or not any(map(is_complex, (*args, *options.values()))):
            return method(self, *args, **options)
        options = {name: guard(self, value) for name, value in options.items()}
        return method(self, *(guard(self, value) for value in args), **options)

    return checked


def _refused(plugin: Any, value: Any) -> Any:
    refuse_complex(getattr(value, "dtype", None), f"What {plain_name(type(plugin))} takes")
    return value


def _magnitude(plugin: Any, value: Any) -> Any:
    # Of real images too, so that an image and a ground truth of either kind are alike.
    return value.abs() if hasattr(value, "dtype") else value


def refuse_complex_for(plugins: Iterable[Any], dtype: object) -> None:
    """Refuse complex data on behalf of every plugin that does not say that it takes them.

    Args:
        plugins: the parts of a problem.
        dtype: the complex dtype of the data.

    Raises:
        MeasurementError: a plugin takes real data only.
    """
    for plugin in plugins:
        if not plugin.takes_complex:
            refuse_complex(dtype, f"The data of {plain_name(type(plugin))}")


def validate(cls: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Check and convert a plugin's options.

    Raises:
        OptionError: options are wrong; each line names an option, its constraint and the value.
    """
    from pydantic import ValidationError

    if fault := renamed_fault(cls):
        raise OptionError(f"{fault}.")
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(cls.__abstractmethods__))
        raise OptionError(f"{cls.__name__} cannot be used yet: it must define {missing}.")
    model = _model(cls)
    try:
        checked = model.model_validate(options)
    except ValidationError as error:
        raise OptionError(_faults(cls, model, error)) from None
    # Only the options that were given, so that the constructor's own defaults apply.
    return {name: getattr(checked, _FIELD + name) for name in options}


@contextmanager
def wrap_plugin_errors(cls: type) -> Iterator[None]:
    """Turn a crash in a registered class into an error that names its package.

    Raises:
        PluginError: the class is registered and crashed; the error of an unregistered class passes unchanged.
    """
    try:
        yield
    except InvpriorError:
        raise
    except (Exception, SystemExit) as error:
        entry = lookup.entry_of(cls)
        if entry is None:
            raise
        raise lookup.crashed(entry, error) from error


@cache
def _positional(cls: Any) -> tuple[str, ...]:
    """Name the constructor's parameters that Python code may pass by position or by keyword."""
    _, *parameters = inspect.signature(cls.__init__).parameters.values()
    return tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)


@cache
def _model(cls: Any) -> type[BaseModel]:
    from pydantic import ConfigDict, Field, create_model

    fields: dict[str, Any] = {}
    for parameter, hint in parameters(cls):
        hint = _with_components(hint)
        if parameter.default is None:
            hint = typing.Optional[hint]  # noqa: UP045
        default = ... if parameter.default is REQUIRED else None
        fields[_FIELD + parameter.name] = (hint, Field(default, alias=parameter.name))
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)
    return create_model(cls.__name__, __config__=config, **fields)


def _with_components(hint: Any) -> Any:
    """Let text or a spec stand for every plugin class inside an annotation."""
    from pydantic import AfterValidator, BeforeValidator

    if hint in (int, float):
        return Annotated[hint, BeforeValidator(_reject_bool), AfterValidator(sized)]
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


def _reject_bool(value: Any) -> Any:
    if isinstance(value, bool):  # Python and pydantic take it for 0 or 1
        raise ValueError("must be a number")
    return value


def _component(base: Any, value: Any) -> Any:
    if not isinstance(value, str | Spec):
        return value
    return lookup.create(base.plugin_group, value)


def _faults(cls: type, model: type[BaseModel], error: Any) -> str:
    name = plain_name(cls)
    known = [option.removeprefix(_FIELD) for option in model.model_fields]
    known += getattr(cls, "term_options", ())  # such as weight, which its spec may also hold
    lines = []
    for fault in error.errors():
        option, *inside = fault["loc"]
        cause = fault.get("ctx", {}).get("error")
        # A fault inside a nested value belongs to that value, not to the option's name.
        if fault["type"] == "extra_forbidden" and not inside:
            hint = did_you_mean(option, known)
            if option in _positional(cls):
                hint = " (its constructor also takes it by position; options are keyword-only)"
            lines.append(
                f'{name} has no option "{str(option)[:60]}"{hint}; it has: {", ".join(known) or "none"}.'
            )
        elif fault["type"] == "missing" and not inside:
            lines.append(f'The option "{option}" of {name} must be given.')
        elif isinstance(cause, InvpriorError):
            lines.append(f'In the option "{option}" of {name}: {cause}')
        else:
            got = shown(fault["input"])
            lines.append(f'The option "{option}" of {name} {_must(fault["msg"])}; got {got}.')
    return "\n".join(dict.fromkeys(lines))  # each line once


def _must(message: str) -> str:
    text = re.sub(r"^(Value error|Assertion failed), ", "", message)
    text = re.sub(r"^Input should (?=be )", "must ", text)
    return text if text.startswith("must") else f"is wrong ({text[:1].lower()}{text[1:]})"
