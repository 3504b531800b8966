"""Where deepinv cannot be imported, the package says what to do, and harms nothing else."""

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


def test_it_is_listed_and_works_or_says_what_is_missing():
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
