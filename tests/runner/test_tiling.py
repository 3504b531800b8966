"""Tiles cover an image, each pixel with weights that sum to one."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from invprior.builders import problem as building
from invprior.errors import InvpriorError
from invprior.memory.tiles import cover
from invprior.numerics.box import Box
from invprior.operators.base import Recipe
from invprior.operators.inpaint import Inpaint
from invprior.priors.dip import DIP
from invprior.problem.restriction import restrict
from invprior.problem.solution import Interrupted
from invprior.runner.api import solve_problem
from invprior.runner.tiling import solve_in_tiles
from invprior.stopping.max_steps import MaxSteps


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(1, 200),
    width=st.integers(1, 200),
    overlap=st.integers(2, 20),
    more=st.integers(0, 40),
    alignment=st.integers(1, 5),
)
def test_tiles_cover_and_their_windows_sum_to_one(height, width, overlap, more, alignment):
    tile = 2 * overlap + 3 * alignment + more
    tiles = cover(height, width, tile=tile, overlap=overlap, alignment=alignment)
    total = torch.zeros(height, width)
    for t in tiles:
        t.box.of(total).add_(t.window)
        assert max(t.box.height, t.box.width) < tile + alignment
        assert t.box.top % alignment == t.box.left % alignment == 0
        assert t.box.top + t.box.height == height or t.box.height % alignment == 0
    torch.testing.assert_close(total, torch.ones(height, width))


def test_neighbours_overlap_and_the_outer_quarter_does_not_count():
    first, second = cover(10, 50, tile=30, overlap=8)
    assert (first.box, second.box) == (Box(0, 0, 10, 29), Box(0, 21, 10, 29))
    assert first.window[:, -2:].eq(0).all()
    assert second.window[:, :2].eq(0).all()
    assert first.window[0, :22].eq(1).all()
    assert 0.4 < float(first.window[0, 24:26].mean()) < 0.6


def test_a_small_image_is_one_tile():
    (only,) = cover(20, 30, tile=30, overlap=8)
    assert only.box == Box(0, 0, 20, 30)
    assert only.window.eq(1).all()


@pytest.mark.parametrize("alignment", [1, 4])
def test_as_few_tiles_as_will_do(alignment):
    assert len(cover(64, 64 + 2 * 48, tile=64, overlap=16, alignment=alignment)) == 3
    assert len(cover(64, 65 + 2 * 48, tile=64, overlap=16, alignment=alignment)) == 4


def made(prior, operator="denoise", size=(40, 56), sigma=0.05):
    """A problem on smooth stripes with noise."""
    rows, columns = (torch.linspace(0, 6, n) for n in size)
    truth = 0.5 + 0.4 * torch.outer(rows.sin(), columns.cos())[None, None]
    generator = torch.Generator().manual_seed(0)
    forward = building.operator_for(operator, image=(1, *size))
    clean = forward(truth)
    y = clean + sigma * torch.randn(clean.shape, generator=generator)
    (problem,) = building.build(y, operator=forward, prior=prior, noise=f"gaussian:sigma={sigma}")
    return problem, truth


@pytest.mark.parametrize(
    "operator", ["denoise", "inpaint:keep=0.7", "blur:sigma=0.6", "downsample:factor=2"]
)
def test_tiles_have_no_seams(operator):
    """A convex prior has one solution, which in tiles must come out nearly the same everywhere."""
    problem, _ = made("tikhonov:weight=20", operator)
    rule = MaxSteps(steps=60)
    whole = solve_problem(problem, stop=rule)
    reach = problem.operator.halo
    overlap = max(8, 4 * reach)
    tiled = solve_in_tiles(problem, tile=2 * overlap + 8, overlap=overlap, stop=rule)
    assert tiled.provenance["tiles"]["count"] >= 2
    torch.testing.assert_close(tiled.x, whole.x, rtol=0, atol=0.02)
    jumps = (tiled.x - whole.x).diff(dim=-1).abs().max()
    assert jumps < 0.01


def test_each_tile_has_random_numbers_of_its_own_and_seeds_reproduce(drawn):
    problem, _ = made(drawn)
    sizes = {"tile": 32, "overlap": 8, "stop": MaxSteps(steps=1)}
    first = solve_in_tiles(problem, seed=1, **sizes)
    assert torch.equal(first.x, solve_in_tiles(problem, seed=1, **sizes).x)
    assert not torch.equal(first.x, solve_in_tiles(problem, seed=2, **sizes).x)
    assert not torch.allclose(first.x[..., :16, :16], first.x[..., :16, -16:], atol=0.05)


def test_ctrl_c_in_a_later_tile_keeps_the_image_so_far():
    problem, truth = made("tikhonov:weight=20")
    seen = []

    def stop(now):
        seen.append(now)
        if len(seen) == 4:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        solve_in_tiles(problem, tile=32, overlap=8, stop=MaxSteps(steps=3), callbacks=[stop])
    found = caught.value.solution
    assert found.stop.name == "interrupted"
    assert found.steps == 4
    assert (found.x - truth).abs().max() < 0.4  # no hole where no tile was


def test_a_guide_and_a_mask_are_cut_with_the_image():
    guide = torch.rand(1, 40, 56)
    problem, _ = made(DIP(guide=guide), "inpaint:keep=0.7")
    part = restrict(problem, Box(8, 16, 24, 20))
    assert part.y.shape == (1, 1, 24, 20)
    assert torch.equal(part.reparameterization._guide[0], guide[:, 8:32, 16:36])
    assert torch.equal(part.operator.known, Box(8, 16, 24, 20).of(problem.operator.known))


@pytest.mark.parametrize(
    ("operator", "sizes", "said"),
    [
        ("blur:boundary=circular", {}, "blur does not act locally"),
        ("denoise", {"tile": 16, "overlap": 8}, '"tile" must be an integer >= 19'),
        ("blur:sigma=2", {"tile": 64, "overlap": 8}, '"overlap" must be an integer >= '),
    ],
)
def test_what_cannot_be_cut_is_refused(operator, sizes, said):
    problem, _ = made("tikhonov", operator)
    with pytest.raises(InvpriorError, match=said):
        solve_in_tiles(problem, **{"tile": 32, "overlap": 8, **sizes})


def test_a_tile_that_knows_no_pixel_is_refused():
    mask = torch.ones(40, 56)
    mask[:, :34] = 0
    problem, _ = made("tikhonov", Recipe(Inpaint, {"mask": mask}))
    with pytest.raises(InvpriorError, match="Use larger tiles"):
        solve_in_tiles(problem, tile=32, overlap=8)
