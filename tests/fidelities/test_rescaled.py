import copy

import pytest
import torch

from invprior import registry
from invprior.fidelities.base import Fidelity, ProximableFidelity, QuadraticFidelity
from invprior.fidelities.gaussian import Gaussian
from invprior.fidelities.huber import Huber
from invprior.fidelities.laplace import Laplace
from invprior.fidelities.poisson import Poisson


class Logistic(Fidelity):
    """A fidelity of a third party, with a buffer and no prox."""

    def __init__(self, *, sigma: float | None = None) -> None:
        super().__init__()
        self.sigma = sigma
        self.register_buffer("weight", torch.tensor(2.0, dtype=torch.float64))

    def value(self, prediction, y):
        t = (prediction - y) / self.sigma
        return (self.weight * torch.log(torch.cosh(t))).flatten(1).sum(1)

    def lipschitz(self):
        return 2.0 / self.sigma**2

    @property
    def noise_level(self):
        return self.sigma

    def with_noise_level(self, sigma):
        return self if self.sigma is not None else Logistic(sigma=sigma)


OPEN = [Gaussian(), Laplace(), Huber(delta=0.7), Poisson(background=0.3), Logistic()]
each = pytest.mark.parametrize("fidelity", OPEN, ids=lambda f: type(f).__name__)
KINDS = (QuadraticFidelity, ProximableFidelity, Fidelity)


def tensors():
    generator = torch.Generator().manual_seed(0)
    p, y = torch.rand(2, 2, 1, 6, 5, generator=generator, dtype=torch.float64)
    return 2.5 * p - 0.2, 2 * y


@each
@pytest.mark.parametrize("scale", [1e-3, 255.0, 65535.0])
def test_it_is_the_same_function_in_other_units(fidelity, scale):
    fidelity = fidelity.with_noise_level(0.2)
    other = fidelity.rescaled(scale)
    p, y = tensors()
    near = {"rtol": 1e-9, "atol": 1e-9}
    torch.testing.assert_close(other.value(p / scale, y / scale), fidelity.value(p, y), **near)
    found = other.gradient(p / scale, y / scale) / scale
    torch.testing.assert_close(found, fidelity.gradient(p, y), **near)
    automatic = Fidelity.gradient(other, p / scale, y / scale) / scale
    torch.testing.assert_close(automatic, fidelity.gradient(p, y), **near)
    assert other.lipschitz() == pytest.approx(scale**2 * fidelity.lipschitz())
    assert [isinstance(other, kind) for kind in KINDS] == [isinstance(fidelity, k) for k in KINDS]
    assert other.offset_invariant is fidelity.offset_invariant
    if isinstance(fidelity, ProximableFidelity):
        found = scale * other.prox(p / scale, y / scale, 0.02 / scale**2)
        torch.testing.assert_close(found, fidelity.prox(p, y, 0.02), **near)
    if isinstance(fidelity, QuadraticFidelity):
        assert other.precision == pytest.approx(scale**2 / 0.04)
    if fidelity.noise_level is not None:
        assert other.noise_level == pytest.approx(0.2 / scale)


@each
def test_records_keep_the_units_of_the_data(fidelity):
    fidelity = fidelity.with_noise_level(0.2)
    other = fidelity.rescaled(255.0)
    assert registry.describe(other) == registry.describe(fidelity)
    assert repr(other) == repr(fidelity)
    assert other.rescaled(1 / 255.0) is fidelity
    assert fidelity.rescaled(1.0) is fidelity
    again = other.rescaled(2.0)
    assert again.base is fidelity
    assert again.scale == 510


@each
def test_an_open_parameter_is_estimated_in_the_new_units(fidelity):
    generator = torch.Generator().manual_seed(0)
    y = 100 + 10 * torch.randn(1, 1, 48, 48, generator=generator, dtype=torch.float64)
    other = fidelity.rescaled(255.0)
    own, estimate = fidelity.estimate_noise(y, None), other.estimate_noise(y / 255, None)
    assert estimate.sigma == pytest.approx(own.sigma / 255)
    assert estimate.channels[0] == pytest.approx(own.channels[0] / 255)
    known = other.with_noise(estimate)
    values = known.value(y / 250, y / 255)
    assert values == pytest.approx(fidelity.with_noise(own).value(1.02 * y, y))
    assert known.with_noise_level(3.0) is known
    level = other.with_noise_level(0.5).noise_level
    assert level is None or level == pytest.approx(0.5)


def test_its_tensors_move_with_it():
    other = copy.deepcopy(Logistic(sigma=0.1).rescaled(255.0)).to(torch.float32)
    assert [buffer.dtype for buffer in other.buffers()] == [torch.float32]
