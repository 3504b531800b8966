"""Discovery of plugins: find, load, create.

Finding reads text files only, loading imports one plugin, creating makes it from a spec.
Plugins are the entry points of installed packages in the groups `invprior.operators`, `.priors` and
so on; invprior's own register in the same way. Finding never imports a plugin, and a faulty package
never hides a healthy one.
"""

from __future__ import annotations

import ast
import configparser
import hashlib
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import entrypoints

from invprior.errors import InvpriorError, PluginError, did_you_mean
from invprior.options import Plugin, option_values
from invprior.spec import Spec, Value, parse

CORE = "invprior"
GROUPS: Mapping[str, str] = {
    "operators": "operator",
    "fidelities": "fidelity",
    "noises": "noise",
    "priors": "prior",
    "networks": "network",
    "denoisers": "denoiser",
    "solvers": "solver",
    "stopping": "stopping rule",
    "metrics": "metric",
}


@dataclass(frozen=True)
class Entry:
    """A registered plugin as its package's metadata names it; nothing of it has been imported."""

    group: str
    name: str
    package: str
    version: str
    target: str
    fault: str | None = None

    @property
    def full_name(self) -> str:
        """The name that is never ambiguous: `package/name`."""
        return f"{self.package}/{self.name}"

    @property
    def origin(self) -> str:
        """The package and its version, as error messages print them."""
        return f"{self.package} {self.version}"


def entries(group: str | None = None) -> list[Entry]:
    """List what is registered, invprior's own first, then by name and package."""
    return [e for e in _discover(tuple(sys.path)) if group in (None, e.group)]


def find(group: str, name: str) -> Entry:
    """Find the one plugin that a name stands for.

    A plain name held by invprior itself means invprior's; others reach it as `package/name`.

    Raises:
        PluginError: unknown, held by several packages, or its metadata is faulty.
    """
    kind = GROUPS[group]
    known = entries(group)
    found = [e for e in known if name in (e.name, e.full_name)]
    if not known:
        raise PluginError(f"No {kind} is registered. Is invprior installed? Run: pip install -e .")
    if not found:
        names = sorted({e.full_name if "/" in name else e.name for e in known})
        raise PluginError(
            f'Unknown {kind} "{name}"{did_you_mean(name, names)}. Known: {", ".join(names)}.'
        )
    core = [e for e in found if e.package == CORE]
    if len(core or found) > 1:
        choices = " or ".join(e.full_name for e in found)
        raise PluginError(f'The {kind} name "{name}" is held by several packages: write {choices}.')
    entry = (core or found)[0]
    if entry.fault:
        raise _broken(entry, entry.fault)
    return entry


def load(entry: Entry) -> Any:
    """Import a plugin's class.

    Raises:
        PluginError: the import fails, or what it finds is not a plugin of that group.
    """
    module, _, attribute = entry.target.partition(":")
    try:
        found = entrypoints.EntryPoint(entry.name, module, attribute or None).load()
    except (Exception, SystemExit) as error:
        raise _broken(entry, f"{type(error).__name__}: {error}") from error
    if not isinstance(found, Plugin) or getattr(found, "plugin_group", None) != entry.group:
        article = "an" if GROUPS[entry.group][0] in "aeiou" else "a"
        raise _broken(
            entry,
            f"{entry.target} is not {article} {GROUPS[entry.group]} class; "
            "derive it from invprior's base class",
        )
    return found


def create(group: str, spec: Spec | str, **more: Any) -> Any:
    """Make the plugin that a spec names, with the options it gives.

    Args:
        group: one of `GROUPS`.
        spec: a spec or its text.
        more: options that Python code adds to the spec's.

    Raises:
        PluginError: the plugin is unknown or broken.
        OptionError: options are wrong; all faults at once.
    """
    spec = parse(spec) if isinstance(spec, str) else spec
    entry = find(group, spec.name)
    cls = load(entry)
    try:
        return cls.from_options({**spec.options, **more})
    except InvpriorError:
        raise
    except (Exception, SystemExit) as error:
        raise _broken(
            entry, f"its constructor failed with {type(error).__name__}: {error}"
        ) from error


def describe(obj: Any) -> Spec:
    """Return the spec, every option filled in, that names an object.

    A class that is not registered is named `module:Class`.
    """
    cls, values = option_values(obj)
    entry = entry_of(cls)
    name = (
        _target(cls) if entry is None else entry.name if entry.package == CORE else entry.full_name
    )
    return Spec(name, {key: _plain(value) for key, value in values.items()})


