"""What an operator makes of a box alone is, away from the box's border, what it makes of the whole image."""

import pytest
import torch

from invprior.errors import IncompatibleError, OptionError
from invprior.numerics.box import Box
from invprior.operators.blur import Blur
from invprior.operators.downsample import Downsample
from invprior.operators.inpaint import Inpaint
from invprior.operators.masked import Masked
from tests.operators.cases import ALL, cases, rand

SHAPE = (2, 60, 72)
BOX = Box(12, 24, 36, 48)  # its right border is the image's


@cases({name: recipe for name, recipe in ALL.items() if "circular" not in name})
def test_the_restriction_agrees_with_the_whole(recipe):
    whole = recipe(SHAPE)
    operator, measured = whole.restrict(BOX)
    x = rand((1, *SHAPE))
    expected = measured.of(whole(x))
    found = operator(BOX.of(x))
    assert found.shape == expected.shape == (1, *operator.measurement_shape)
    margin = -(-whole.halo // whole.alignment)
    inner = (..., slice(margin, found.shape[-2] - margin), slice(margin, None))
    assert found[inner].numel() > 0
    torch.testing.assert_close(found[inner], expected[inner])
    if whole.observation_mask is not None:
        seen = operator.observation_mask.expand(found.shape)
        assert torch.equal(
            seen, measured.of(whole.observation_mask.expand(1, *whole.measurement_shape))
        )


@cases({name: recipe for name, recipe in ALL.items() if "circular" in name})
def test_what_joins_opposite_borders_cannot_be_restricted(recipe):
    with pytest.raises(IncompatibleError, match="does not act locally"):
        recipe(SHAPE).restrict(BOX)


def test_a_mask_of_an_operator_that_is_not_local_is_not_local(doubled):
    known = torch.ones(1, *doubled.measurement_shape, dtype=torch.bool)
    with pytest.raises(IncompatibleError, match="doubled does not act locally"):
        Masked(doubled, known).restrict(Box(0, 0, 2, 2))


@pytest.mark.parametrize("make", [Blur, Downsample])
def test_a_mask_of_measurements_is_cut_with_them(make):
    inner = make(SHAPE)
    known = rand((1, *inner.measurement_shape)) > 0.5
    operator, measured = Masked(inner, known).restrict(BOX)
    assert torch.equal(operator.observation_mask, measured.of(known))
    assert (operator.alignment, operator.halo) == (inner.alignment, inner.halo)


def test_a_box_without_a_known_pixel_is_refused():
    mask = torch.zeros(60, 72)
    mask[:10] = 1
    with pytest.raises(OptionError, match="some pixels known"):
        Inpaint(SHAPE, mask=mask).restrict(BOX)
