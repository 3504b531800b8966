import pytest
import torch

from invprior.errors import OptionError
from invprior.fidelities.poisson import Poisson


def test_inside_the_domain_it_is_the_kullback_leibler_divergence():
    generator = torch.Generator().manual_seed(0)
    p = 0.1 + torch.rand(2, 40, generator=generator, dtype=torch.float64)
    y = 0.1 + torch.rand(2, 40, generator=generator, dtype=torch.float64)
    q = p + 0.05
    expected = 30 * (q - y - y * (q / y).log()).sum(1)
    torch.testing.assert_close(Poisson(peak=30.0, background=0.05).value(p, y), expected)


def test_differences_are_those_of_the_log_likelihood():
    counts = torch.tensor([[0.0, 1.0, 7.0, 40.0]], dtype=torch.float64)
    distribution = [torch.distributions.Poisson(rate) for rate in (counts * 0 + 3.0, counts + 0.5)]
    expected = -(distribution[0].log_prob(counts) - distribution[1].log_prob(counts)).sum(1)
    fidelity = Poisson(peak=10.0)
    values = [fidelity.value(d.rate / 10, counts / 10) for d in distribution]
    torch.testing.assert_close(values[0] - values[1], expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_everything_is_finite_outside_the_domain(dtype):
    p = torch.tensor([[-5.0, -1e-9, 0.0, 1e-12, 0.5]], dtype=dtype).repeat(3, 1)
    y = torch.tensor([[0.0], [0.5], [-0.2]], dtype=dtype).expand(3, 5)
    fidelity = Poisson(peak=255.0)
    leaf = p.clone().requires_grad_()
    fidelity.value(leaf, y).sum().backward()
    assert fidelity.value(p, y).isfinite().all()
    assert leaf.grad.isfinite().all()
    assert (leaf.grad[:, 0] < 0).all()  # downhill leads back into the domain
    assert fidelity.prox(p, y, 1e-3).isfinite().all()
    assert fidelity.prox(p, y, 1e3).isfinite().all()


def test_negative_counts_are_zero():
    p = torch.rand(1, 9, generator=torch.Generator().manual_seed(0))
    zero = torch.zeros(1, 9)
    assert torch.equal(Poisson(peak=255.0).value(p, zero - 1), Poisson(peak=255.0).value(p, zero))


def test_adam_descends_from_outside_the_domain_to_y():
    y = torch.tensor([[0.0, 0.2, 0.9]])
    p = torch.full((1, 3), -0.05, requires_grad=True)
    optimiser = torch.optim.Adam([p], lr=0.02)
    for _ in range(600):
        optimiser.zero_grad()
        Poisson(peak=255.0).value(p, y).sum().backward()
        optimiser.step()
    assert torch.allclose(p.detach(), y, atol=0.02)


def test_the_prox_of_float32_does_not_cancel():
    v, y = torch.full((1, 1), -300.0), torch.full((1, 1), 0.5)
    single = Poisson(peak=255.0).prox(v, y, 1.0)
    double = Poisson(peak=255.0).prox(v.double(), y.double(), 1.0)
    torch.testing.assert_close(single.double(), double, rtol=1e-5, atol=0)


def test_a_noise_level_leaves_the_peak_alone():
    assert Poisson(peak=7.0).with_noise_level(0.1).peak == 7


def test_gain_and_offset_are_the_same_counts():
    counts = torch.tensor([[0.0, 1.0, 7.0, 40.0]], dtype=torch.float64)
    rate = counts + 0.5
    expected = Poisson(peak=1.0).value(rate, counts)
    camera = Poisson(gain=4.0, offset=100.0)
    y = 4 * counts + 100
    torch.testing.assert_close(camera.value(4 * rate + 100, y), expected)
    assert camera.with_noise_level(3.0) is camera
    dark = camera.estimate_noise(y, None)
    assert dark.sigma == pytest.approx(4 * 12**0.5)  # 12 photons
    assert Poisson(offset=100.0).with_noise(camera.estimate_noise(y, None)).offset == 100
    with pytest.raises(OptionError, match=r"gain is 1 / peak; got peak=2 and gain=3\. Leave one"):
        Poisson(peak=2.0, gain=3.0)


@pytest.mark.parametrize("options", [{"peak": 0.0}, {"background": -1.0}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(OptionError, match=next(iter(options))):
        Poisson(**options)
