"""Where deepinv cannot be imported, the package says how to install it, and nothing else fails."""

import importlib

import pytest

from invprior import registry
from invprior.errors import PluginError


def importable():
    try:
        importlib.import_module("deepinv")
    except ImportError:
        return False
    return True


def test_plugins_are_listed_and_load_or_name_what_is_missing():
    entries = [e for e in registry.entries() if e.package == "invprior-deepinv"]
    assert [(e.group, e.name) for e in entries] == [
        ("operators", "deepinv"),
        ("operators", "deepinv-nonlinear"),
        ("denoisers", "deepinv"),
        ("solvers", "deepinv-dip"),
    ]
    for entry in entries:
        if importable():
            assert registry.load(entry).__module__.startswith("invprior_deepinv")
        else:
            with pytest.raises(PluginError, match=r"pip install 'invprior-deepinv\[deepinv\]'"):
                registry.load(entry)
    assert registry.create("solvers", "fista")
