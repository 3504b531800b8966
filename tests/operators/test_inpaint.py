from __future__ import annotations

from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
import torch

from invprior.errors import MeasurementError, OptionError
from invprior.operators.inpaint import Inpaint
from tests.operators.cases import rand

SHAPE = (3, 12, 17)


def test_half_of_the_pixels_by_default() -> None:
    a = Inpaint(SHAPE)
    assert a.keep == 0.5
    assert int(a.observation_mask.sum()) == 12 * 17 // 2
    x = rand((2, *SHAPE)) + 1.0
    assert torch.equal(a(x) != 0, a.observation_mask.expand(2, *SHAPE))
    assert torch.equal(a(x)[a.observation_mask.expand_as(x)], x[a.observation_mask.expand_as(x)])


def test_keep_is_a_fraction_from_a_seed() -> None:
    state = torch.random.get_rng_state()
    first, again, other = (Inpaint(SHAPE, keep=0.1, seed=s).observation_mask for s in (1, 1, 2))
    assert int(first.sum()) == round(0.1 * 12 * 17)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert bool(Inpaint(SHAPE, keep=1.0).observation_mask.all())
    assert int(Inpaint(SHAPE, keep=1e-9).observation_mask.sum()) == 1
    assert torch.equal(torch.random.get_rng_state(), state)


def test_masks(tmp_path: Path) -> None:
    known = rand(SHAPE[1:]) > 0.3
    levels = known.numpy().astype(np.uint8) * 7
    np.save(tmp_path / "m.npy", known.numpy())
    np.savez(tmp_path / "m.npz", mask=known.numpy())
    imageio.imwrite(tmp_path / "m.png", levels)
    opaque = np.full((*SHAPE[1:], 1), 255, np.uint8)
    imageio.imwrite(tmp_path / "rgba.png", np.dstack([levels] * 3 + [opaque]))
    for mask in (known, known.float(), *sorted(tmp_path.iterdir())):
        assert torch.equal(Inpaint(SHAPE, mask=mask).observation_mask[0, 0], known)


def test_boxes() -> None:
    observed = Inpaint(SHAPE, boxes=((1, 2, 3, 4), (10, 0, 2, 17))).observation_mask[0, 0]
    expected = torch.ones(12, 17, dtype=torch.bool)
    expected[1:4, 2:6] = False
    expected[10:12] = False
    assert torch.equal(observed, expected)


def test_text_covers_the_image() -> None:
    missing = ~Inpaint((3, 120, 160), text="lorem ipsum").observation_mask[0, 0]
    assert 0.05 < float(missing.float().mean()) < 0.5
    quarters = missing.view(2, 60, 2, 80).float().mean((1, 3))
    assert float(quarters.min()) > 0.5 * float(quarters.max())
    assert torch.equal(
        missing, ~Inpaint((1, 120, 160), text="lorem\nipsum ").observation_mask[0, 0]
    )


def test_follows_the_dtype() -> None:
    a = Inpaint(SHAPE).to(torch.float64)
    assert a.observation_mask.dtype == torch.bool
    assert a(rand((1, *SHAPE))).dtype == torch.float64


def test_wrong_options(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="one of mask, keep, boxes and text; got keep and text"):
        Inpaint(SHAPE, keep=0.5, text="no")
    with pytest.raises(OptionError) as caught:
        Inpaint(SHAPE, keep=1.5, seed=-1)
    assert all(name in str(caught.value) for name in ("keep", "seed"))
    with pytest.raises(OptionError) as caught:
        Inpaint(SHAPE, boxes=((0, 0, 13, 2), (0, 16, 1, 2), (0, 0, 2, 2)))
    assert "[0, 0, 13, 2]" in str(caught.value)
    assert "[0, 16, 1, 2]" in str(caught.value)
    with pytest.raises(OptionError, match="boxes"):
        Inpaint(SHAPE, boxes=((0, 0, 0, 2),))
    with pytest.raises(OptionError, match="letters"):
        Inpaint(SHAPE, text=" ")
    with pytest.raises(OptionError, match="some pixels known"):
        Inpaint(SHAPE, boxes=((0, 0, 12, 17),))
    with pytest.raises(MeasurementError, match=r"12x17 .* it is 17x12"):
        Inpaint(SHAPE, mask=torch.ones(17, 12))
    imageio.imwrite(tmp_path / "m.png", np.full((5, 6), 255, np.uint8))
    with pytest.raises(MeasurementError, match=r"m\.png must have .* 12x17 .* it is 5x6"):
        Inpaint(SHAPE, mask=tmp_path / "m.png")
    with pytest.raises(MeasurementError, match="does not exist"):
        Inpaint(SHAPE, mask="absent.png")
