"""From a name to a plugin (find, load, create), and from an object to its spec (describe).

`find` reads text files only. `load` imports one plugin. `create` makes an object from a spec. The fault
of a package is reported when its plugin is requested, and never hides a healthy package.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import entrypoints

from invprior.errors import InvpriorError, PluginError, did_you_mean
from invprior.registry.discovery import CORE as CORE
from invprior.registry.discovery import GROUPS as GROUPS
from invprior.registry.discovery import Entry as Entry
from invprior.registry.discovery import entries as entries
from invprior.registry.options import option_values
from invprior.registry.signatures import fault_of
from invprior.registry.spec import Spec, Value, parse


def find(group: str, name: str) -> Entry:
    """Find the plugin with a name, plain or as `package/name`.

    A plain name that invprior itself provides means invprior's plugin. Write `package/name` for the
    plugin of the same name in another package.

    Raises:
        PluginError: the name is unknown or ambiguous, or the package's metadata is faulty.
    """
    kind = GROUPS[group]
    known = entries(group)
    found = [e for e in known if name in (e.name, e.full_name)]
    if not known:
        raise PluginError(f"No {kind} is registered. Is invprior installed? Run: pip install -e .")
    if not found:
        names = sorted({e.full_name if "/" in name else e.name for e in known})
        raise PluginError(
            f'Unknown {kind} "{name[:60]}"{did_you_mean(name, names)}. Known: {", ".join(names)}.'
        )
    # A broken package does not make a healthy one's name ambiguous.
    found = [e for e in found if not e.fault] or found
    core = [e for e in found if e.package == CORE]
    if len(core or found) > 1:
        owners = " and ".join(e.package for e in found)
        choices = " or ".join(e.full_name for e in found)
        raise PluginError(
            f'The {kind} name "{name}" is ambiguous: provided by {owners}. Write {choices}.'
        )
    entry = (core or found)[0]
    if entry.fault:
        raise _broken(entry, entry.fault)
    return entry


def load(entry: Entry) -> Any:
    """Import a plugin's class.

    Raises:
        PluginError: the import fails, the object is not a plugin class of that group, or its
            signatures differ from those of the base class.
    """
    module, _, attribute = entry.target.partition(":")
    try:
        found = entrypoints.EntryPoint(entry.name, module, attribute or None).load()
    except (Exception, SystemExit) as error:  # a script's module may exit when imported
        raise _broken(entry, f"{type(error).__name__}: {error}") from error
    # Compared by plugin_group, so that no base class, and with it torch, is imported here.
    if not isinstance(found, type) or getattr(found, "plugin_group", None) != entry.group:
        article = "an" if GROUPS[entry.group][0] in "aeiou" else "a"
        raise _broken(
            entry,
            f"{entry.target} is not {article} {GROUPS[entry.group]} class; "
            "derive it from invprior's base class",
        )
    if fault := fault_of(found):
        raise _broken(entry, fault)
    return found


def create(group: str, spec: Spec | str, **more: Any) -> Any:
    """Make the plugin that a spec names, with its options.

    Args:
        group: one of `GROUPS`.
        spec: a spec or its text.
        more: further options, which take precedence over those in the spec.

    Raises:
        PluginError: the plugin is unknown or broken.
        OptionError: options are wrong; the message lists all faults.
    """
    spec = parse(spec) if isinstance(spec, str) else spec
    entry = find(group, spec.name)
    cls = load(entry)
    try:
        return cls.from_options({**spec.options, **more})
    except InvpriorError:  # the options are at fault, not the plugin
        raise
    except (Exception, SystemExit) as error:
        raise crashed(entry, error) from error


def crashed(entry: Entry, error: BaseException) -> PluginError:
    """Return the error for a constructor that crashed."""
    return _broken(entry, f"its constructor failed with {type(error).__name__}: {error}")


def describe(obj: Any) -> Spec:
    """Return the spec of an object, with every option filled in.

    An unregistered class is named `module:Class`.
    """
    cls, values = option_values(obj)
    entry = entry_of(cls)
    name = (
        _target(cls) if entry is None else entry.name if entry.package == CORE else entry.full_name
    )
    return Spec(name, {key: _plain(value) for key, value in values.items()})


def entry_of(cls: type) -> Entry | None:
    """Return the registered entry of a class; None for an unregistered class."""
    return next((e for e in entries() if e.target == _target(cls) or _loaded(e) is cls), None)


def _loaded(entry: Entry) -> Any:
    """Return the object that an entry names, if its module is imported: a package may re-export a class."""
    module, _, attribute = entry.target.partition(":")
    return getattr(sys.modules.get(module), "__dict__", {}).get(attribute)


def _target(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


def _plain(value: Any) -> Value:
    """Convert an option's value for a spec; a tensor becomes a hash of its content."""
    if isinstance(value, bool | int | float | str | Spec):
        return value
    if getattr(value, "plugin_group", None) in GROUPS:
        return describe(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if hasattr(value, "detach"):  # a tensor, without importing torch; then a NumPy array alike
        value = value.detach().cpu().numpy()
    if hasattr(value, "tobytes"):
        return "sha256-" + hashlib.sha256(value.tobytes()).hexdigest()[:16]
    return str(value)


def summary(entry: Entry) -> str:
    """Read the first line of a plugin's docstring from its source, without importing it."""
    module, _, attribute = entry.target.partition(":")
    top, *rest = module.split(".")
    try:
        spec = find_spec(top)  # for a top-level name this imports nothing
        if spec is None:
            return ""
        places = [Path(p).joinpath(*rest) for p in spec.submodule_search_locations or ()]
        candidates = [f for p in places for f in (p.with_suffix(".py"), p / "__init__.py")]
        candidates += [Path(spec.origin)] if spec.origin and not rest else []
        tree = ast.parse(next(p for p in candidates if p.is_file()).read_bytes())
        node = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == attribute)
        return (ast.get_docstring(node) or "").partition("\n")[0]
    except Exception:  # one package's odd files must not prevent the list
        return ""


def _broken(entry: Entry, reason: str) -> PluginError:
    return PluginError(
        f'The {GROUPS[entry.group]} "{entry.name}" is broken: {reason} ({entry.origin}). '
        f"Update or uninstall {entry.package}, or choose another {GROUPS[entry.group]}.",
        reason,
    )
