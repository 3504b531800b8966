"""invprior: imaging inverse problems without training data.

    import invprior
    solution = invprior.solve(y, operator="blur:sigma=1.6", prior="tv")

Names are imported when they are first used, so that `import invprior` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "errors": ["InvpriorError", "OptionError", "PluginError", "SpecError", "IncompatibleError", "MeasurementError",
               "DivergedError"],
    "spec": ["Spec"],
    "functionals": ["Penalty", "Prior", "Proximable", "Reparameterization"],
    "operators.base": ["LinearOperator", "Operator"],
    "fidelities.base": ["Fidelity", "ProximableFidelity", "QuadraticFidelity"],
    "noises.base": ["Noise"],
    "denoisers.base": ["Denoiser"],
    "networks.base": ["Network"],
    "metrics.base": ["Metric"],
    "problem": ["Objective", "Problem"],
    "solution": ["Iterate", "Solution", "Stop"],
    "solvers.base": ["Solver", "State"],
    "stopping.base": ["StoppingRule"],
    "callbacks": ["Recorder"],
    "building": ["build"],
    "images": ["load", "save"],
    "tuning": ["choose_weights"],
    "weights.base": ["WeightRule"],
    "loop": ["Interrupted", "iterate", "solve", "solve_problem"],
    "simulation": ["simulate"],
}  # fmt: skip
_HOME = {name: module for module, names in _HOMES.items() for name in names}
__all__ = ["__version__", *_HOME]

if TYPE_CHECKING:
    from invprior.building import build as build
    from invprior.callbacks import Recorder as Recorder
    from invprior.denoisers.base import Denoiser as Denoiser
    from invprior.errors import DivergedError as DivergedError
    from invprior.errors import IncompatibleError as IncompatibleError
    from invprior.errors import InvpriorError as InvpriorError
    from invprior.errors import MeasurementError as MeasurementError
    from invprior.errors import OptionError as OptionError
    from invprior.errors import PluginError as PluginError
    from invprior.errors import SpecError as SpecError
    from invprior.fidelities.base import Fidelity as Fidelity
    from invprior.fidelities.base import ProximableFidelity as ProximableFidelity
    from invprior.fidelities.base import QuadraticFidelity as QuadraticFidelity
    from invprior.functionals import Penalty as Penalty
    from invprior.functionals import Prior as Prior
    from invprior.functionals import Proximable as Proximable
    from invprior.functionals import Reparameterization as Reparameterization
    from invprior.images import load as load
    from invprior.images import save as save
    from invprior.loop import Interrupted as Interrupted
    from invprior.loop import iterate as iterate
    from invprior.loop import solve as solve
    from invprior.loop import solve_problem as solve_problem
    from invprior.metrics.base import Metric as Metric
    from invprior.networks.base import Network as Network
    from invprior.noises.base import Noise as Noise
    from invprior.operators.base import LinearOperator as LinearOperator
    from invprior.operators.base import Operator as Operator
    from invprior.problem import Objective as Objective
    from invprior.problem import Problem as Problem
    from invprior.simulation import simulate as simulate
    from invprior.solution import Iterate as Iterate
    from invprior.solution import Solution as Solution
    from invprior.solution import Stop as Stop
    from invprior.solvers.base import Solver as Solver
    from invprior.solvers.base import State as State
    from invprior.spec import Spec as Spec
    from invprior.stopping.base import StoppingRule as StoppingRule
    from invprior.tuning import choose_weights as choose_weights
    from invprior.weights.base import WeightRule as WeightRule


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"invprior.{_HOME[name]}"), name)
    return value
