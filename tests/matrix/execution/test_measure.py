"""What is measured of a cell; computed in this process, since none of these cells can harm it."""

import math
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from invprior import samples
from invprior.builders.problem import build
from invprior.denoisers.tv import TVDenoiser
from invprior.errors import MeasurementError, PluginError
from invprior.io.display import Window
from invprior.io.images import load
from invprior.io.save import save
from invprior.matrix.execution.counting import CallCounter
from invprior.matrix.execution.curve import CurveRecorder
from invprior.matrix.execution.data import prepare, resized
from invprior.matrix.execution.measure import compute
from invprior.matrix.execution.scoring import MISSING
from invprior.matrix.report.write import write
from invprior.matrix.results.explain import explain
from invprior.matrix.results.record import Cell
from invprior.matrix.results.record import save as save_record
from invprior.metrics.psnr import PSNR
from invprior.operators.blur import Blur
from invprior.runner.api import solve_problem
from tests.matrix.conftest import SMALL


def only(store, method=None):
    """Compute the one cell of a store, or that of a method."""
    found = [j for j in store.jobs() if method in (None, j.cell.method)]
    (job,) = found
    return compute(job, store.folder, lambda step, seconds: None)


def one(prior, **change):
    text = SMALL.replace('"tikhonov:weight=30", "tv:weight=8"', prior)
    for old, new in change.items():
        text = text.replace(old, new)
    return text


def test_a_record_is_complete(made):
    store = made(one('"tv:weight=8"'))
    record = only(store)
    assert record.status == "ok"
    assert record.metrics["psnr"] > record.baseline["psnr"] + 1
    assert record.baseline_name == "measurement"
    assert record.steps == record.curve[-1]["step"] > 1
    assert record.curve[-1]["psnr"] == record.metrics["psnr"]
    assert 0 < record.seconds.solve < record.seconds.whole
    assert record.seconds.warm_up > 0
    assert record.calls["forward"] > 0
    assert set(record.files) == {record.image, record.truth, record.measurement}
    assert (store.folder / "records" / record.image).is_file()
    assert (store.folder / "images" / record.truth).is_file()
    assert record.versions["code"]
    assert set(record.inputs) == {"truth", "measurement"}


def test_the_restoration_is_that_of_solve(made):
    store = made(one('{prior = "dip:preset=fast", steps = 2}'))
    (job,) = store.jobs()
    case = prepare(job)
    (problem,) = build(
        case.y,
        operator=case.operator,
        prior="dip:preset=fast",
        noise=case.noise,
        data_range=case.data_range,
    )
    from invprior.numerics.random import derived_seed
    from invprior.stopping.max_steps import MaxSteps

    seed = derived_seed(0, "matrix", "solver")
    x = solve_problem(problem, stop=MaxSteps(steps=2), seed=seed).x
    assert only(store).metrics["psnr"] == float(PSNR().measure(x, case.truth))


def test_all_methods_of_a_seed_have_one_measurement(made):
    text = one('"tv:weight=8", {simple = "measurement"}') + "seeds = [0, 1]\n"
    a, b, c, d = (compute(j, s.folder, lambda *_: None) for s in [made(text)] for j in s.jobs())
    assert a.inputs == c.inputs
    assert b.inputs == d.inputs
    assert a.inputs["truth"] == b.inputs["truth"]
    assert a.inputs["measurement"] != b.inputs["measurement"]


@pytest.mark.parametrize("known", [True, False])
def test_methods_get_the_noise_unless_they_must_estimate_it(made, known):
    text = one('"tv:weight=8"') + f"[protocol]\ntell_noise = {str(known).lower()}\n"
    (job,) = made(text).jobs()
    assert prepare(job).noise == ("gaussian:sigma=0.05" if known else None)


