"""Options whose text names a Python object as `module:object`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from invprior.errors import OptionError


def object_named(given: Any, option: str, plugin: str) -> Any:
    """Import the object that an option's text names; return any other value unchanged.

    Args:
        given: `module:object`, or the object itself. The module may be a file in the current folder.
        option: name of the option, for messages.
        plugin: name of the plugin, for messages.

    Raises:
        OptionError: there is no such module or object.
    """
    if not isinstance(given, str):
        return given
    module, _, attribute = given.partition(":")
    try:
        # `python -m` searches the current folder, an installed command does not. It is appended last,
        # so that a file in it cannot hide an installed module.
        if str(Path.cwd()) not in sys.path:
            sys.path.append(str(Path.cwd()))
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:  # ValueError: an empty module name
        raise OptionError(
            f'The option "{option}" of {plugin} must be module:object, and Python must find the module; got "{given}" '
            f"({error})."
        ) from None
