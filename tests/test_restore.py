"""`invprior.restore`: every prior as a function on arrays."""

import inspect
import logging

import numpy as np
import pytest
import torch

import invprior
from invprior import restore
from invprior.errors import OptionError
from invprior.priors.tv import TV
from tests.packages import PRIOR


@pytest.fixture(scope="module")
def noisy():
    ramp = np.add.outer(np.arange(16.0), np.arange(20.0)) / 34
    return (ramp + 0.05 * np.random.default_rng(0).standard_normal(ramp.shape)).astype(np.float32)


def test_a_function_gives_what_solve_gives(noisy):
    found = restore.tv(
        noisy, kind="anisotropic", weight=np.float32(4), noise="gaussian:sigma=0.05", steps=3
    )
    spec = "tv:kind=anisotropic,weight=4"
    assert np.array_equal(
        found, invprior.solve(noisy, prior=spec, noise="gaussian:sigma=0.05", steps=3).to_numpy()
    )
    assert np.array_equal(
        found, restore.with_prior(noisy, spec, noise="gaussian:sigma=0.05", steps=3)
    )
    by_rule = restore.tikhonov(noisy, weight="default")  # a name is the rule
    assert np.array_equal(by_rule, restore.with_prior(noisy, "tikhonov", weight="default"))


@pytest.mark.parametrize("shape", [(16, 20), (16, 20, 1), (16, 20, 3)])
def test_the_shape_is_kept(noisy, shape):
    image = np.broadcast_to(noisy[..., None], (16, 20, shape[-1] if len(shape) == 3 else 1))
    found = restore.with_prior(image.reshape(shape), 4 * TV(), steps=2)
    assert (found.shape, found.dtype) == (shape, np.float32)


def test_integers_are_read_as_a_photograph_and_floats_keep_their_unit(noisy):
    options = {"weight": "default", "noise": "gaussian:sigma=0.05"}
    photograph = (noisy.clip(0, 1) * 255).astype(np.uint8)
    found = restore.tikhonov(photograph, **options)
    assert np.array_equal(
        found,
        restore.tikhonov(np.float32(photograph) / np.float32(255), data_range=(0, 1), **options),
    )
    counts = restore.tikhonov(1000 + 500 * noisy.astype(np.float64), dtype=torch.float64)
    assert counts.dtype == np.float64
    assert counts.mean() == pytest.approx(1000 + 500 * noisy.mean(), rel=1e-3)


def test_missing_values_are_refused_or_left_out(noisy):
    holes = np.where(np.eye(16, 20) > 0, np.nan, noisy)
    with pytest.raises(invprior.MeasurementError, match='nan="mask"'):
        restore.tikhonov(holes)
    assert np.isfinite(restore.tikhonov(holes, nan="mask", weight="default")).all()
    masked = restore.tikhonov(np.ma.masked_invalid(holes), nan="mask", weight="default")
    assert np.array_equal(masked, restore.tikhonov(holes, nan="mask", weight="default"))


def test_all_faults_are_reported_and_a_wrong_name_is_corrected(noisy):
    with pytest.raises(OptionError, match=r'(?s)"kind" of tv.*Unknown noise'):
        restore.tv(noisy, kind="round", noise="gausian")
    with pytest.raises(OptionError, match=r'restore\.tv has no option "operatr".*"operator"'):
        restore.tv(noisy, operatr="blur")
    with pytest.raises(OptionError, match="weight"):
        restore.tv(noisy, weight=True)
    with pytest.raises(AttributeError, match='"tv"'):
        restore.tvv  # noqa: B018


def test_a_bad_end_is_logged(noisy, caplog):
    with caplog.at_level(logging.WARNING, "invprior"):
        restore.tv(
            noisy,
            weight=4,
            noise="gaussian:sigma=0.05",
            stop="discrepancy:factor=0.01 | max-steps:steps=1",
        )
    assert "discrepancy" in caplog.text


def test_the_prior_of_a_plugin_is_a_function_too(packages, noisy):
    code = PRIOR.replace("Penalty", "Proximable").replace(
        "def value(self, x)", "def prox(self, v, tau)"
    )
    code = code.replace("return x.abs().pow(self.power).flatten(1).sum(1)", "return v / (1 + tau)")
    packages.prior("half-norm", "acme_half:Mine", acme_half=code)
    assert "half_norm" in dir(restore)
    parameters = inspect.signature(restore.half_norm).parameters
    assert [*parameters][:3] == ["image", "power", "operator"]
    assert parameters["power"].default == 2.0
    assert "power: of the norm." in restore.half_norm.__doc__
    assert (
        restore.half_norm(noisy, noise="gaussian:sigma=0.05", weight=0.1, steps=2).shape
        == noisy.shape
    )


def test_a_signal_comes_back_as_a_signal():
    y = np.linspace(0, 1, 50) ** 2
    found = restore.tv(y, weight=8, noise="gaussian:sigma=0.01")
    assert found.shape == (50,)
    assert np.array_equal(restore.tv(y[None], weight=8, noise="gaussian:sigma=0.01"), found[None])