def test_automatic_weights_are_labelled_and_timed_separately(made):
    record = only(made(one('"tikhonov"')))
    assert record.weights == "automatic"
    assert record.seconds.tuning > 0
    fixed = only(made(one('{prior = "tikhonov", weights = "fixed"}'), folder="fixed"))
    assert (fixed.weights, fixed.budget) == ("fixed", 0)


TUNING = '[tuning]\nimages = ["sample:coins:16"]\nbudget = 3\n'


def test_tuning_uses_the_other_images_only_and_keeps_its_time(made):
    text = one(
        '{prior = "tv", weights = "tuned"}',
        **{'"sample:camera:16"': '"sample:camera:16", "sample:moon:16"'},
    )
    store = made(text + TUNING)
    camera, moon = (compute(job, store.folder, lambda *_: None) for job in store.jobs())
    assert (camera.weights, camera.budget) == ("tuned", 3)
    assert camera.seconds.tuning == moon.seconds.tuning > 0
    assert len(list((store.folder / "tuning").iterdir())) == 1


def test_an_oracle_is_labelled_and_no_worse_than_the_default(made):
    oracle = only(made(one('{prior = "tv", weights = "oracle"}') + TUNING))
    fixed = only(made(one('{prior = "tv", weights = "fixed"}'), folder="fixed"))
    assert (oracle.weights, oracle.budget) == ("oracle", 3)
    # The budget's middle is the default, apart from the rounding of the weight to four digits.
    assert oracle.metrics["psnr"] >= fixed.metrics["psnr"] - 1e-3


def test_a_prior_without_weights_is_tuned_by_its_steps(made):
    text = one('{prior = "dip:net=skip(down=[4]),members=1,steps=4", weights = "oracle"}') + TUNING
    assert only(made(text)).steps in (2, 4, 8)


def test_applications_are_counted_through_autograd_too():
    x = torch.rand(1, 1, 8, 8, requires_grad=True)
    operator = Blur((1, 8, 8))
    calls = CallCounter(operator)
    operator(x).sum().backward()
    operator.adjoint(x.detach())
    operator.normal(x.detach())
    assert calls.counts() == {"forward": 2, "adjoint": 3}


def test_scoring_the_curve_does_not_count_as_time_of_the_run():
    def slow(x):
        time.sleep(0.05)
        return {"psnr": 1.0}

    from types import SimpleNamespace

    recorder = CurveRecorder(slow, lambda step, seconds: None)
    began = time.perf_counter()
    for step in range(1, 6):
        recorder(SimpleNamespace(step=step, seconds=time.perf_counter() - began, x=None))
    assert recorder.spent > 0.24
    assert recorder.curve[-1]["seconds"] < 0.1


def test_published_masks_make_the_measurement(made, tmp_path):
    truth = samples.load("camera", 24).x.clamp(0.1, 1)
    truth = (truth * 255).round() / 255
    known = torch.rand(24, 24, generator=torch.Generator().manual_seed(0)) > 0.5
    save(tmp_path / "t.png", truth)
    save(tmp_path / "m.png", truth * known)
    text = one(
        '"tv:weight=8"', **{'["denoise"]': '["inpaint"]', 'noises = ["gaussian:sigma=0.05"]': ""}
    )
    text = text.replace("sample:camera:16", "t")
    text += '[protocol]\ntruth = "{image}.png"\nmasked = "m.png"\nmissing = true\nrounded = true\n'
    store = made(text, size=16)
    (job,) = store.jobs()
    case = prepare(job)
    assert bool((case.operator.observation_mask[0, 0] == known[4:20, 4:20]).all())
    record = only(store)
    assert record.metrics["psnr"] > record.metrics["psnr" + MISSING] > 0


