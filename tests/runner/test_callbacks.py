"""What callbacks can do beyond watching: stop a run, tell where they are, and log."""

import sys
from types import SimpleNamespace

import pytest
import torch

from invprior.errors import PluginError
from invprior.problem.solution import Place, Stop
from invprior.runner.api import solve
from invprior.runner.loggers import MLflow, TensorBoard, WandB

KNOWN = {"noise": "gaussian:sigma=0.5", "stop": "max-steps:steps=4", "solver": "fista"}


def test_a_callback_tells_images_apart_and_ends_one(y, quadratic):
    seen = []

    def second_ends_early(now):
        seen.append((now.place.image, now.step))
        if now.place.image == 1 and now.step == 2:
            return Stop("mine", True, "enough")
        return now.step  # anything else has no effect

    found = solve(
        torch.cat([y, 2 * y]), prior=1 * quadratic, callbacks=[second_ends_early], **KNOWN
    )
    assert seen == [(0, 1), (0, 2), (0, 3), (0, 4), (1, 1), (1, 2)]
    assert [s.stop.name for s in found.images] == ["max-steps", "mine"]
    assert [s.steps for s in found.images] == [4, 2]


def test_an_image_that_a_stop_returns_keeps_its_unit(y, quadratic):
    """The run works in units of its own, here far from those of the data."""
    kept = []

    def back_to_the_first(now):
        kept.append(now.x)
        return Stop("mine", True, "the first was better", kept[0]) if now.step == 3 else None

    smooth = {"prior": "tikhonov:weight=1", "noise": "gaussian:sigma=20", "solver": "fista"}
    found = solve(1000 + 500 * y, **smooth, callbacks=[back_to_the_first], steps=5)
    torch.testing.assert_close(found.x, kept[0], rtol=1e-5, atol=0)


def test_runs_and_tiles_have_their_place(y, drawn):
    places = []
    solve(y, prior=drawn, runs=2, callbacks=[lambda now: places.append(now.place)], steps=1)
    assert places == [Place(), Place(run=1)]


def _log(monkeypatch, name):
    """Return a logger over a fake package, and what the package is given."""
    given = []

    def taker(kind):
        return lambda *args, **options: given.append((kind, args, options))

    writer = SimpleNamespace(
        add_scalar=taker("scalar"), add_image=taker("image"), flush=taker("flush")
    )
    package = SimpleNamespace(
        SummaryWriter=lambda folder: writer,
        Image=lambda image, caption: (image.size, caption),
        log_metrics=taker("scalar"),
        log_image=taker("image"),
    )
    options = {"every": 2, "images": 4, "measures": {"mean": lambda x: x.mean()}}
    if name == "tensorboard":
        monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", package)
        return TensorBoard("logs", **options), given
    monkeypatch.setitem(sys.modules, name, package)
    if name == "wandb":
        return WandB(SimpleNamespace(log=taker("log")), **options), given
    return MLflow(**options), given


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_loggers_write_numbers_and_images_when_they_are_due(y, quadratic, monkeypatch, name):
    logger, given = _log(monkeypatch, name)
    found = solve(torch.cat([y, y]), prior=1 * quadratic, callbacks=[logger], **KNOWN)
    text = str(given)
    for part in ("image-1/energy", "image-2/mean", "image-2/change", "image-2/x"):
        assert part in text
    images = [
        call
        for call in given
        if call[0] == "image" or "image-1/x" in str(call) or "image-2/x" in str(call)
    ]
    assert len(images) == 4  # of each image the first step and the fourth
    if name == "tensorboard":
        steps = [
            args[2] for kind, args, _ in given if kind == "scalar" and args[0] == "image-1/energy"
        ]
        assert steps == [1, 2, 4]
        last = [
            args[1] for kind, args, _ in given if kind == "scalar" and args[0] == "image-2/mean"
        ][-1]
        assert last == pytest.approx(float(found.x[1].mean()))


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(PluginError, match=r"pip install 'invprior\[mlflow\]'"):
        MLflow()
