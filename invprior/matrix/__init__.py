"""The comparison matrix: images x operators x noise x priors x solvers x stopping rules x seeds.

results = invprior.matrix.run("quick", "results")
results.to_dataframe()
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from invprior.matrix.api import Results as Results
    from invprior.matrix.api import read as read
    from invprior.matrix.api import run as run

__all__ = ["Results", "read", "run"]


def __getattr__(name: str) -> Any:
    # At the first use: the command line imports this package before it knows which command it runs.
    if name in __all__:
        return getattr(importlib.import_module("invprior.matrix.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