def test_pillow_makes_the_published_small_images(made, tmp_path):
    save(tmp_path / "t.png", samples.load("astronaut", 40).x)
    text = one('{simple = "bicubic"}', **{'["denoise"]': '["downsample:factor=4"]'})
    text = text.replace("sample:camera:16", "t.png").replace('noises = ["gaussian:sigma=0.05"]', "")
    text = text.replace('metrics = ["psnr"]', 'metrics = ["psnr:luma=true"]')
    text += '[protocol]\nresample = "lanczos"\nmultiple = 32\nborder = [4, 5]\nrounded = true\n'
    store = made(text)
    (job,) = store.jobs()
    case = prepare(job)
    assert case.truth.shape[-2:] == (32, 32)
    assert torch.equal(case.y, resized(case.truth, 8, 8, "lanczos"))
    x = resized(case.y, 32, 32, "bicubic")
    inside = slice(4, -5)
    expected = PSNR(luma=True).measure(x[..., inside, inside], case.truth[..., inside, inside])
    assert only(store).metrics == {"psnr:luma=true": float(expected)}


def test_a_given_measurement_is_cropped_like_its_truth(made, tmp_path):
    truth = samples.load("camera", 24).x
    noisy = (truth + 0.1).clamp(0, 1)
    save(tmp_path / "t.png", truth)
    save(tmp_path / "n.png", noisy)
    text = one('"tv:weight=8"').replace("sample:camera:16", "t")
    text += '[protocol]\ntruth = "t.png"\nmeasurement = "n.png"\n'
    (job,) = made(text, size=16).jobs()
    case = prepare(job)
    assert case.y.shape == case.truth.shape == (1, 1, 16, 16)
    assert float((case.y - case.truth).median()) == pytest.approx(0.1, abs=0.01)


def test_a_cell_is_named_by_its_texts_only(made):
    (job,) = made(one('{prior = "tv:weight=8", label = "TV", steps = 3}')).jobs()
    assert job.cell == Cell(
        image="sample:camera:16",
        operator="denoise",
        noise="gaussian:sigma=0.05",
        method="TV",
        prior="tv:weight=8",
        solver="auto",
        stop="max-steps:steps=3",
        seed=0,
    )
    other = replace(job, cell=replace(job.cell, method="x"))
    assert Path(job.replay).name == f"{job.key}.json"
    assert other.options == job.options


def test_counts_are_shown_in_a_window_and_scored_in_their_range(made):
    """The report shows and scores counts as it does the same image in [0, 1]."""
    store = made(one('"tv:weight=8"'))
    plain = only(store)
    assert (plain.windows, plain.score_range) == ({}, None)
    x = samples.load("camera", 16).x
    np.save(store.folder.parent / "counts.npy", 4095 * x[0, 0].numpy())
    change = {"sample:camera:16": "counts.npy", "sigma=0.05": "sigma=204.75"}
    counts = made(one('"tv:weight=0.002"', **change), folder="counts")
    record = only(counts)
    low, high = record.score_range
    assert (low, high) == pytest.approx((4095 * float(x.min()), 4095 * float(x.max())))
    assert record.windows["measurement"] == record.windows["truth"]
    assert record.windows["truth"] == pytest.approx((low, high), rel=0.05, abs=5)
    offset = -20 * math.log10(float(x.max() - x.min()))  # of the peak; the noise is another draw
    assert record.metrics["psnr"] == pytest.approx(plain.metrics["psnr"] - offset, abs=1)
    shown, truth = (
        load(counts.folder / place / name).x
        for place, name in (("records", record.image), ("images", record.truth))
    )
    assert float(PSNR().measure(shown, truth)) > 20
    save_record(counts.folder, record)
    text = write(counts)[0].read_text()
    assert f"black to white: {Window(*record.windows['truth'])}." in text
    assert f"PSNR and SSIM of counts.npy: range {low:.4g} to {high:.4g}" in text


