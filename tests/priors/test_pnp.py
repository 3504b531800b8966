import pytest
import torch

from invprior import solve
from invprior.denoisers.bilateral import Bilateral
from invprior.denoisers.nlm import NLM
from invprior.denoisers.tv import TVDenoiser
from invprior.denoisers.wavelet import WaveletDenoiser
from invprior.priors.pnp import PnP
from invprior.problem.functionals import Penalty


def test_prox_is_the_denoiser_at_the_root_of_tau():
    v = torch.rand(2, 3, 9, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(PnP().prox(v, 0.04), NLM().denoise(v, 0.2))
    assert torch.equal(PnP(denoiser=Bilateral()).prox(v, 0.04), Bilateral().denoise(v, 0.2))


@pytest.mark.parametrize("denoiser", [NLM(), Bilateral(), TVDenoiser(), WaveletDenoiser()], ids=str)
def test_rows_and_columns_are_denoised_alike(denoiser):
    clean = torch.full((1, 1, 1, 128), 0.2)
    clean[..., 64:] = 0.7
    y = clean + 0.1 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    prior = PnP(denoiser=denoiser)
    row, column = (
        solve(t, operator="denoise", prior=prior, noise="gaussian:sigma=0.1", steps=8).x
        for t in (y, y.mT)
    )
    assert (row - clean).square().mean() < 0.4 * (y - clean).square().mean()
    torch.testing.assert_close(column, row.mT, atol=1e-3, rtol=0)


def test_keeps_its_denoiser_and_claims_no_value():
    denoiser = NLM(window=3)
    assert PnP(denoiser=denoiser).denoiser is denoiser
    assert not isinstance(PnP(), Penalty)
