"""Discovery of the installed plugins, from the metadata files of packages, without importing them.

Plugins are the entry points of installed packages in the groups `invprior.operators`, `invprior.priors`
and so on. invprior registers its own plugins in the same way. A faulty package never hides a healthy
one. A fault that shows in the metadata is recorded in the entry.
"""

from __future__ import annotations

import configparser
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import entrypoints

from invprior._version import __version__

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
    "weights": "weight rule",
    "metrics": "metric",
}


@dataclass(frozen=True)
class Entry:
    """A registered plugin, as the metadata of its package names it; nothing is imported.

    Attributes:
        group: the kind of plugin, one of `GROUPS`.
        name: the plugin's name, without its package.
        package: the package's name, normalised as in PEP 503.
        version: the package's version.
        target: `module:Class`.
        fault: what is wrong with the entry, where the metadata shows it; else None.
    """

    group: str
    name: str
    package: str
    version: str
    target: str
    fault: str | None = None

    @property
    def full_name(self) -> str:
        """The unambiguous name, `package/name`."""
        return f"{self.package}/{self.name}"

    @property
    def origin(self) -> str:
        """The package and its version, for error messages."""
        return f"{self.package} {self.version}"


def entries(group: str | None = None) -> list[Entry]:
    """List the registered plugins: invprior's own first, then by name and package."""
    return [e for e in _discover(tuple(sys.path)) if group in (None, e.group)]


# Cached by the search path, so that a changed sys.path is read again.
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
    """Read the version of a development install, whose folder name does not contain it."""
    match = re.search(r"^Version: (\S+)", _headers(folder), re.M)
    return match.group(1) if match else "of unknown version"


def _headers(folder: Path) -> str:
    """Read the headers of a package's metadata; the README follows below the first empty line."""
    name = "METADATA" if folder.suffix == ".dist-info" else "PKG-INFO"
    try:
        text = (folder / name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return text.partition("\n\n")[0]


def _unmet(folder: Path) -> str | None:
    """Return a fault when a package requires another release of invprior, else None."""
    asked = re.findall(r"^Requires-Dist: *(invprior *[^\w\s.-].*)$", _headers(folder), re.M | re.I)
    for text in asked:
        plain = _plainly_met(text)
        unmet = _refused(text) if plain is None else "" if plain else re.sub(r"[\s()]", "", text)
        if unmet:
            return f"it requires {unmet}, and this is {__version__}; run pip install '{unmet}'"
    return None


def _plainly_met(asked: str) -> bool | None:
    """Return whether a range such as `invprior>=0.1,<0.3` is met; None when only `packaging` can decide."""
    # Importing packaging took nearly all of the 43 ms by which ten broken packages delayed a start.
    clauses = asked.removeprefix("invprior").strip(" ()").split(",")
    parts = [re.fullmatch(r"\s*(>=|<)\s*(\d+(?:\.\d+)*)\s*", clause) for clause in clauses]
    if None in parts or not re.fullmatch(r"\d+(\.\d+)*", __version__):
        return None
    here = _numbers(__version__)
    return all((_numbers(part[2]) <= here) == (part[1] == ">=") for part in parts if part)


def _refused(asked: str) -> str:
    """Return the requirement when it is not met, else ""; "" also for one that does not apply here."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(asked)
    except InvalidRequirement:
        return ""
    wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    met = requirement.specifier.contains(__version__, prereleases=True)
    return "" if met or not wanted else f"invprior{requirement.specifier}"


def _numbers(version: str) -> list[int]:
    """Split a release into comparable numbers, without trailing zeros: 1.0 equals 1."""
    return [int(number) for number in re.sub(r"(\.0+)+$", "", version).split(".")]


def _metadata(folder: Path) -> Iterator[Path]:
    for pattern in ("*.dist-info/entry_points.txt", "*.egg-info/entry_points.txt"):
        yield from sorted(folder.glob(pattern))


def _entries_of(file: Path, package: str, version: str) -> Iterator[Entry]:
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    if "invprior." not in text:  # true of most packages, whose files need no parsing
        return
    parser = entrypoints.CaseSensitiveConfigParser(delimiters=("=",), interpolation=None)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        reason = f"entry_points.txt cannot be read: {str(error).splitlines()[0]}"
        # The names in it are unknown, so the package itself stands for them in each group it mentions.
        for group in GROUPS:
            if f"invprior.{group}" in text:
                yield Entry(group, package, package, version, "", reason)
        return
    unmet = None if package == CORE else _unmet(file.parent)
    for group in GROUPS:
        section = f"invprior.{group}"
        for name, target in parser.items(section) if parser.has_section(section) else ():
            target, fault = _read_target(target)
            yield Entry(group, name, package, version, target, unmet or fault)


def _read_target(target: str) -> tuple[str, str | None]:
    """Return `module:Class`, and the fault that shows without an import, or None."""
    match = entrypoints.entry_point_pattern.match(target)
    if match is None or match.group("objectname") is None:
        return target, f'the entry point "{target}" must read module:Class'
    module, name = match.group("modulename", "objectname")
    # Only the top level: looking for a submodule would import the package around it.
    top = module.partition(".")[0]
    return f"{module}:{name}", None if top in sys.modules else _missing(top)


def _missing(top: str) -> str | None:
    """Return why a top-level module cannot be found, without importing it; None when it can."""
    try:
        return None if find_spec(top) else f"no module named {top}"
    except Exception as error:  # another package's import hook may fail
        return f"the search for the module {top} fails with {type(error).__name__}: {error}"
