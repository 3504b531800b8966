"""Plug-and-play: a denoiser that replaces a proximal map."""

from __future__ import annotations

from torch import Tensor

from invprior.denoisers.base import Denoiser
from invprior.denoisers.nlm import NLM
from invprior.problem.functionals import Proximable


class PnP(Proximable):
    """Plug-and-play prior: prox(v, tau) = D(v, sqrt(tau)), a denoiser at noise level sqrt(tau).

    Most denoisers are not the prox of any R(x), so a run ends at a fixed point and not at a minimum.

    Args:
        denoiser: the denoiser D.

    Source: Venkatakrishnan, Bouman and Wohlberg 2013, "Plug-and-Play priors for model based
    reconstruction".
    """

    takes_complex = True  # as every denoiser does
    default_weight: float = 0.2
    offset_invariant = True
    degree = 0.0
    convex: bool = False  # solvers then keep tau at the noise level instead of adapting it

    # A frozen dataclass can be a default value, as nothing can change it.
    def __init__(self, *, denoiser: Denoiser = NLM()) -> None:
        super().__init__()
        self.denoiser = denoiser

    def prox(self, v: Tensor, tau: float) -> Tensor:
        """Denoise v at the noise level sqrt(tau)."""
        return self.denoiser.denoise(v, tau**0.5)

    @property
    def stand_in(self) -> PnP:
        """The prior with a faster denoiser; itself if there is none."""
        faster = self.denoiser.stand_in
        return self if faster is self.denoiser else PnP(denoiser=faster)