def test_files_named_in_specs_are_found_beside_the_configuration(made, tmp_path):
    beside = tmp_path / "elsewhere"
    beside.mkdir()
    mask = torch.ones(1, 1, 16, 16)
    mask[..., 4:8, 4:8] = 0
    save(beside / "mask.png", mask)
    text = one('"tv:weight=8"', denoise="inpaint:mask=mask.png")
    with pytest.raises(MeasurementError, match=r"mask\.png does not exist"):
        only(made(text, folder="lost"))
    found = only(made(text, folder="found", others=("/nowhere", str(beside))))
    assert found.status == "ok"
    # The folder is no part of the key, but the file's bytes are.
    shutil.copy(beside / "mask.png", tmp_path)
    assert made(text, folder="moved").jobs()[0].key == found.key


def spoils(x, sigma):
    x *= 0.5
    return x.clone()


@pytest.mark.parametrize(
    ("denoise", "status", "reason"),
    [
        (lambda x, sigma: x * torch.nan, "diverged", "not finite"),
        (lambda x, sigma: x[..., 1:], None, r"must be floats of the shape \(1, 1, 16, 16\); got"),
        (lambda x, sigma: x.numpy(), None, "got ndarray"),
        (lambda x, sigma: x > 0.5, None, "got .*torch.bool"),
        (spoils, None, "has changed the measurement in place"),
    ],
)
def test_a_method_that_breaks_its_contract_is_not_ok(made, monkeypatch, denoise, status, reason):
    monkeypatch.setattr(TVDenoiser, "denoise", lambda self, x, sigma: denoise(x, sigma))
    store = made(one('{denoiser = "tv"}'))
    if status is None:
        with pytest.raises(PluginError, match=reason):  # a crash, in a cell's own process
            only(store)
        return
    record = only(store)
    assert record.status == status
    assert reason in record.reason


def test_what_a_run_notes_is_in_its_record_and_in_the_report(made, monkeypatch):
    adjoint = Blur.adjoint
    monkeypatch.setattr(Blur, "adjoint", lambda self, y: 100 * adjoint(self, y))
    store = made(one('{prior = "tikhonov:weight=1", steps = 2}', denoise="blur:sigma=1"))
    record = only(store)
    (note,) = [n for n in record.notes if "adjoint" in n]
    save_record(store.folder, record)
    assert note.partition("operator's ")[2] in write(store)[0].read_text()
    assert note in (store.folder / "report-files" / "cells.csv").read_text()
    assert f"Note: {note}" in explain(store, store.jobs(), store.jobs()[0])


@pytest.mark.parametrize("file", ["t.png", "mask.png", "other.png"])
def test_a_file_that_changes_during_a_run_gives_no_result(made, tmp_path, file):
    """The key of a cell is a hash of its files, so its result must be that of the same bytes."""
    for name in ("t.png", "mask.png", "other.png"):
        save(tmp_path / name, (samples.load("camera", 16).x > 0.1).float())
    text = one('{prior = "tv", weights = "tuned"}', denoise="inpaint:mask=mask.png")
    text = text.replace("sample:camera:16", "t.png")
    store = made(text + '[tuning]\nimages = ["other.png"]\nbudget = 2\n')
    (job,) = store.jobs()
    save(tmp_path / file, samples.load("coins", 16).x, overwrite=True)
    with pytest.raises(MeasurementError, match="has changed since the run began"):
        compute(job, store.folder, lambda step, seconds: None)
    assert not list((store.folder / "records").iterdir())
    assert not list(store.folder.glob("tuning/*"))


def test_a_damaged_result_of_the_tuning_is_computed_again(made):
    store = made(one('{prior = "tv", weights = "tuned"}') + TUNING)
    first = only(store)
    (path,) = (store.folder / "tuning").iterdir()
    text = path.read_text()
    path.write_text(re.sub(r'"factor": [\d.]+', '"factor": 1000.0', text))
    assert path.read_text() != text
    assert only(store).metrics == first.metrics


def test_a_damaged_shared_image_is_written_again(made):
    store = made(one('"tv:weight=8"'))
    path = store.folder / "images" / only(store).truth
    before = path.read_bytes()
    path.write_bytes(before[:-20])
    only(store)
    assert path.read_bytes() == before
