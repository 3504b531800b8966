"""The explicit prior whose image is averaged with that of Deep Image Prior's networks, or shown to them."""

from __future__ import annotations

import math

from invprior.denoisers.nl_ridge import NLRidge
from invprior.operators.base import LinearOperator
from invprior.priors.pnp import PnP
from invprior.problem.functionals import Companion


def companion_for(operator: LinearOperator) -> Companion:
    """Return the explicit prior whose image is averaged with the networks', and its share in the mean."""
    if operator.is_identity:  # one call of the denoiser
        return Companion(1e-6 * PnP(denoiser=NLRidge()), "hqs:steps=1,start=1e-6", 0.5)
    # Of a smaller image nl-ridge keeps the aliasing: 1.9 dB behind nlm on butterfly at a fourth of its size.
    if math.prod(operator.measurement_shape) < math.prod(operator.image_shape):
        return Companion(PnP(), "auto", 0.5)
    # Under a blur and a camera's shake it is better than the networks. Six crops of 96 px were 0.1 to 0.4 dB better
    # than with half of each, or 0.03 dB worse.
    return Companion(PnP(denoiser=NLRidge()), "auto", 0.7)
