"""`invprior solve`: its files, its record and what it prints."""

import hashlib
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import invprior
from invprior.builders.problem import prior_from, stop_from
from invprior.builders.simulation import simulate
from invprior.io import images, samples
from invprior.io.save import save
from invprior.registry import create
from invprior.runner import progress
from invprior.solvers.admm import ADMM

from .conftest import contents, strict_json


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def record_of(path):
    return strict_json(path.read_text())


def test_without_an_image(run, folder):
    out = run("solve", "--prior", "tv", "--steps", "5").stdout
    made = folder / "invprior-out" / "astronaut-denoise-tv"
    assert names(made) == ["comparison.png", "measurement.png", "record.json", "restoration.png"]
    assert all(name in out for name in names(made))
    assert "invprior-out/astronaut-denoise-tv" in out
    scores = record_of(made / "record.json")["scores"]
    assert scores["restoration"]["psnr"] > scores["measurement"]["psnr"] + 3
    assert re.search(r"PSNR \[dB\] +SSIM", out)
    assert f"{scores['restoration']['psnr']:.2f}" in out


def test_a_folder_of_its_own_for_each_run(solve, folder):
    for _ in range(3):
        solve("sample:camera:32", "--operator", "blur")
    made = ["camera-blur-tv", "camera-blur-tv-2", "camera-blur-tv-3"]
    assert names(folder / "invprior-out") == made


def test_names_of_sums_and_quoted_options(solve, folder, mask):
    solve("sample:camera:32", prior='tikhonov + tv:kind="isotropic"')
    assert names(folder / "invprior-out") == ["camera-denoise-tikhonov+tv"]


def test_the_record_is_complete(solve, folder):
    solve(
        "sample:camera:32",
        "--operator",
        "blur",
        "--seed",
        7,
        "--stop",
        "relative-change:tolerance=1e-9",
        "--steps",
        5,
        "-o",
        ".",
    )
    record = record_of(folder / "record.json")
    run = record["provenance"]
    assert record["image"] == "sample:camera:32"
    assert record["simulated_noise"].startswith("gaussian:sigma=0.01")
    assert run["operator"] == "blur:kernel=gaussian,sigma=1.6,boundary=reflect"
    assert run["prior"].startswith("tv:weight=")
    assert "gap=" in run["prior"]
    assert run["solver"].startswith("admm:")
    assert run["stop"].endswith("max-steps:steps=5")
    assert run["seed"] == 7
    assert run["device"] == "cpu"
    assert run["versions"]["torch"] == torch.__version__
    assert record["invprior"] == invprior.__version__
    assert record["steps"] == 5
    assert record["history"][0]["step"] == 1
    create("operators", run["operator"])  # every text can be read again
    create("solvers", run["solver"])
    prior_from(run["prior"])
    stop_from(run["stop"])
    assert names(folder) == sorted(record["files"].values())


def test_the_hash_is_that_of_the_measurement(solve, y, folder):
    solve(y, "-o", "x.png")
    values = images.load(y).x.numpy()
    expected = hashlib.sha256(values.tobytes()).hexdigest()
    assert record_of(folder / "x.json")["provenance"]["measurement_sha256"] == expected


def test_same_seed_same_bits(solve, folder):
    for name in ("a.npy", "b.npy"):
        solve("sample:coffee:32", "-o", name, "--seed", 3)
    solve("sample:coffee:32", "-o", "c.npy", "--seed", 4)
    a, b, c = (np.load(f"{name}-measurement.npy") for name in "abc")
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)
    assert np.array_equal(np.load("a.npy"), np.load("b.npy"))


def test_json_only_on_stdout(solve, y, folder):
    known = "--noise", "gaussian:sigma=0.05"
    result = solve(y, "--json", "-o", "x.png", "--truth", y, *known)
    record = strict_json(result.stdout)
    assert record == record_of(folder / "x.json")
    assert record["files"]["restoration"] == "x.png"
    assert result.stderr == ""


def test_json_writes_infinity_as_text(solve, folder):
    np.save("flat.npy", np.full((8, 8), 0.5, np.float32))
    record = strict_json(solve("flat.npy", "--truth", "flat.npy", "--json").stdout)
    assert record["scores"]["measurement"]["psnr"] == "inf"


def test_quiet(solve, y):
    result = solve(y, "--quiet")
    assert result.output == ""


