import pytest
import torch
from torch import nn

from invprior import solve
from invprior.denoisers.bilateral import Bilateral
from invprior.denoisers.wavelet import WaveletDenoiser
from invprior.errors import OptionError
from invprior.priors.red import RED

denoisers = pytest.mark.parametrize("denoiser", [Bilateral(), WaveletDenoiser()], ids=str)


def random(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@denoisers
def test_gradient_is_the_residual_and_the_value_its_product(denoiser):
    prior, x = RED(denoiser=denoiser, sigma=0.1), random(2, 3, 8, 9)
    residual = x - denoiser.denoise(x, 0.1)
    assert torch.equal(prior.gradient(x), residual)
    torch.testing.assert_close(prior.value(x), 0.5 * (x * residual).sum((1, 2, 3)))


@denoisers
def test_chains_through_a_network_as_the_jacobian_times_the_residual(denoiser):
    prior, z = RED(denoiser=denoiser, sigma=0.1), random(2, 1, 6, 5)

    def network(weight):
        return torch.tanh(nn.functional.conv2d(z, weight, padding=1))

    weight = random(3, 1, 3, 3).requires_grad_()
    x = network(weight)
    (slope,) = torch.autograd.grad((prior.value(x) * torch.tensor([2.0, 1.0])).sum(), weight)
    jacobian = torch.autograd.functional.jacobian(network, weight).flatten(0, 3).flatten(1)
    residual = (x - denoiser.denoise(x, 0.1)).detach() * torch.tensor([2.0, 1.0]).view(2, 1, 1, 1)
    torch.testing.assert_close(slope.flatten(), jacobian.T @ residual.flatten())


@pytest.mark.parametrize("solver", ["auto", "fista", "lbfgs"])
def test_rows_and_columns_are_denoised_alike(solver):
    clean = torch.full((1, 1, 1, 256), 0.2)
    clean[..., 128:] = 0.7
    y = clean + 0.1 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    row, column = (
        solve(
            t,
            operator="denoise",
            prior=400.0 * RED(sigma=0.1),
            noise="gaussian:sigma=0.1",
            solver=solver,
            steps=60,
        ).x
        for t in (y, y.mT)
    )
    assert (row - clean).square().mean() < 0.4 * (y - clean).square().mean()
    torch.testing.assert_close(column, row.mT, atol=1e-4, rtol=0)


def test_flat_images_are_free():
    assert RED().value(torch.full((1, 3, 8, 8), 0.5)).abs().item() < 1e-4
    assert RED().lipschitz() == 2.0


def test_options():
    denoiser = Bilateral(radius=2)
    prior = RED(denoiser=denoiser, sigma=0.2)
    assert (prior.denoiser, prior.sigma) == (denoiser, 0.2)
    with pytest.raises(OptionError, match="sigma"):
        RED(sigma=0.0)
