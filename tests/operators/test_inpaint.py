from __future__ import annotations

from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

import invprior
from invprior.errors import MeasurementError, OptionError
from invprior.numerics.box import Box
from invprior.operators.inpaint import Inpaint
from invprior.registry import create
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


SOFT = np.array([[0.0, 0.2, 0.49, 0.51, 0.8, 1.0]])
KNOWN = torch.tensor([[False, False, False, True, True, True]])


@pytest.mark.parametrize(
    "values",
    [
        SOFT,
        SOFT.astype(np.float32),
        SOFT.astype(np.float16),
        255 * SOFT,
        (255 * SOFT).round().astype(np.uint8),
        (65535 * SOFT).round().astype(np.uint16),
        (4095 * SOFT).round().astype(np.int32),
        SOFT > 0.5,
        (SOFT > 0.5).astype(np.uint8),
        (SOFT > 0.5).astype(np.int64),
        (SOFT > 0.5).astype(np.uint8) * 255,
        (SOFT > 0.5).astype(np.float32),
    ],
    ids=lambda v: f"{v.dtype}-{v.max():.0f}",
)
@pytest.mark.parametrize("form", ["npy", "npz", "tif", "tensor"])
def test_a_mask_is_cut_at_half_of_its_range(tmp_path: Path, values: np.ndarray, form: str) -> None:
    path = tmp_path / f"m.{form}"
    mask: Path | torch.Tensor = path
    if form == "npy":
        np.save(path, values)
    elif form == "npz":
        np.savez(path, m=values)
    elif form == "tensor":
        mask = torch.from_numpy(values)
    else:
        if values.dtype.name not in ("uint8", "uint16", "float32", "float64"):
            pytest.skip("no such TIFF")
        tifffile.imwrite(path, values)
    assert torch.equal(Inpaint((1, 1, 6), mask=mask).observation_mask[0, 0], KNOWN)


def test_a_jpeg_mask(tmp_path: Path) -> None:
    known = Inpaint((1, 64, 64), text="lorem ipsum").observation_mask[0, 0]
    levels = known.numpy().astype(np.uint8) * 255
    Image.fromarray(levels).save(tmp_path / "m.jpg", quality=90)
    assert (imageio.imread(tmp_path / "m.jpg")[~known.numpy()] > 0).any()  # what made holes known
    assert torch.equal(Inpaint((1, 64, 64), mask=tmp_path / "m.jpg").observation_mask[0, 0], known)


@pytest.mark.parametrize("colour", [0, 255])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_brush_mask_is_its_alpha(tmp_path: Path, colour: int, channels: int) -> None:
    known = rand(SHAPE[1:]) > 0.3
    alpha = np.where(known.numpy(), 250, 3).astype(np.uint8)[..., None]
    flat = np.full((*SHAPE[1:], channels), colour, np.uint8)
    imageio.imwrite(tmp_path / "m.png", np.concatenate([flat, alpha], -1))
    a = Inpaint(SHAPE, mask=tmp_path / "m.png")
    assert torch.equal(a.observation_mask[0, 0], known)
    assert "transparent" in a.notes[0]


def test_the_colours_below_full_transparency_do_not_count(tmp_path: Path) -> None:
    known = rand(SHAPE[1:]) > 0.3
    alpha = known.numpy().astype(np.uint8)[..., None] * 255
    colours = np.random.default_rng(0).integers(0, 255, (*SHAPE[1:], 3), np.uint8)
    colours[known.numpy()] = 0
    imageio.imwrite(tmp_path / "m.png", np.concatenate([colours, alpha], -1))
    assert torch.equal(Inpaint(SHAPE, mask=tmp_path / "m.png").observation_mask[0, 0], known)


def counted(missing: int, pixels: int = 1000) -> torch.Tensor:
    known = torch.ones(pixels, dtype=torch.bool)
    known[:missing] = False
    return known.view(-1, 10)


