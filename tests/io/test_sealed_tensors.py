"""Files of tensors and facts: any change of their bytes is refused, or changes nothing that is read."""

import random

import pytest
import torch

from invprior.io import sealed_tensors

TENSORS = {
    "x": torch.linspace(0, 1, 7, dtype=torch.float64),
    "half": torch.ones(2, 3, dtype=torch.bfloat16),
    "none": torch.zeros(0, 4),
    "one": torch.tensor(3),
}
FACTS = {"format": 3, "step": 12, "rho": 0.1, "deep": [{"a": [1, None, "text"]}] * 5}


def same(a, b):
    (tensors, facts), (others, other_facts) = a, b
    return facts == other_facts and tensors.keys() == others.keys() and all(
        t.dtype == others[n].dtype and t.shape == others[n].shape and bool((t == others[n]).all())
        for n, t in tensors.items()
    )  # fmt: skip


def damaged(data, chance):
    """Return the bytes with a few of them flipped, cut, doubled, moved or replaced."""
    values = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 3))):
        kind, start = chance.randrange(5), chance.randrange(len(values))
        end = min(start + chance.choice((1, 1, 8, 60)), len(values))
        if kind == 0:
            values[start] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del values[start:end]
        elif kind == 2:
            values[start:start] = values[start:end]
        elif kind == 3:
            values[start:end] = reversed(values[start:end])
        else:
            values[start:end] = bytes(
                chance.choice(b'09 {}[]",:\\\0\xff') for _ in range(end - start)
            )
    return bytes(values)


def test_random_damage_is_refused(tmp_path):
    path, chance = tmp_path / "x", random.Random(0)
    sealed_tensors.write(path, TENSORS, FACTS)
    data, whole = path.read_bytes(), sealed_tensors.read(path, 3)
    assert same(whole, (TENSORS, FACTS))
    refused = 0
    for _ in range(150):
        path.write_bytes(damaged(data, chance))
        try:
            found = sealed_tensors.read(path, 3)
        except Exception:
            refused += 1
        else:
            assert same(found, whole)
    assert refused > 120


def test_another_format_is_told_from_damage(tmp_path):
    sealed_tensors.write(tmp_path / "x", TENSORS, FACTS)
    with pytest.raises(sealed_tensors.OtherFormat, match="it has format 3"):
        sealed_tensors.read(tmp_path / "x", 4)


def test_a_checksum_covers_names_types_shapes_and_values():
    x = torch.arange(6.0)
    others = [
        {"y": x},
        {"x": x.double()},
        {"x": x.view(2, 3)},
        {"x": x + 1e-6},
        {"x": x, "y": x},
        {"x": x.view(torch.int32)},
    ]
    found = [sealed_tensors.digest(tensors) for tensors in [{"x": x}, *others]]
    assert len(set(found)) == len(found)
    assert sealed_tensors.digest({"x": x.flip(0).flip(0)}) == found[0]
    z = torch.complex(x, -x)
    assert sealed_tensors.digest({"x": z.conj()}) == sealed_tensors.digest({"x": z.conj().clone()})
