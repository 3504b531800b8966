"""What can be packed comes back as it was, into a fresh object of the same make."""

import json
import math
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from invprior.checkpoint.decode import Mismatch, restore
from invprior.checkpoint.encode import Unpackable, pack
from invprior.solvers.adam import Adam
from invprior.stopping.max_steps import MaxSteps


@dataclass
class Box:
    a: Any = None
    b: Any = None


@dataclass(frozen=True)
class Sealed:
    a: Any = None
    sizes: tuple = (1, 2)


class Layer(nn.Module):
    """Everything that a module may hold: parameters, buffers of both kinds, a generator, figures, a function."""

    def __init__(self, seed=0):
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))
        self.register_buffer("kept", torch.zeros(2))
        self.register_buffer("fleeting", torch.zeros(2), persistent=False)
        self.register_buffer("absent", None)
        self.generator = torch.Generator().manual_seed(seed)
        self.count, self.past = 0, []
        self.activation = torch.relu
        self.settings = torch.nn.ReLU


def there_and_back(value, fresh=None):
    tensors, tree = pack(value)
    return restore(tensors, json.loads(json.dumps(tree, allow_nan=False)), fresh)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        0.1,
        -math.inf,
        "text",
        (1, (2.5, None)),
        [1, [2], {"a": [3]}],
        {1: "a", "1": "b", None: 2.0, 2.5: []},
        deque([1, 2, 3], maxlen=4),
        torch.Size((2, 3)),
        Sealed(Sealed(math.inf), (3, 4)),
        Box(Sealed(), [Box()]),
    ],
    ids=str,
)
def test_plain_values(value):
    back = there_and_back(value)
    assert back == value
    assert type(back) is type(value)
    if isinstance(value, deque):
        assert back.maxlen == value.maxlen


def test_nan_and_numpy():
    back = there_and_back({"nan": math.nan, "array": np.arange(3.0), "number": np.float32(0.5)})
    assert math.isnan(back["nan"])
    assert np.array_equal(back["array"], np.arange(3.0))
    assert back["number"] == 0.5


@pytest.mark.parametrize(
    "tensor",
    [
        torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last),
        torch.rand(4, 5).T,
        torch.tensor(3, dtype=torch.int64),
        torch.rand(3).bfloat16(),
        torch.tensor([True, False]),
        torch.rand(3, dtype=torch.complex64).conj(),
        torch.empty(0, 3),
        torch.tensor([math.nan, math.inf]),
    ],
)
def test_tensors_keep_their_bits_and_their_memory_format(tensor):
    back = there_and_back([tensor])[0]
    assert (back.dtype, back.shape, back.stride()) == (tensor.dtype, tensor.shape, tensor.stride())
    assert torch.equal(back.nan_to_num(7.0), tensor.nan_to_num(7.0))
    assert back.data_ptr() != tensor.data_ptr() or not back.numel()


def test_packing_is_a_copy():
    tensor = torch.zeros(3)
    tensors, _ = pack(tensor)
    tensor.fill_(1.0)
    assert torch.equal(tensors[""], torch.zeros(3))


def test_an_expanded_tensor_and_a_view_come_back_by_their_values():
    base = torch.arange(6.0)
    back = there_and_back([base[:1].expand(4), base[2:], base])
    assert [t.tolist() for t in back] == [[0.0] * 4, [2.0, 3.0, 4.0, 5.0], base.tolist()]


def test_what_stands_twice_is_one_thing_afterwards():
    shared, weight = torch.rand(3), nn.Parameter(torch.rand(2))
    back = there_and_back(Box([shared, weight], {"x": shared, "w": weight}))
    assert back.a[0] is back.b["x"]
    assert back.a[1] is back.b["w"]
    assert back.a[1].requires_grad


def test_what_was_one_thing_may_be_two_now():
    """ADMM begins with every copy at x0, the same tensor; later they differ."""
    start = torch.zeros(2)
    late = Box([torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])], torch.tensor([5.0, 6.0]))
    back = there_and_back(late, Box([start, start], start))
    assert [t.tolist() for t in (*back.a, back.b)] == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]


