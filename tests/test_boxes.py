"""Tiles cover a picture, each pixel with weights that sum to one."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from invprior.boxes import Box, cover


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(1, 200),
    width=st.integers(1, 200),
    overlap=st.integers(2, 20),
    more=st.integers(0, 40),
    grain=st.integers(1, 5),
)
def test_tiles_cover_and_their_windows_sum_to_one(height, width, overlap, more, grain):
    tile = 2 * (overlap + grain) + 1 + more
    tiles = cover(height, width, tile=tile, overlap=overlap, grain=grain)
    total = torch.zeros(height, width)
    for t in tiles:
        t.box.of(total).add_(t.window)
        assert max(t.box.height, t.box.width) < tile + grain
        assert t.box.top % grain == t.box.left % grain == 0
        assert t.box.top + t.box.height == height or t.box.height % grain == 0
    torch.testing.assert_close(total, torch.ones(height, width))


def test_neighbours_overlap_and_the_outer_quarter_does_not_count():
    first, second = cover(10, 50, tile=30, overlap=8)
    assert (first.box, second.box) == (Box(0, 0, 10, 29), Box(0, 21, 10, 29))
    assert first.window[:, -2:].eq(0).all()
    assert second.window[:, :2].eq(0).all()
    assert first.window[0, :22].eq(1).all()
    assert 0.4 < float(first.window[0, 24:26].mean()) < 0.6


def test_a_small_picture_is_one_tile():
    (only,) = cover(20, 30, tile=30, overlap=8)
    assert only.box == Box(0, 0, 20, 30)
    assert only.window.eq(1).all()


@pytest.mark.parametrize("grain", [1, 4])
def test_as_few_tiles_as_will_do(grain):
    assert len(cover(64, 64 + 2 * 48, tile=64, overlap=16, grain=grain)) == 3
    assert len(cover(64, 65 + 2 * 48, tile=64, overlap=16, grain=grain)) == 4
