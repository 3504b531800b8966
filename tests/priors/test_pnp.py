import torch

from invprior.denoisers.bilateral import Bilateral
from invprior.denoisers.nlm import NLM
from invprior.priors.pnp import PnP
from invprior.problem.functionals import Penalty


def test_prox_is_the_denoiser_at_the_root_of_tau():
    v = torch.rand(2, 3, 9, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(PnP().prox(v, 0.04), NLM().denoise(v, 0.2))
    assert torch.equal(PnP(denoiser=Bilateral()).prox(v, 0.04), Bilateral().denoise(v, 0.2))


def test_keeps_its_denoiser_and_claims_no_value():
    denoiser = NLM(window=3)
    assert PnP(denoiser=denoiser).denoiser is denoiser
    assert not isinstance(PnP(), Penalty)
