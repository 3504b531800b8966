"""Checking and resolving specs without running code of other packages.

A third party's plugin may crash the process that imports it, so here only invprior's own are made; the others are
looked up by name, and meet their options in a cell's own process.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from invprior import registry
from invprior.errors import InvpriorError
from invprior.registry.spec import RuleSpec, Spec, Value, parse, parse_rule, parse_sum

_FULL = re.compile(
    r"[A-Za-z_][\w.-]*/[A-Za-z_][\w-]*"
)  # package/name; a file's name has a dot behind the slash


def matches(pattern: str, text: str) -> bool:
    """Whether a text is a pattern's, in which * stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.S) is not None


def size_in_bytes(text: str) -> int:
    """Read "4GB"; errors as for `--memory-limit`."""
    from invprior.memory.plan import parse_size

    return parse_size(text)


def parsed(group: str, text: str) -> tuple[Spec, ...]:
    """Parse a spec, a sum of terms or a rule into the single specs that it holds; errors as `spec.parse`."""
    if group == "priors":
        return parse_sum(text)
    if group == "stopping":
        return tuple(_leaves(parse_rule(text)))
    return (parse(text),)


def missing(group: str, text: str) -> list[str]:
    """Name the packages that a spec asks for as package/name and that are not installed."""
    here = {e.package for e in registry.entries()}
    asked = {n.partition("/")[0] for s in parsed(group, text) for n in names(s) if "/" in n}
    return sorted(asked - here)


def is_own(group: str, text: str) -> bool:
    """Whether every part is invprior's own."""
    own = {
        name
        for e in registry.entries()
        if e.package == registry.CORE
        for name in (e.name, e.full_name)
    }
    return all(name in own for spec in parsed(group, text) for name in names(spec))


def fault(group: str, text: str) -> str | None:
    """Say what is wrong with a spec, as far as that shows without other packages' code; None if nothing.

    A package that is missing, or broken, is no fault: its cells say so.
    """
    try:
        specs = parsed(group, text)
        if is_own(group, text):
            resolved(group, text)
        elif not missing(group, text):
            for spec in specs:
                _known(group, spec.name)
    except InvpriorError as error:
        return f'"{text}": {error}'
    return None


def resolved(group: str, text: str) -> str:
    """Print a spec with every option filled in, by making it.

    Raises:
        InvpriorError: the plugin is unknown or broken, or its options are wrong.
    """
    from invprior import provenance
    from invprior.builders import problem as building

    made: dict[str, Callable[[], str]] = {
        "priors": lambda: provenance.prior_text(building.prior_from(text)),
        "stopping": lambda: provenance.stop_text(building.stop_from(text)),
    }
    plain = lambda: str(registry.describe(registry.create(group, text)))  # noqa: E731
    return made.get(group, plain)()


def names(value: Value) -> Iterator[str]:
    """The names of all components that a spec holds, its own first; a bare word that names one counts."""
    if isinstance(value, Spec):
        yield value.name
        for inner in value.options.values():
            yield from names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from names(inner)
    elif isinstance(value, str) and (_FULL.fullmatch(value) or value in _registered()):
        yield value


def texts(value: Value) -> Iterator[str]:
    """All text that stands for an option's value, any of which may name a file."""
    inside: Any = value.options.values() if isinstance(value, Spec) else value
    if isinstance(value, str):
        yield value
    elif isinstance(value, Spec | list):
        for inner in inside:
            yield from texts(inner)


def packages(group: str, text: str) -> dict[str, str]:
    """The packages other than invprior that a spec takes parts from, with their versions."""
    known = registry.entries()
    used = {name for spec in parsed(group, text) for name in names(spec)}
    core = {e.name for e in known if e.package == registry.CORE}
    others = (e for e in known if e.package != registry.CORE)
    return {e.package: e.version for e in others if used & ({e.name} - core | {e.full_name})}


def _registered() -> set[str]:
    return {name for e in registry.entries() for name in (e.name, e.full_name)}


def _known(group: str, name: str) -> None:
    known = [e for e in registry.entries(group) if name in (e.name, e.full_name)]
    if not known:
        registry.find(group, name)  # refuses it, with the names that there are


def _leaves(rule: Spec | RuleSpec) -> Iterator[Spec]:
    if isinstance(rule, Spec):
        yield rule
    else:
        for part in rule.parts:
            yield from _leaves(part)