def entry_of(cls: type) -> Entry | None:
    """Return the registered entry of a class, or None for an unregistered one."""
    return next((e for e in entries() if e.target == _target(cls) or _loaded(e) is cls), None)


def _loaded(entry: Entry) -> Any:
    """Return what an entry point names if its module is imported: packages re-export classes."""
    module, _, attribute = entry.target.partition(":")
    return vars(sys.modules[module]).get(attribute) if module in sys.modules else None


def _target(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


def _plain(value: Any) -> Value:
    """Turn an option's value into what a spec can hold; a tensor becomes a hash of its content."""
    if isinstance(value, bool | int | float | str | Spec):
        return value
    if getattr(value, "plugin_group", None) in GROUPS:
        return describe(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if hasattr(value, "tobytes"):
        return "sha256-" + hashlib.sha256(value.tobytes()).hexdigest()[:16]
    return str(value)


def summary(entry: Entry) -> str:
    """Read the first line of a plugin's docstring from its source, without importing it."""
    module, _, attribute = entry.target.partition(":")
    top, *rest = module.split(".")
    try:
        spec = find_spec(top)  # of a top-level name: looks without importing
        if spec is None:
            return ""
        places = [Path(p).joinpath(*rest) for p in spec.submodule_search_locations or ()]
        candidates = [f for p in places for f in (p.with_suffix(".py"), p / "__init__.py")]
        candidates += [Path(spec.origin)] if spec.origin and not rest else []
        tree = ast.parse(next(p for p in candidates if p.is_file()).read_bytes())
        node = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == attribute)
        return (ast.get_docstring(node) or "").partition("\n")[0]
    except (StopIteration, OSError, SyntaxError, ValueError):
        return ""


def _broken(entry: Entry, reason: str) -> PluginError:
    return PluginError(
        f'The {GROUPS[entry.group]} "{entry.name}" is broken: {reason} ({entry.origin}). '
        f"Update or uninstall {entry.package}, or choose another {GROUPS[entry.group]}."
    )


@lru_cache(maxsize=8)
def _discover(path: tuple[str, ...]) -> tuple[Entry, ...]:
    found: list[Entry] = []
    packages: set[str] = set()
    for folder in dict.fromkeys(path):
        for file in _metadata(Path(folder or ".")):
            distribution = entrypoints.Distribution.from_name_version(file.parent.stem)
            package = re.sub(r"[-_.]+", "-", distribution.name).lower()
            if package not in packages:  # the first on the path is the one that Python imports
                packages.add(package)
                found += _entries_of(file, package, distribution.version or _version(file.parent))
    order = list(GROUPS)
    found.sort(key=lambda e: (order.index(e.group), e.package != CORE, e.name, e.package))
    return tuple(found)


def _version(folder: Path) -> str:
    """Read the version of a development install, whose folder's name lacks it."""
    try:
        text = (folder / "PKG-INFO").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "of unknown version"
    match = re.search(r"^Version: (\S+)", text, re.M)
    return match.group(1) if match else "of unknown version"


def _metadata(folder: Path) -> Iterator[Path]:
    for pattern in ("*.dist-info/entry_points.txt", "*.egg-info/entry_points.txt"):
        yield from sorted(folder.glob(pattern))


def _entries_of(file: Path, package: str, version: str) -> Iterator[Entry]:
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    if "invprior." not in text:
        return
    parser = entrypoints.CaseSensitiveConfigParser(delimiters=("=",), interpolation=None)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        reason = f"entry_points.txt cannot be read: {str(error).splitlines()[0]}"
        for group in GROUPS:
            if f"invprior.{group}" in text:
                yield Entry(group, package, package, version, "", reason)
        return
    for group in GROUPS:
        section = f"invprior.{group}"
        for name, target in parser.items(section) if parser.has_section(section) else ():
            yield Entry(group, name, package, version, *_read_target(target))


def _read_target(target: str) -> tuple[str, str | None]:
    """Return `module:Class` and what is wrong with it, as far as it shows without importing it."""
    match = entrypoints.entry_point_pattern.match(target)
    if match is None or match.group("objectname") is None:
        return target, f'the entry point "{target}" must read module:Class'
    module, name = match.group("modulename", "objectname")
    top = module.partition(".")[0]
    found = top in sys.modules or find_spec(top)
    return f"{module}:{name}", None if found else f"no module named {top}"