def test_a_log_has_a_line_now_and_then(solve, y, monkeypatch):
    monkeypatch.setattr(progress, "_LOGGED", 0.0)
    known = "--noise", "gaussian:sigma=0.05", "--steps", 3
    lines = solve(y, "--truth", y, *known, "-o", "x.png").stderr.splitlines()
    assert re.fullmatch(
        r"step 1 of 3: energy \S+, PSNR \S+ dB, \d+ s, at most \d+ s left", lines[0]
    )
    assert len(lines) == 3
    assert solve(y, *known, "-o", "q.png", "--quiet").stderr == ""


def test_into_a_folder(solve, y, folder):
    (folder / "results").mkdir()
    solve(y, "-o", "results")
    assert names(folder / "results") == ["comparison.png", "record.json", "restoration.png"]


def test_beside_a_file(solve, y, folder):
    solve(y, "-o", "x.y.png", "--simulate")
    expected = ["x.y-comparison.png", "x.y-measurement.png", "x.y.json", "x.y.png", "y.png"]
    assert names(folder) == expected


def test_a_real_measurement_with_a_mask(solve, y, mask, folder):
    out = solve(y, "--operator", f"inpaint:mask={mask}", "-o", "x.png", "--truth", y).stdout
    record = record_of(folder / "x.json")
    assert record["simulated_noise"] is None
    assert record["provenance"]["measurements"] == 3 * np.load(mask).sum()
    assert "(estimated)" in out
    assert record["scores"]["restoration"]["psnr"] > record["scores"]["measurement"]["psnr"] + 3


def test_brackets_are_not_markup(solve, y, folder):
    text = "compose:operators=[blur(sigma=1.0),downsample(factor=2)]"
    out = solve(y, "--simulate", "--operator", text, "-o", "x[red].png").stdout
    assert "[blur(kernel=gaussian" in out
    assert "x[red].png" in out


def test_the_smaller_measurement_is_scored_by_its_pseudo_inverse(solve, y):
    record = strict_json(
        solve(y, "--simulate", "--operator", "downsample:factor=2", "--json").stdout
    )
    assert set(record["scores"]) == {"pseudo-inverse", "restoration"}


def test_too_small_for_ssim(solve, folder):
    np.save("small.npy", np.random.default_rng(0).random((8, 9)).astype(np.float32))
    out = solve("small.npy", "--simulate").stdout
    assert re.search(r"restoration +[\d.]+ +-", out)


def test_overwrite(solve, y, folder):
    solve(y, "-o", "x.png")
    before = contents(folder)
    solve(y, "-o", "x.png", "--overwrite", prior="tikhonov:weight=100")
    after = contents(folder)
    assert set(after) == set(before)
    changed = {p.name for p in after if after[p] != before[p]}
    assert changed == {"x.png", "x.json", "x-comparison.png"}


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_stay(solve, folder, channels):
    x = torch.rand((1, channels, 12, 13), generator=torch.Generator().manual_seed(0))
    save("deep.png", x, depth="uint16")
    solve("deep.png", "-o", "x.png", prior="none")
    back = images.load("x.png")
    assert back.depth == "uint16"
    assert (back.x - images.load("deep.png").x).abs().max() < 2 / 65535


def test_alpha_stays(solve, folder):
    values = np.random.default_rng(0).integers(0, 256, (12, 13, 4), np.uint8)
    Image.fromarray(values).save("a.png")
    solve("a.png", "-o", "x.png", prior="none")
    assert np.array_equal(np.asarray(Image.open("x.png"))[..., 3], values[..., 3])


def test_exif_orientation_is_applied(solve, folder):
    exif = Image.Exif()
    exif[274] = 6  # a quarter turn
    Image.new("RGB", (16, 24), (200, 30, 30)).save("turned.jpg", exif=exif)
    solve("turned.jpg", "-o", "x.jpg", prior="none")
    with Image.open("x.jpg") as image:
        assert image.size == (24, 16)
        assert image.getexif().get(274, 1) == 1


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_arrays_in_and_out(solve, folder, channels):
    values = np.random.default_rng(0).normal(0.5, 2.0, (12, 13, channels)).astype(np.float32)
    np.save("y.npy", values)
    solve("y.npy", "-o", "x.npy", prior="none")
    assert np.allclose(np.load("x.npy").reshape(values.shape), values, atol=1e-3)


def test_floats_are_not_rounded_by_default(solve, folder):
    np.save("y.npy", np.random.default_rng(0).normal(0.5, 2.0, (12, 13)).astype(np.float32))
    record = strict_json(solve("y.npy", "--json", prior="none").stdout)
    back = images.load(record["files"]["restoration"])
    assert back.depth == "float32"
    assert np.allclose(back.x[0, 0], np.load("y.npy"), atol=1e-3)


