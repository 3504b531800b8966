"""The checks of each kind of plugin."""

from __future__ import annotations

from collections.abc import Mapping

from invprior.denoisers.base import Denoiser
from invprior.fidelities.base import Fidelity
from invprior.metrics.base import Metric
from invprior.networks.base import Network
from invprior.noises.base import Noise
from invprior.problem.functionals import Functional
from invprior.solvers.base import Solver
from invprior.stopping.base import StoppingRule
from invprior.testing.all_plugins import frozen, options_kept
from invprior.testing.denoisers import denoiser_checks
from invprior.testing.fidelities import fidelity_checks
from invprior.testing.metrics import metric_checks
from invprior.testing.networks import network_checks
from invprior.testing.noises import noise_checks
from invprior.testing.operators import operator_checks
from invprior.testing.priors import prior_checks
from invprior.testing.reparameterizations import reparameterization_checks
from invprior.testing.report import Check, checks_for
from invprior.testing.solvers import solver_checks
from invprior.testing.stopping import stopping_checks
from invprior.testing.weights import weight_checks
from invprior.weights.base import WeightRule

COMMON = checks_for(object, options_kept, frozen)  # for a kind without checks of its own
# `frozen` is not for fidelities, priors and denoisers: they are torch modules, or may be.
CHECKS: Mapping[str, tuple[Check, ...]] = {
    "operators": operator_checks(),
    "fidelities": (*fidelity_checks(), *checks_for(Fidelity, options_kept)),
    "noises": (*noise_checks(), *checks_for(Noise, options_kept, frozen)),
    "priors": (
        *prior_checks(),
        *reparameterization_checks(),
        *checks_for(Functional, options_kept),
    ),
    "networks": (*network_checks(), *checks_for(Network, options_kept, frozen)),
    "denoisers": (*denoiser_checks(), *checks_for(Denoiser, options_kept)),
    "solvers": (*solver_checks(), *checks_for(Solver, options_kept, frozen)),
    "stopping": (*stopping_checks(), *checks_for(StoppingRule, options_kept, frozen)),
    "weights": (*weight_checks(), *checks_for(WeightRule, options_kept, frozen)),
    "metrics": (*metric_checks(), *checks_for(Metric, options_kept, frozen)),
}
