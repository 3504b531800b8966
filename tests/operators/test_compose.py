from __future__ import annotations

import pytest
import torch
from torch import Tensor

from invprior.errors import IncompatibleError, OptionError, PluginError
from invprior.operators.base import Compose, Operator, Recipe, Shape
from invprior.operators.blur import Blur
from invprior.operators.denoise import Denoise
from invprior.operators.downsample import Downsample
from invprior.operators.inpaint import Inpaint
from invprior.registry import create, describe
from tests.operators.cases import dense, rand

TEXT = "compose:operators=[blur(sigma=2),downsample(factor=2)]"


class Square(Operator):
    def __init__(self, image_shape: Shape) -> None:
        super().__init__(image_shape)

    def forward(self, x: Tensor) -> Tensor:
        return x**2


def test_first_listed_is_applied_first() -> None:
    x = rand((1, 3, 12, 14))
    composed = create("operators", TEXT)((3, 12, 14))
    blur, down = Blur((3, 12, 14), sigma=2.0), Downsample((3, 12, 14), factor=2)
    for a in (composed, down @ blur):
        assert a.measurement_shape == (3, 6, 7)
        assert torch.equal(a(x), down(blur(x)))
        assert torch.equal(a.adjoint(a(x)), blur.adjoint(down.adjoint(a(x))))


def test_sizes_run_backwards() -> None:
    valid = Recipe(Blur, {"kernel": "uniform", "size": 5, "boundary": "valid"})
    recipe = Recipe(Compose, {"operators": (valid, Recipe(Downsample, {"factor": 3}))})
    assert recipe.image_shape_for((1, 4, 5)) == (1, 16, 19)
    assert recipe.for_measurement((1, 4, 5)).measurement_shape == (1, 4, 5)


def test_observed_is_the_last_ones() -> None:
    hole = Inpaint((1, 8, 8), keep=0.4)
    assert (Denoise((1, 8, 8)) @ hole).observation_mask is None
    assert torch.equal((hole @ Denoise((1, 8, 8))).observation_mask, hole.observation_mask)


def test_norm_is_the_product_and_bounds_the_chain() -> None:
    chain = Blur((1, 12, 12)) @ Inpaint((1, 12, 12), keep=0.3)
    largest = float(torch.linalg.matrix_norm(dense(chain), ord=2))
    assert largest <= chain.norm() == pytest.approx(Blur((1, 12, 12)).norm())


def test_provenance_names_every_option() -> None:
    expected = (
        "compose:operators=[blur(kernel=gaussian,sigma=2.0,boundary=reflect),"
        "downsample(factor=2,kernel=lanczos2,boundary=reflect)]"
    )
    composed = create("operators", TEXT)((3, 12, 14))
    assert str(describe(composed)) == expected
    assert str(describe(composed.operators[1] @ composed.operators[0])) == expected
    assert describe(create("operators", expected)((3, 12, 14))) == describe(composed)


def test_buffers_follow() -> None:
    assert len(list((Inpaint((1, 8, 8)) @ Denoise((1, 8, 8))).buffers())) == 1


def test_what_does_not_compose() -> None:
    with pytest.raises(IncompatibleError, match="Square is not linear"):
        Compose((1, 8, 8), operators=(Recipe(Denoise), Recipe(Square)))
    with pytest.raises(IncompatibleError, match=r"takes images of shape \(1, 9, 9\)"):
        Denoise((1, 9, 9)) @ Denoise((1, 8, 8))
    with pytest.raises(OptionError, match="one or more"):
        create("operators", "compose:operators=[]")((1, 8, 8))
    with pytest.raises(OptionError, match="must be given"):
        create("operators", "compose")
    with pytest.raises((OptionError, PluginError), match="blurr"):
        create("operators", "compose:operators=[blurr]")
    with pytest.raises(OptionError, match="sigma"):
        create("operators", "compose:operators=[blur(sigma=-1)]")
