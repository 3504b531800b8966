from __future__ import annotations

import pytest
import skimage.data
import torch

from invprior.errors import OptionError
from invprior.networks.skip import Skip
from invprior.priors.dip import DIP

SMALL = Skip(down=(4, 6), skip=2)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def small(**options):
    return DIP(**{"net": SMALL, "channels": 3, **options})


@pytest.mark.parametrize("shape", [(1, 1, 16, 16), (1, 3, 13, 27), (1, 4, 1, 5), (1, 7, 33, 8)])
@pytest.mark.parametrize("input", ["uniform", "normal", "grid"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gives_a_picture_of_x0s_shape_and_type(shape, input, dtype):
    options = {} if input == "grid" else {"channels": 3}
    x0 = torch.zeros(shape, dtype=dtype)
    x = DIP(net=SMALL, input=input, **options).build(x0, generator())()
    assert x.shape == shape
    assert x.dtype == dtype
    assert x.is_contiguous()


@pytest.mark.parametrize("preset", ["default", "paper"])
def test_presets_work_on_a_picture_below_the_networks_stride(preset):
    variable = DIP(preset=preset).build(torch.zeros(1, 3, 9, 33), generator())
    x = variable()
    assert x.shape == (1, 3, 9, 33)
    x.square().sum().backward()
    for name, parameter in variable.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_the_paper_preset_is_the_authors_setting():
    dip = DIP(preset="paper")
    variable = dip.build(torch.zeros(1, 3, 32, 32), generator())
    assert sum(p.numel() for p in variable.parameters()) == 2_217_831
    assert (dip.learning_rate, dip.average, dip.steps, dip.channels) == (0.01, 0.99, 3000, 32)
    assert dip.input_noise == pytest.approx(1 / 30)
    assert variable.z.shape == (1, 32, 64, 64)
    assert 0 <= variable.z.min() < 0.001
    assert 0.099 < variable.z.max() <= 0.1


def test_an_option_that_is_given_beats_the_preset():
    plain = DIP(preset="paper")
    changed = DIP(preset="paper", lr=0.5, input_noise=0.0, average=0.0, channels=5, net=SMALL)
    assert changed.learning_rate == changed.lr == 0.5
    assert (changed.input_noise, changed.average, changed.channels) == (0.0, 0.0, 5)
    assert changed.net == SMALL
    assert changed.steps == plain.steps
    assert DIP().net != plain.net


def test_the_same_seed_gives_the_same_bits_and_the_next_picture_another_network():
    x0 = torch.zeros(1, 3, 20, 20)
    source = generator(1)
    first, second = small().build(x0, source), small().build(x0, source)
    again = small().build(x0, generator(1))
    for _ in range(3):  # the noise on the input too
        assert torch.equal(first(), again())
    state, other = first.state_dict(), second.state_dict()
    assert not torch.equal(state["z"], other["z"])
    weights = [name for name, p in first.named_parameters() if p.ndim == 4]
    assert weights
    assert all(not torch.equal(state[name], other[name]) for name in weights)


def test_leaves_the_global_random_state_alone():
    before = torch.random.get_rng_state()
    variable = small().build(torch.zeros(1, 3, 20, 20), generator())
    variable().sum().backward()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_input_is_noisy_in_training_only():
    variable = small(input_noise=0.1).build(torch.zeros(1, 1, 16, 16), generator())
    z = variable.z.clone()
    assert not torch.equal(variable(), variable())
    assert (variable.noisy.movedim(-1, 0) - z).std().item() == pytest.approx(0.1, rel=0.1)
    assert torch.equal(variable.z, z)
    variable.eval()
    assert torch.equal(variable(), variable())
    silent = small(input_noise=0.0).build(torch.zeros(1, 1, 16, 16), generator())
    assert torch.equal(silent(), silent())


def test_a_grid_holds_the_coordinates():
    z = DIP(net=SMALL, input="grid").build(torch.zeros(1, 1, 8, 12), generator()).z
    assert z.shape == (1, 2, 8, 12)
    assert torch.allclose(z[0, 0, 3], torch.linspace(0, 1, 12))
    assert torch.allclose(z[0, 1, :, 5], torch.linspace(0, 1, 8))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"input": "grid", "channels": 3}, "channels of dip must be 2"),
        ({"preset": "papers"}, "preset"),
        ({"average": 1.0}, "average"),
        ({"lr": 0.0}, "lr"),
        ({"input_noise": -1.0}, "input_noise"),
    ],
)
def test_wrong_options_are_refused(options, text):
    with pytest.raises(OptionError, match=text):
        DIP(**options)


def test_fits_a_real_picture():
    crop = skimage.data.astronaut()[60:108, 200:248]
    y = torch.from_numpy(crop).permute(2, 0, 1)[None].float() / 255
    net = Skip(down=(8, 16), skip=2)
    variable = DIP(net=net, input_noise=0.0).build(y, generator())
    optimizer = torch.optim.Adam(variable.parameters(), lr=0.02)
    losses = []
    for _ in range(80):
        optimizer.zero_grad()
        loss = (variable() - y).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
    assert losses[-1] < 0.2 * y.var()
