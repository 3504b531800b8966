import torch

from invprior.priors.none import NoPrior


def test_is_nothing_at_all():
    x = torch.rand(2, 3, 5, 4, dtype=torch.float64, requires_grad=True)
    value = NoPrior().value(x)
    assert value.tolist() == [0.0, 0.0]
    assert value.dtype == x.dtype
    (slope,) = torch.autograd.grad(value.sum(), x)
    assert torch.equal(slope, torch.zeros_like(x))
    assert torch.equal(NoPrior().gradient(x), slope)
    assert torch.equal(NoPrior().prox(x, 3.0), x)
    assert NoPrior().lipschitz() == 0.0


def test_stays_zero_where_the_image_is_not_finite():
    assert NoPrior().value(torch.full((1, 1, 2, 2), torch.inf)).item() == 0.0