def test_a_module_is_filled_in_place():
    old, new = Layer(1), Layer(2)
    old.inner(torch.rand(2, 2, 5, 5)).sum().backward()  # moves the running mean, leaves gradients
    old.kept.fill_(1.0), old.fleeting.fill_(2.0)
    old.absent, old.count, old.past = torch.ones(1), 4, [torch.ones(2)]
    torch.rand(3, generator=old.generator)
    old.eval()
    weight, kept, generator, settings = new.inner[0].weight, new.kept, new.generator, new.settings
    back = there_and_back(old, new)
    assert back is new
    assert new.inner[0].weight is weight
    assert (new.kept is kept, new.generator is generator) == (True, True)
    for name, tensor in old.state_dict().items():
        assert torch.equal(new.state_dict()[name], tensor), name
    assert torch.equal(weight.grad, old.inner[0].weight.grad)
    assert torch.equal(new.fleeting, old.fleeting)
    assert torch.equal(new.absent, torch.ones(1))
    assert (new.count, new.past[0].tolist(), new.training, new.inner.training) == (
        4,
        [1, 1],
        False,
        False,
    )
    assert torch.equal(
        torch.rand(3, generator=new.generator), torch.rand(3, generator=old.generator)
    )
    assert new.settings is settings  # a setting, as the fresh one has it


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.Adam(p, lr=0.1, fused=True),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        lambda p: torch.optim.RMSprop(p, lr=0.1),
        lambda p: torch.optim.LBFGS(p, history_size=3, line_search_fn="strong_wolfe"),
    ],
)
def test_an_optimiser_goes_on_as_it_would_have(make):
    x = torch.rand((1, 2, 6, 6), generator=torch.Generator().manual_seed(0))

    def start(seed):
        torch.manual_seed(seed)
        module = nn.Conv2d(2, 2, 3)
        optimizer = make(module.parameters())
        if not isinstance(optimizer, torch.optim.LBFGS):  # it flattens by view
            module.to(memory_format=torch.channels_last)
        return Box(module, optimizer)

    def steps(box, count):
        def closure():
            box.b.zero_grad()
            loss = box.a(x).sin().square().sum()
            loss.backward()
            return loss

        for _ in range(count):
            box.b.step(closure)
        return box.a.weight

    old = start(1)
    steps(old, 3)
    old.b.param_groups[0]["lr"] *= 0.5
    new = there_and_back(old, start(2))
    for p, q in zip(old.a.parameters(), new.a.parameters(), strict=True):
        for key, value in old.b.state.get(p, {}).items():
            if isinstance(value, torch.Tensor):
                assert value.stride() == new.b.state[q][key].stride(), key
    assert torch.equal(steps(old, 4), steps(new, 4))


def test_a_scheduler_goes_on():
    def start():
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        return Box(optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.1))

    old, fresh = start(), start()
    for _ in range(3):
        old.a.step(), old.b.step()
    new = there_and_back(old, fresh)
    for box in (old, new):
        box.a.step(), box.b.step()
    assert new.b.get_last_lr() == old.b.get_last_lr() == [pytest.approx(0.01)]


def test_a_generator_continues():
    old = torch.Generator().manual_seed(3)
    torch.rand(5, generator=old)
    fresh = torch.Generator()
    box = there_and_back(Box(old, Box(old)), Box(fresh, Box(fresh)))
    assert box.a is box.b.a is fresh
    assert torch.equal(torch.rand(4, generator=box.a), torch.rand(4, generator=old))


def test_a_module_that_holds_what_cannot_be_kept_is_refused():
    """Left out without a word, the run would go on with other numbers."""
    old = Layer()
    old.draws = np.random.default_rng(0)
    with pytest.raises(Unpackable, match="draws is a Generator"):
        pack(old)


def test_settings_are_the_fresh_ones():
    rule = MaxSteps(steps=9)
    back = there_and_back(Box(MaxSteps(steps=3), torch.float32), Box(rule, torch.float32))
    assert back.a is rule
    with pytest.raises(Mismatch, match="b has changed"):
        there_and_back(Box(Adam(), torch.float32), Box(Adam(), torch.float64))


@pytest.mark.parametrize(
    ("value", "place", "kind"),
    [
        (Box(lambda: 1), "a", "function"),
        (Box(b=[0, object()]), "b.1", "object"),
        (Box({"k": {(1, 2): 3}}), "a key of a.k", "tuple"),
        (Box(torch.eye(2).to_sparse()), "a", "Tensor"),
        (Box(b={1, 2}), "b", "set"),
    ],
)
def test_what_cannot_be_packed_is_named(value, place, kind):
    with pytest.raises(Unpackable) as caught:
        pack(value)
    assert (caught.value.place, caught.value.kind) == (place, kind)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (nn.Linear(2, 3), nn.Linear(2, 4), "weight was"),
        (nn.Linear(2, 3), nn.Linear(2, 3, bias=False), "bias was present"),
        (nn.Linear(2, 3), None, "is not the torch.nn.modules.linear:Linear that was saved"),
        (nn.Linear(2, 3), nn.Conv2d(2, 3, 1), "is not the"),
        (
            torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1),
            torch.optim.SGD([torch.zeros(1, requires_grad=True) for _ in "ab"], 0.1),
            "another number of parameters",
        ),
    ],
)
def test_what_does_not_fit_is_refused(old, new, what):
    with pytest.raises(Mismatch, match=what):
        there_and_back(old, new)


def test_reading_imports_and_calls_nothing():
    tensors, tree = pack(Box())
    for name in ("subprocess:Popen", "this:s", "os:system", "invprior.no:Such"):
        with pytest.raises(Mismatch):
            restore(tensors, {**tree, "class": name})
