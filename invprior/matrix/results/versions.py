"""Which code made a record: versions, and fingerprints of the source, because an edit does not change a version."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from invprior import _version, registry
from invprior.matrix.config import specs

# What no restoration of a cell depends on.
_EXCLUDED = ("cli", "matrix", "experiments", "testing", "restore.py")


@cache
def versions() -> dict[str, str]:
    """Return the versions of invprior, Python and the numeric libraries, and the fingerprint of invprior's source."""
    from invprior.provenance import LIBRARIES, version_of  # imports torch

    found = {"invprior": _version.__version__, "code": _own_code()}
    found["python"] = platform.python_version()
    # invprior's own version is above: its metadata may be older in a development install.
    return found | {name: version_of(name) for name in LIBRARIES if name != "invprior"}


def packages(used: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return version and source fingerprint of every other package that specs, (group, text), take parts from."""
    found: dict[str, str] = {}
    for group, text in used:
        for name, number in specs.packages(group, text).items():
            found[name] = f"{number} {_code_of(name)}"
    return dict(sorted(found.items()))


@cache
def _own_code() -> str:
    root = Path(_version.__file__).parent
    paths = sorted(root.rglob("*.py"))
    return _hash(p for p in paths if p.relative_to(root).parts[0] not in _EXCLUDED)


@cache
def _code_of(package: str) -> str:
    """Hash the modules that a package's entry points name, without importing them."""
    tops = {
        e.target.partition(":")[0].partition(".")[0]
        for e in registry.entries()
        if e.package == package
    }
    paths: list[Path] = []
    for top in sorted(tops - {""}):
        spec = None
        with suppress(ImportError, ValueError):  # names that no package can have, such as __main__
            spec = find_spec(top)
        for folder in (spec and spec.submodule_search_locations) or ():
            paths += sorted(Path(folder).rglob("*.py"))
        if spec is not None and spec.origin and not spec.submodule_search_locations:
            paths.append(Path(spec.origin))
    # A module of Python itself ("frozen", "built-in") or of an archive is no file.
    return _hash(path for path in paths if path.is_file())


def _hash(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
