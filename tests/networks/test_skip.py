from __future__ import annotations

import pytest
import torch
from torch import nn

from invprior.errors import OptionError
from invprior.networks.joint import Joint
from invprior.networks.layers import Lanczos2
from invprior.networks.skip import Skip

PAPER = {"down": [128] * 5, "padding": "reflect", "upsample": "bilinear"}
SMALL = {"down": [6, 8], "skip": 2}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("inputs", "outputs", "options", "count"),
    [
        (32, 3, PAPER, 2_217_831),
        (32, 1, PAPER, 2_217_573),
        (32, 3, {**PAPER, "skip": 128}, 3_002_627),
        (2, 3, {**PAPER, "skip": 0}, 2_157_955),
        (32, 3, {"down": [16, 32, 64, 128, 128], "skip": 0, "downsample": "avg"}, 1_027_379),
        (3, 3, {"down": [8, 16, 32, 64, 128], "skip": [0, 0, 0, 4, 4]}, 572_827),
        (
            1,
            3,
            {"down": [16, 32, 64] + [128] * 3, "down_filter": 5, "skip": 0, "up_1x1": False},
            2_996_467,
        ),
    ],
    ids=["denoise", "grey", "text", "vase", "missing-98", "snail", "library"],
)
def test_has_as_many_parameters_as_the_authors_network(inputs, outputs, options, count):
    network = Skip(**options).build(inputs, outputs, generator())
    assert sum(p.numel() for p in network.parameters()) == count


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": "reflect"},
        {"upsample": "bilinear"},
        {"downsample": "avg"},
        {"downsample": "max"},
        {"downsample": ["lanczos2", "stride"]},
        {"down_filter": [5, 3], "up_filter": 5, "skip_filter": 3, "padding": "reflect"},
        {"up": [4, 10], "skip": [0, 3]},
        {"activation": "swish", "norm": False},
        {"activation": "elu", "bias": False, "up_1x1": False},
        {"activation": "none", "sigmoid": False},
    ],
    ids=str,
)
@pytest.mark.parametrize(("inputs", "outputs", "size"), [(1, 7, (8, 12)), (5, 3, (16, 4))])
def test_every_option_keeps_the_shape_and_reaches_all_weights(options, inputs, outputs, size):
    network = Skip(**{**SMALL, **options}).build(inputs, outputs, generator())
    x = network(torch.rand(1, inputs, *size, generator=generator(1)))
    assert x.shape == (1, outputs, *size)
    if options.get("sigmoid", True):
        assert 0 < x.min() < x.max() < 1
    x.square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        # Batch norm cancels a bias right before it, so such a bias may have no gradient.
        assert parameter.ndim == 1 or parameter.grad.abs().max() > 0, name


def test_float64_works():
    network = Skip(**SMALL, downsample="lanczos2").build(2, 1, generator()).double()
    assert network(torch.rand(1, 2, 8, 8, dtype=torch.float64)).dtype == torch.float64


def test_the_generator_alone_decides_the_weights():
    before = torch.random.get_rng_state()
    source = generator(3)
    first, second = (Skip(**SMALL).build(2, 3, source) for _ in range(2))
    torch.manual_seed(5)
    again = Skip(**SMALL).build(2, 3, generator(3))
    torch.random.set_rng_state(before)
    Skip(**SMALL).build(2, 3, source)
    assert torch.equal(torch.random.get_rng_state(), before)
    convolutions = [n for n, p in first.named_parameters() if p.ndim == 4]
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
        if name in convolutions:
            assert not torch.equal(value, second.state_dict()[name])


def test_the_weights_have_pytorchs_default_distribution():
    network = Skip(down=[32], skip=0).build(8, 3, generator())
    conv = next(m for m in network.modules() if isinstance(m, nn.Conv2d))
    bound = (8 * 9) ** -0.5
    assert conv.weight.abs().max() <= bound
    assert conv.weight.abs().max() > 0.99 * bound
    assert conv.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
    assert conv.bias.abs().max() <= bound


def test_one_value_or_a_short_list_serves_the_remaining_scales():
    networks = [
        Skip(down=[4, 6, 8], skip=skip).build(2, 1, generator())
        for skip in (3, [3], [3, 3, 3], [3, 0])
    ]
    count = [sum(p.numel() for p in network.parameters()) for network in networks]
    assert count[0] == count[1] == count[2] > count[3]


def test_stride_is_two_to_the_depth():
    assert Skip(down=[4] * 3).stride == 8


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"down": [4, 4], "up": [4, 4, 4]}, "up of skip must have 1 to 2 values"),
        ({"down_filter": 4}, "down_filter of skip must be odd; got 4. Use 5"),
        ({"down": []}, "down"),
        ({"down": [4, 0]}, "down"),
        ({"skip": -1}, "skip"),
        ({"upsample": "cubic"}, "upsample"),
    ],
)
def test_wrong_options_are_refused(options, text):
    with pytest.raises(OptionError, match=text):
        Skip(**options)


def test_lanczos2_halves_a_ramp_between_its_pixels():
    ramp = torch.arange(32.0).expand(1, 2, 32, 32)
    half = Lanczos2()(ramp)
    assert half.shape == (1, 2, 16, 16)
    middle = half[0, 1, 8, 2:-2]
    assert torch.allclose(middle, torch.arange(16.0)[2:-2] * 2 + 0.5, atol=1e-4)


def test_reflection_copes_with_maps_smaller_than_the_filter():
    network = Skip(down=[4, 4], down_filter=7, padding="reflect").build(1, 1, generator())
    assert network(torch.rand(1, 1, 8, 8)).shape == (1, 1, 8, 8)


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("skip", [0, 2])
@pytest.mark.parametrize("norm", [True, False])
def test_the_folded_joint_equals_enlarging_joining_and_convolving(size, skip, norm):
    torch.manual_seed(0)
    convolution = nn.Conv2d(skip + 3, 4, size, padding=size // 2)
    joint = Joint(skip + 3, [convolution], upsample="nearest", norm=norm).double()
    if norm:
        nn.init.uniform_(joint.norm.weight)
        nn.init.uniform_(joint.norm.bias)
    below = torch.rand(1, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    bridge = torch.rand(1, skip, 8, 10, dtype=torch.float64) if skip else None
    plain = below.repeat_interleave(2, 2).repeat_interleave(2, 3)
    plain = plain if bridge is None else torch.cat((bridge, plain), 1)
    expected = convolution(plain if joint.norm is None else joint.norm(plain))
    got = joint(bridge, below)
    torch.testing.assert_close(got, expected)
    inputs = [below, *joint.parameters()]
    probe = torch.rand_like(expected)
    for g, e in zip(
        torch.autograd.grad((got * probe).sum(), inputs),
        torch.autograd.grad((expected * probe).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(g, e)