@pytest.mark.parametrize(
    ("missing", "note"),
    [
        (123, "m.npy: 12.3 % of the pixels are missing"),
        (1, "m.npy: 0.1 % of the pixels are missing"),
        (900, "m.npy: 90.0 % of the pixels are missing"),
        (950, "m.npy: 95.0 % of the pixels are missing; check"),
        (999, "m.npy: 99.9 % of the pixels are missing; check"),
        (0, "m.npy: no pixel is missing; check"),
    ],
)
def test_a_note_counts_the_missing_pixels(tmp_path: Path, missing: int, note: str) -> None:
    known = counted(missing)
    np.save(tmp_path / "m.npy", known.numpy())
    (found,) = Inpaint((1, *known.shape), mask=tmp_path / "m.npy").notes
    assert found.startswith(note)
    assert ("check" in found) is ("check" in note)
    of_tensor = Inpaint((1, *known.shape), mask=known).notes  # only an implausible one gets a note
    assert [n.replace("the mask", "m.npy") for n in of_tensor] == [found] * ("check" in note)


def test_a_small_share_is_not_rounded_to_nothing(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", counted(4, 10000).numpy())
    assert Inpaint((1, 1000, 10), mask=tmp_path / "m.npy").notes[0].startswith("m.npy: 0.04 %")
    np.save(tmp_path / "m.npy", counted(9996, 10000).numpy())
    assert Inpaint((1, 1000, 10), mask=tmp_path / "m.npy").notes[0].startswith("m.npy: 99.96 %")


@pytest.mark.parametrize("nan", [False, True])
def test_the_note_reaches_the_solution(tmp_path: Path, nan: bool) -> None:
    known = counted(250)
    np.save(tmp_path / "m.npy", known.numpy())
    y = rand((1, 1, *known.shape)) * known
    if nan:
        y[0, 0, 0, 9] = torch.nan
    operator = create("operators", f"inpaint:mask={tmp_path}/m.npy")
    for a in (
        operator,
        create("operators", "compose", operators=[f"inpaint:mask={tmp_path}/m.npy"]),
    ):
        solution = invprior.solve(
            y, operator=a, prior="tv:weight=8", noise="gaussian:sigma=0.1", steps=2, nan="mask"
        )
        assert solution.notes[-1] == "m.npy: 25.0 % of the pixels are missing"
        assert len(solution.notes) == 1 + nan  # and one for the pixel that is NaN


def test_a_piece_keeps_the_notes_of_the_whole(tmp_path: Path) -> None:
    known = counted(123)
    np.save(tmp_path / "m.npy", known.numpy())
    whole = Inpaint((1, *known.shape), mask=tmp_path / "m.npy")
    assert whole.restrict(Box(50, 0, 20, 10))[0].notes == whole.notes


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (torch.tensor([[1.0, torch.nan]]), "finite"),
        (torch.tensor([[1.0, torch.inf]]), "finite"),
        (torch.tensor([[1.0 + 0j, 0]]), "complex"),
        (torch.tensor([[1, -1]]), "from 0 .missing.*smallest value is -1"),
        (torch.ones(1, 1, 2), r"two dimensions.*\(1, 1, 2\)"),
        (torch.tensor(1.0), "two dimensions"),
        (torch.zeros(1, 2), "some pixels known"),
        (torch.full((1, 2), 0.3), "some pixels known; got none.*largest value is 0.3"),
    ],
    ids=["nan", "inf", "complex", "negative", "3-D", "0-D", "zeros", "below"],
)
@pytest.mark.parametrize("file", [False, True])
def test_masks_that_are_refused(
    tmp_path: Path, values: torch.Tensor, message: str, file: bool
) -> None:
    np.save(tmp_path / "m.npy", values.numpy())
    with pytest.raises((MeasurementError, OptionError), match=message):
        Inpaint((1, 1, 2), mask=tmp_path / "m.npy" if file else values)


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


def test_a_measurement_needs_to_know_what_is_missing(tmp_path: Path) -> None:
    y = rand((1, *SHAPE))
    for operator in ("inpaint", "inpaint:seed=3", 'compose:operators=["denoise","inpaint"]'):
        with pytest.raises(OptionError, match=r"mask, boxes, text or keep.*mask=mask\.png"):
            invprior.build(y, operator=operator)
    np.save(tmp_path / "m.npy", np.eye(12, 17))
    for given in ("keep=0.5", f"mask={tmp_path}/m.npy", "boxes=[[0,0,2,2]]", "text=a"):
        assert invprior.build(y, operator=f"inpaint:{given}")
    measured, a = invprior.simulate(y, operator="inpaint", noise="gaussian:sigma=0.1")
    assert isinstance(a, Inpaint)
    assert a.keep == 0.5
    assert invprior.build(measured, operator=a)
