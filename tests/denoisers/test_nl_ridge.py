import pytest
import torch

from invprior.denoisers.nl_ridge import NLRidge, _combinations


def random(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator, dtype=torch.float64)


def test_weights_minimise_the_expected_error_among_affine_combinations():
    """Against the solution of the constrained problem by Lagrange's method."""
    x, sigma = random(5, 9), 0.3  # five patches of nine pixels, one per row
    gram = x @ x.T + 9 * sigma**2 * torch.eye(5, dtype=x.dtype)
    ones = torch.ones(5, 1, dtype=x.dtype)
    system = torch.cat((torch.cat((gram, ones), 1), torch.cat((ones.T, torch.zeros(1, 1)), 1)))
    right = torch.cat((x @ x.T, ones.T))
    weights = torch.linalg.solve(system, right)[:5].T
    y = random(5, 9, seed=1)
    combined, squares = _combinations(y, x, sigma)
    torch.testing.assert_close(combined, weights @ y)
    torch.testing.assert_close(squares, weights.square().sum(-1, keepdim=True))


def test_an_offset_and_a_factor_pass_through():
    x = random(1, 3, 20, 24)
    found = NLRidge().denoise(x, 0.1)
    torch.testing.assert_close(NLRidge().denoise(7.0 * x - 3.0, 0.7), 7.0 * found - 3.0)


@pytest.mark.parametrize("patch", [1, 2, 31])
def test_every_pixel_is_covered(patch):
    assert NLRidge(patch=patch, step=9).denoise(random(1, 1, 21, 10), 0.1).isfinite().all()
