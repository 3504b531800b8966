"""Computing layers again gives the same bits with less memory."""

import copy

import pytest
import torch
from torch import nn

from invprior.networks.recompute import recompute
from invprior.networks.resnet import ResNet
from invprior.networks.skip import Skip
from invprior.networks.unet import UNet

NETWORKS = {
    "skip": Skip(down=(4, 6)),
    "skip-reflect": Skip(down=(4, 6), padding="reflect", upsample="bilinear", downsample="avg"),
    "skip-bare": Skip(down=(4, 6), norm=False, activation="relu"),
    "skip-swish": Skip(down=(4, 6), norm=False, activation="swish"),
    "unet": UNet(channels=(4, 6)),
    "resnet": ResNet(channels=4, blocks=2),
}


def fitted(network, z, steps=2):
    """Take some steps, and count the values that are kept for the backward pass."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(steps):
        kept = {}

        def keep(tensor, kept=kept):
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes() // 4
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            out = network(z)
        optimizer.zero_grad()
        out.square().sum().backward()
        optimizer.step()
    return out, [p.detach().clone() for p in network.parameters()], sum(kept.values())


@pytest.mark.parametrize("net", NETWORKS.values(), ids=NETWORKS.keys())
def test_the_same_bits(net):
    plain = net.build(3, 2, torch.Generator().manual_seed(0))
    again = net.build(3, 2, torch.Generator().manual_seed(0))
    recompute(again)
    z = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    out, weights, _ = fitted(plain, z)
    out_again, weights_again, _ = fitted(again, z)
    assert torch.equal(out, out_again)
    assert all(map(torch.equal, weights, weights_again))
    assert list(plain.state_dict()) == list(again.state_dict())


def test_less_is_kept():
    net = Skip(down=(16, 16), padding="reflect", upsample="bilinear")
    plain, again = (net.build(3, 2, torch.Generator().manual_seed(0)) for _ in range(2))
    recompute(again)
    z = torch.rand(1, 3, 32, 32)
    assert fitted(again, z)[2] < 0.5 * fitted(plain, z)[2]


def test_a_copy_is_independent():
    first = Skip(down=(4,)).build(3, 2, torch.Generator().manual_seed(0))
    recompute(first)
    second = copy.deepcopy(first)
    z = torch.rand(1, 3, 8, 8)
    before = first(z).detach()
    fitted(second, z)
    assert torch.equal(first(z), before)
    assert not torch.equal(second(z), before)


def test_perturbed_filters_are_perturbed_again():
    plain, again = (Skip(down=(4,)).build(3, 2, torch.Generator().manual_seed(0)) for _ in range(2))
    recompute(again)
    z = torch.rand(1, 3, 8, 8)
    found = []
    for network in (plain, again):
        other = {name: 2 * p for name, p in network.named_parameters()}
        torch.func.functional_call(network, other, (z,)).square().sum().backward()
        found.append([p.grad for p in network.parameters()])
    assert all(map(torch.equal, *found))


class Noisy(nn.Module):
    """Noise from a generator of the module and from the global one."""

    def __init__(self):
        super().__init__()
        self.generator = torch.Generator().manual_seed(3)
        self.conv = nn.Conv2d(2, 2, 1, bias=False)
        nn.init.ones_(self.conv.weight)

    def forward(self, x):
        noise = torch.empty_like(x).normal_(generator=self.generator) + torch.rand_like(x)
        return self.conv(x * noise)


def test_noise_is_drawn_again_as_it_was():
    found = []
    for change in (lambda network: None, recompute):
        network = nn.Sequential(Noisy(), nn.BatchNorm2d(2), nn.SiLU(), Noisy())
        change(network)
        torch.manual_seed(4)
        _, weights, _ = fitted(network, torch.ones(1, 2, 4, 4))
        found.append((*weights, torch.rand(2), network[0].generator.get_state()))
    assert all(map(torch.equal, *found))


class Overwriting(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.act = nn.BatchNorm2d(2), nn.ReLU()

    def forward(self, x):
        return self.act(self.norm(x.mul_(2)))


def test_a_block_that_overwrites_its_input_is_refused_rather_than_fitted_wrongly():
    network = nn.Sequential(Overwriting())
    recompute(network)
    with pytest.raises(RuntimeError, match="inplace"):
        network(torch.ones(1, 2, 4, 4) + torch.zeros(1, requires_grad=True)).sum().backward()
