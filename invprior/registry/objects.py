"""Options that name a Python object, `module:object`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from invprior.errors import OptionError


def object_named(given: Any, option: str, plugin: str) -> Any:
    """Import what an option's text names; what is no text is the object itself.

    Args:
        given: `module:object`, where the module may lie in the current folder, or an object.
        option: the option's name, for messages.
        plugin: the plugin's name, for messages.

    Raises:
        OptionError: there is no such module or object.
    """
    if not isinstance(given, str):
        return given
    module, _, attribute = given.partition(":")
    try:
        if str(Path.cwd()) not in sys.path:
            sys.path.append(str(Path.cwd()))
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise OptionError(
            f'The option "{option}" of {plugin} must be module:object, of a module that Python finds; got "{given}" '
            f"({error})."
        ) from None