def test_nan_can_be_masked(solve, folder):
    values = np.full((12, 13), 0.5, np.float32)
    values[3, 4] = np.nan
    np.save("nan.npy", values)
    solve("nan.npy", "--nan", "mask", "-o", "x.npy", "--noise", "gaussian:sigma=0.1")
    assert np.allclose(np.load("x.npy"), 0.5, atol=0.02)


def test_float64(solve, y):
    record = strict_json(solve(y, "--dtype", "float64", "--json").stdout)
    assert record["provenance"]["dtype"] == "float64"


@pytest.mark.parametrize("operator", ["denoise", "blur:boundary=valid", "inpaint:keep=0.6"])
def test_degrade_and_solve_agree_with_solve_alone(run, solve, y, folder, operator):
    options = ["--operator", operator, "--noise", "gaussian:sigma=0.05"]
    np.save("truth.npy", images.load(y).x[0].permute(1, 2, 0).numpy())  # floats in, floats out
    run("degrade", "truth.npy", "-o", "m.npy", *options, "--seed", 3)
    measured, _ = simulate(y, operator=operator, noise="gaussian:sigma=0.05", seed=3)
    assert torch.equal(images.load("m.npy").x, measured)
    solve("m.npy", *options, "-o", "in-two.npy", "--seed", 3)
    solve("truth.npy", "--simulate", *options, "-o", "at-once.npy", "--seed", 3)
    assert np.array_equal(np.load("in-two.npy"), np.load("at-once.npy"))
    assert np.array_equal(np.load("m.npy"), np.load("at-once-measurement.npy"))


@pytest.fixture
def noting(monkeypatch):
    """Make the solver of `tv` under a blur give a note."""
    step = ADMM.step

    def noted(self, objective, state):
        return replace(step(self, objective, state), notes=("a [remarkable] note",))

    monkeypatch.setattr(ADMM, "step", noted)


def test_notes_are_printed_once_and_recorded(solve, y, folder, noting):
    known = "--noise", "gaussian:sigma=0.05"
    result = solve(y, "-o", "x.png", "--operator", "blur", *known)
    assert result.stderr.count("Note: a [remarkable] note.") == 1
    assert record_of(folder / "x.json")["notes"] == ["a [remarkable] note"]
    assert "a [remarkable] note" in solve(y, "--json", "--operator", "blur").stderr
    assert solve(y, "--quiet", "--operator", "blur").output == ""


def test_floats_in_a_file_of_integers_get_a_note(run, solve, y, folder):
    np.save("y.npy", 2 * np.random.default_rng(0).random((16, 16), np.float32))
    stderr = solve("y.npy", "-o", "x.png").stderr
    (note,) = [n for n in record_of(folder / "x.json")["notes"] if "x.png" in n]
    assert "of 256; .npy" in note
    assert " 0 of" not in note
    assert note in stderr
    assert "clips" not in solve("y.npy", "-o", "x.tif", "--overwrite").stderr
    assert "clips" not in solve(y, "-o", "z.png").stderr
    stderr = run("degrade", y, "--noise", "gaussian:sigma=1", "-o", "d.png").stderr
    assert "of 1,152; .npy" in stderr


def test_counts_are_scored_and_shown_in_their_range(solve, folder):
    t = 1000 + 800 * samples.load("camera", 32).x[0, 0].numpy()
    np.save("t.npy", t)
    np.save("y.npy", t + np.random.default_rng(0).normal(0, 40, t.shape).astype(np.float32))
    run = ("y.npy", "--truth", "t.npy", "--noise", "gaussian:sigma=40")
    out = solve(*run, "-o", "own.npy", prior="tv:weight=0.01").stdout
    record = record_of(folder / "own.json")
    low, high = record["score_range"]
    assert (low, high) == (float(t.min()), float(t.max()))
    assert f"range {low:.4g} to {high:.4g}" in out
    scores = [record["scores"][name]["psnr"] for name in ("measurement", "restoration")]
    assert scores[0] == pytest.approx(25.5, abs=1)
    assert scores[1] > scores[0] + 1
    shown = images.load(folder / "own-comparison.png").x
    assert 0.3 < float(shown[..., :200, :].mean()) < 0.9  # neither black nor white
    solve(*run, "-o", "given.npy", "--range", 0, 4095)
    assert record_of(folder / "given.json")["score_range"] == [0, 4095]
