"""Check and resolve specs without running code of other packages.

A third party's plugin may crash the process that imports it. So only invprior's own parts are made here. Parts of other
packages are looked up by name, and their options are checked in a cell's own process.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, TypeAlias

from invprior import registry
from invprior.errors import InvpriorError
from invprior.registry.spec import RuleSpec, Spec, Value, parse, parse_rule, parse_sum

# package/name; a file's name has a dot after the slash
_FULL_NAME = re.compile(r"[A-Za-z_][\w.-]*/[A-Za-z_][\w-]*")
_SIZE = 4096  # texts that are remembered; a matrix repeats a few dozen in thousands of cells
_Path: TypeAlias = tuple[str, ...]


def matches(pattern: str, text: str) -> bool:
    """Whether a text matches a pattern, in which * stands for anything; the time is linear, also for many *."""
    first, *others = pattern.split("*")
    if not others:
        return text == pattern
    *middle, last = others
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return False
    at, end = len(first), len(text) - len(last)
    for part in middle:  # the earliest place of each leaves the most room for the next
        at = text.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


def size_in_bytes(text: str) -> int:
    """Read a size such as "4GB"; errors as for `--memory-limit`."""
    from invprior.memory.size import parse_size

    return parse_size(text)


@lru_cache(maxsize=_SIZE)
def parsed(group: str, text: str) -> tuple[Spec, ...]:
    """Parse a spec, a sum of terms or a rule into the single specs that it holds; errors as `spec.parse`."""
    if group == "priors":
        return parse_sum(text)
    if group == "stopping":
        return tuple(_leaves(parse_rule(text)))
    return (parse(text),)


def missing(group: str, text: str) -> list[str]:
    """Return the packages that a spec names as package/name and that are not installed."""
    installed = {e.package for e in registry.entries()}
    named = {n.partition("/")[0] for s in parsed(group, text) for n in names(s) if "/" in n}
    return sorted(named - installed)


def is_own(group: str, text: str) -> bool:
    """Whether every part is invprior's own."""
    own, _ = _registered(tuple(sys.path))
    return all(name in own for spec in parsed(group, text) for name in names(spec))


def fault(group: str, text: str) -> str | None:
    """Return what is wrong with a spec, or None; code of other packages is not run to find out.

    A missing or broken package is no fault: the records of its cells report it.
    """
    try:
        specs = parsed(group, text)
        if is_own(group, text):
            resolved(group, text)
        elif not missing(group, text):
            for spec in specs:
                _check_known(group, spec.name)
    except InvpriorError as error:
        return f'"{text}": {error}'
    return None


def resolved(group: str, text: str) -> str:
    """Print a spec with every option filled in, by making it once.

    Raises:
        InvpriorError: the plugin is unknown or broken, or its options are wrong.
    """
    return _resolved(group, text, tuple(sys.path))


# What is installed follows from the path, by which the registry remembers its entries too.
@lru_cache(maxsize=_SIZE)
def _resolved(group: str, text: str, path: _Path) -> str:
    from invprior import provenance
    from invprior.builders.problem import prior_from, stop_from

    made: dict[str, Callable[[], str]] = {
        "priors": lambda: provenance.prior_text(prior_from(text)),
        "stopping": lambda: provenance.stop_text(stop_from(text)),
    }
    plain = lambda: str(registry.describe(registry.create(group, text)))  # noqa: E731
    return made.get(group, plain)()


def names(value: Value) -> Iterator[str]:
    """Yield the names of all components of a spec, its own first. A bare word counts if it names a component."""
    if isinstance(value, Spec):
        yield value.name
        for inner in value.options.values():
            yield from names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from names(inner)
    elif isinstance(value, str):
        _, registered = _registered(tuple(sys.path))
        if _FULL_NAME.fullmatch(value) or value in registered:
            yield value


def texts(value: Value) -> Iterator[str]:
    """Yield every text among the values of options; any of them may name a file."""
    inside: Any = value.options.values() if isinstance(value, Spec) else value
    if isinstance(value, str):
        yield value
    elif isinstance(value, Spec | list):
        for inner in inside:
            yield from texts(inner)


def packages(group: str, text: str) -> dict[str, str]:
    """Return the packages other than invprior that a spec takes parts from, with their versions."""
    known = registry.entries()
    used = {name for spec in parsed(group, text) for name in names(spec)}
    core = {e.name for e in known if e.package == registry.CORE}
    others = (e for e in known if e.package != registry.CORE)
    # A plain name that invprior also has means invprior's.
    return {e.package: e.version for e in others if used & ({e.name} - core | {e.full_name})}


@lru_cache(maxsize=8)
def _registered(path: _Path) -> tuple[frozenset[str], frozenset[str]]:
    """The names of invprior's own components, and those of all components."""
    known = registry.entries()
    own = (n for e in known if e.package == registry.CORE for n in (e.name, e.full_name))
    return frozenset(own), frozenset(n for e in known for n in (e.name, e.full_name))


def _check_known(group: str, name: str) -> None:
    if not any(name in (e.name, e.full_name) for e in registry.entries(group)):
        registry.find(group, name)  # raises, with the names that exist


def _leaves(rule: Spec | RuleSpec) -> Iterator[Spec]:
    if isinstance(rule, Spec):
        yield rule
    else:
        for part in rule.parts:
            yield from _leaves(part)
