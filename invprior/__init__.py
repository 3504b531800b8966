"""invprior: imaging inverse problems without training data.

    import invprior
    solution = invprior.solve(y, operator="blur:sigma=1.6", prior="tv")

A name is imported on its first use, so that `import invprior` does not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from invprior._version import __version__ as __version__

_HOMES = {
    "errors": ["InvpriorError", "OptionError", "PluginError", "SpecError", "IncompatibleError", "MeasurementError"],
    "registry.spec": ["Spec"],
    "problem.functionals": ["Penalty", "Prior", "Proximable", "Reparameterization"],
    "operators.base": ["LinearOperator", "LocalOperator", "Operator"],
    "fidelities.base": ["Fidelity", "ProximableFidelity", "QuadraticFidelity"],
    "noises.base": ["Noise"],
    "denoisers.base": ["Denoiser"],
    "networks.base": ["Network"],
    "metrics.base": ["Metric"],
    "problem.objective": ["Objective"],
    "problem.problem": ["Problem"],
    "problem.solution": ["DivergedError", "Interrupted", "Iterate", "Place", "Solution", "Stop"],
    "solvers.base": ["Solver", "State"],
    "stopping.base": ["StoppingRule"],
    "runner.history": ["Recorder"],
    "builders.problem": ["build"],
    "builders.solver": ["select_solver"],
    "io.images": ["load", "load_stack"],
    "io.save": ["save", "save_stack"],
    "tuning.search": ["choose_weights"],
    "weights.base": ["WeightRule"],
    "runner.api": ["iterate", "solve", "solve_problem"],
    "builders.simulation": ["simulate"],
}  # fmt: skip
# Whole modules that are taught under a short name.
_MODULES = {"samples": "io.samples", "restore": "restore", "matrix": "matrix"}
_HOME = {name: module for module, names in _HOMES.items() for name in names}
__all__ = ["__version__", *_HOME, *_MODULES]

if TYPE_CHECKING:
    from invprior import matrix as matrix
    from invprior import restore as restore
    from invprior.builders.problem import build as build
    from invprior.builders.simulation import simulate as simulate
    from invprior.builders.solver import select_solver as select_solver
    from invprior.denoisers.base import Denoiser as Denoiser
    from invprior.errors import IncompatibleError as IncompatibleError
    from invprior.errors import InvpriorError as InvpriorError
    from invprior.errors import MeasurementError as MeasurementError
    from invprior.errors import OptionError as OptionError
    from invprior.errors import PluginError as PluginError
    from invprior.errors import SpecError as SpecError
    from invprior.fidelities.base import Fidelity as Fidelity
    from invprior.fidelities.base import ProximableFidelity as ProximableFidelity
    from invprior.fidelities.base import QuadraticFidelity as QuadraticFidelity
    from invprior.io import samples as samples
    from invprior.io.images import load as load
    from invprior.io.images import load_stack as load_stack
    from invprior.io.save import save as save
    from invprior.io.save import save_stack as save_stack
    from invprior.metrics.base import Metric as Metric
    from invprior.networks.base import Network as Network
    from invprior.noises.base import Noise as Noise
    from invprior.operators.base import LinearOperator as LinearOperator
    from invprior.operators.base import LocalOperator as LocalOperator
    from invprior.operators.base import Operator as Operator
    from invprior.problem.functionals import Penalty as Penalty
    from invprior.problem.functionals import Prior as Prior
    from invprior.problem.functionals import Proximable as Proximable
    from invprior.problem.functionals import Reparameterization as Reparameterization
    from invprior.problem.objective import Objective as Objective
    from invprior.problem.problem import Problem as Problem
    from invprior.problem.solution import DivergedError as DivergedError
    from invprior.problem.solution import Interrupted as Interrupted
    from invprior.problem.solution import Iterate as Iterate
    from invprior.problem.solution import Place as Place
    from invprior.problem.solution import Solution as Solution
    from invprior.problem.solution import Stop as Stop
    from invprior.registry.spec import Spec as Spec
    from invprior.runner.api import iterate as iterate
    from invprior.runner.api import solve as solve
    from invprior.runner.api import solve_problem as solve_problem
    from invprior.runner.history import Recorder as Recorder
    from invprior.solvers.base import Solver as Solver
    from invprior.solvers.base import State as State
    from invprior.stopping.base import StoppingRule as StoppingRule
    from invprior.tuning.search import choose_weights as choose_weights
    from invprior.weights.base import WeightRule as WeightRule


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value = importlib.import_module(f"invprior.{_MODULES[name]}")
    elif name in _HOME:
        value = getattr(importlib.import_module(f"invprior.{_HOME[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value  # the next use does not come here
    return value
