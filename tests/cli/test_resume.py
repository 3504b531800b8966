"""`invprior solve --resume`: after kill -9, and after Ctrl-C."""

import fcntl
import json
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image

from invprior import samples
from invprior.checkpoint.checkpoint import FILE
from invprior.io import images, sealed
from invprior.io.save import save
from invprior.tuning.sweep import Sweep

from .conftest import strict_json

DIP = "dip:net=skip(down=[6,6],up=[6,6],skip=[2,2]),input_noise=0.03"


@pytest.fixture
def command(folder):
    """Start a command in its own process on one thread, so that two runs have the same bits."""

    def start(*arguments):
        code = "import torch; torch.set_num_threads(1); from invprior.cli import main; main()"
        return subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def finished(process):
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, (out, err)
    return out, err


def wait_for(path, process):
    while not path.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def floats(size):
    """Write truth.npy; the restoration of a file of floats is not rounded."""
    np.save("truth.npy", samples.load("astronaut", size).x[0].permute(1, 2, 0).numpy())


def names(place):
    return sorted(p.name for p in place.iterdir())


def test_kill_9_and_resume_give_the_bits_of_an_uninterrupted_run(command, folder):
    floats(24)
    run = ["solve", "truth.npy", "--simulate", "--operator", "blur", "--prior", DIP]
    run += ["--steps", "60", "--seed", "4"]
    finished(command(*run, "-o", "whole.tif", "--no-checkpoint"))
    cut = command(*run, "--checkpoint-every", "0")
    made = folder / "invprior-out" / "truth-blur-dip"
    wait_for(made / "checkpoint" / FILE, cut)
    cut.send_signal(signal.SIGKILL)
    cut.communicate()
    locks = [
        ".checkpoint.lock",
        ".comparison.png.lock",
        ".measurement.npy.lock",
        ".record.json.lock",
    ]
    assert names(made) == [
        *locks,
        ".restoration.npy.lock",
        "checkpoint",
    ]  # locks of the dead process
    (folder / "truth.npy").unlink()  # the folder holds all that is needed
    (folder / "moved").mkdir()
    made = made.rename(folder / "moved" / "here")
    out, err = finished(command("solve", "--resume", made, "--json"))
    record, expected = strict_json(out), strict_json((folder / "whole.json").read_text())
    assert err == ""
    assert np.array_equal(images.load(made / "restoration.npy").x, images.load("whole.tif").x)
    for same in ("scores", "steps", "stop", "provenance", "image", "simulated_noise"):
        assert record[same] == expected[same]
    energies = [[(r["step"], r["energy"]) for r in x["history"]] for x in (record, expected)]
    assert energies[0] == energies[1]
    assert record["command"] == [*run, "--checkpoint-every", "0"]
    assert names(made) == ["comparison.png", "measurement.npy", "record.json", "restoration.npy"]


@pytest.fixture
def cut(run, monkeypatch):
    """Run the command and press Ctrl-C at a step."""

    def call(step, *arguments):
        def pressed(self, iterate):
            if iterate.step == step:
                raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr("invprior.runner.progress.Live.__call__", pressed)
            return run("solve", *arguments, code=130)

    return call


def resume_command(stderr):
    """Return the command that the message after Ctrl-C names."""
    line = " ".join(stderr.split()).rpartition("Resume with: ")[2].removesuffix(".")
    words = shlex.split(line)
    assert words[:3] == ["invprior", "solve", "--resume"]
    return words[1:]


def test_after_ctrl_c_the_command_to_resume_is_printed(run, cut, y, mask, folder):
    options = [
        y,
        "--operator",
        f"inpaint:mask={mask}",
        "--prior",
        "tv:weight=8",
        "--steps",
        8,
        "--truth",
        y,
    ]
    run("solve", *options, "-o", "whole.tif")
    result = cut(3, *options, "-o", "a b.tif")
    assert "interrupted after 3 steps" in result.stderr
    assert strict_json((folder / "a b.json").read_text())["steps"] == 3
    assert (folder / "a b.checkpoint" / FILE).exists()
    out = run(*resume_command(result.stderr)).stdout
    assert "Wrote a b.tif, a b-comparison.png, a b.json" in out
    assert np.array_equal(images.load("a b.tif").x, images.load("whole.tif").x)
    assert (
        strict_json((folder / "a b.json").read_text())["scores"]
        == strict_json((folder / "whole.json").read_text())["scores"]
    )
    assert not (folder / "a b.checkpoint").exists()


def test_into_a_folder_and_from_another_place(run, cut, y, mask, folder, monkeypatch):
    (folder / "results").mkdir()
    options = [
        y,
        "--operator",
        f"inpaint:mask={mask}",
        "--prior",
        "tv:weight=8",
        "--stop",
        "max-steps:steps=8",
    ]
    cut(3, *options, "-o", "results")
    assert names(folder / "results" / "checkpoint") == [FILE, "images.safetensors", "run.json"]
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")  # mask.npy stays where the run began
    run("solve", "--resume", "../results")
    assert names(folder / "results") == ["comparison.png", "record.json", "restoration.png"]
    assert names(folder / "elsewhere") == []


def test_alpha_and_depth_stay_without_the_file(run, cut, folder):
    values = np.random.default_rng(0).integers(0, 256, (12, 13, 4), np.uint8)
    Image.fromarray(values).save("a.png")
    x = images.load("a.png")
    save("deep.png", x.x, depth="uint16", like=x)
    cut(2, "deep.png", "--prior", "tv:weight=8", "--stop", "max-steps:steps=4", "-o", "x.png")
    (folder / "deep.png").unlink()
    run("solve", "--resume", "x.checkpoint", "--quiet")
    back = images.load("x.png")
    assert back.depth == "uint16"
    assert torch.equal(back.alpha, x.alpha)


def test_more_steps(run, cut, y, folder):
    cut(3, y, "--prior", "tv:weight=8", "--operator", "blur", "--steps", 5, "-o", "x.tif")
    run("solve", "--resume", "x.checkpoint", "--steps", 9)
    run("solve", y, "--prior", "tv:weight=8", "--operator", "blur", "--steps", 9, "-o", "whole.tif")
    assert strict_json((folder / "x.json").read_text())["steps"] == 9
    assert np.array_equal(images.load("x.tif").x, images.load("whole.tif").x)


def test_quick_runs_leave_no_checkpoint(run, y, folder):
    run("solve", y, "--prior", "tv:weight=8", "--stop", "max-steps:steps=3", "-o", "x.png")
    assert names(folder) == ["x-comparison.png", "x.json", "x.png", "y.png"]


def test_without_a_checkpoint_there_is_nothing_to_resume(cut, y, folder):
    result = cut(
        3,
        y,
        "--prior",
        "tv:weight=8",
        "--stop",
        "max-steps:steps=9",
        "-o",
        "x.png",
        "--no-checkpoint",
    )
    assert "Resume with" not in result.stderr
    assert not (folder / "x.checkpoint").exists()


def test_an_unfinished_run_is_not_overwritten(run, cut, refused, y, folder):
    options = [y, "--prior", "tv:weight=8", "--stop", "max-steps:steps=6", "-o", "x.png"]
    cut(3, *options)
    for name in ("x.png", "x.json", "x-comparison.png"):
        (folder / name).unlink()
    message = refused("solve", *options)
    assert "holds an unfinished run" in message
    assert "invprior solve --resume x.checkpoint" in message
    run("solve", *options, "--overwrite")
    assert not (folder / "x.checkpoint").exists()


TV = ["--prior", "tv:weight=8", "--stop", "max-steps:steps=6", "-o", "x.png"]


def test_a_result_that_somebody_has_changed_is_kept(run, cut, refused, y, folder):
    """After Ctrl-C the results so far are the run's own, until somebody writes into one."""
    cut(3, y, *TV)
    before = (folder / "x.png").read_bytes()
    (folder / "x.png").write_text("dear")
    assert '"x.png" exists already, and this run did not' in refused(
        "solve", "--resume", "x.checkpoint"
    )
    (folder / "x.png").write_bytes(before)
    run("solve", "--resume", "x.checkpoint")
    assert strict_json((folder / "x.json").read_text())["steps"] == 6


def test_a_file_that_appears_during_the_run_is_kept(run, y, folder, monkeypatch):
    """With and without a checkpoint; the run that has one can be resumed when the file is away."""

    def appears(self, iterate):
        if iterate.step == 4:
            (folder / "x.json").write_text("dear")

    for every in ("0", "99"):
        with monkeypatch.context() as patched:
            patched.setattr("invprior.runner.progress.Live.__call__", appears)
            result = run("solve", y, *TV, "--checkpoint-every", every, code=2)
        assert '"x.json" exists already, and this run did not write' in result.stderr
        assert (folder / "x.json").read_text() == "dear"
        assert not (folder / "x.png").exists()
        (folder / "x.json").unlink()
        if every == "0":
            run(*resume_command(result.stderr))
            (folder / "x.png").unlink()
            (folder / "x.json").unlink()
            (folder / "x-comparison.png").unlink()
    assert names(folder) == ["y.png"]


def test_a_result_outside_the_folder_is_refused(refused, cut, y, folder):
    cut(3, y, *TV)
    path = folder / "x.checkpoint" / "run.json"
    facts = sealed.read(path)
    for name in ("../z.json", str(folder / "z.json"), "a/z.json", ".."):
        facts["results"]["record"] = name
        sealed.write(path, facts)
        assert "must be named by a plain name" in refused("solve", "--resume", "x.checkpoint")
    for change in (
        {"results": {"record": 3}},
        {"options": {"seed": []}},
        {"own": 1},
        {"run": None},
    ):
        sealed.write(path, {**facts, **change})
        assert "Start over" in refused("solve", "--resume", "x.checkpoint")


def test_what_a_killed_run_left_is_not_used(run, cut, refused, y, folder):
    """A run that was killed while it was being removed: parts are left, and nothing else."""
    options = [y, "--prior", DIP, "--noise", "gaussian:sigma=0.1", "--runs", 2]
    cut(2, *options, "--steps", 2, "-o", "x.tif", "--checkpoint-every", 0)
    left = folder / "x.checkpoint"
    (left / "run.json").unlink()
    for path in folder.glob("x*.*"):
        if path.is_file():
            path.unlink()
    options += ["--steps", 3]
    assert "--overwrite" in refused("solve", *options, "-o", "x.tif")
    run("solve", *options, "-o", "x.tif", "--overwrite", "--checkpoint-every", 0)
    assert not left.exists()
    run("solve", *options, "-o", "whole.tif")
    assert np.array_equal(images.load("x.tif").x, images.load("whole.tif").x)


@pytest.mark.parametrize("every", ["0", "99"])
def test_what_a_killed_run_left_is_removed_by_the_next(run, cut, y, folder, every):
    """A run that was killed while it made its folder or wrote a file; a run of a second removes it too."""
    cut(3, y, *TV)
    left = folder / "x.checkpoint"
    for path in [left / FILE, left / "run.json", *folder.glob("x*.*")]:
        if path.is_file():
            path.unlink()
    for debris in (".x.json.0123abcd.tmp", ".x.png.lock", "x.checkpoint/.run.json.0123abcd.tmp"):
        (folder / debris).touch()
    run("solve", y, *TV, "--checkpoint-every", every)
    assert names(folder) == ["x-comparison.png", "x.json", "x.png", "y.png"]


def test_a_folder_that_a_killed_run_has_just_made_is_used(run, y, folder, monkeypatch):
    """Without a run in it; one that holds a run, or that another process is making, is not."""
    left = folder / "invprior-out" / "y-denoise-tv"
    (left / "checkpoint").mkdir(parents=True)
    (left / "checkpoint" / "images.safetensors").touch()
    (left / ".record.json.lock").touch()
    command = ["solve", y, *TV[:-2], "--checkpoint-every"]
    run(*command, 0)
    run(*command, 99)
    third = left.with_name("y-denoise-tv-3")
    (third / "checkpoint").mkdir(parents=True)
    (third / "checkpoint" / "run.json").touch()
    fourth = left.with_name("y-denoise-tv-4")
    fourth.mkdir()
    (fourth / ".record.json.lock").touch()
    with (fourth / ".record.json.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        run(*command, 0)
    done = ["comparison.png", "record.json", "restoration.png"]
    places = [left, left.with_name("y-denoise-tv-2"), left.with_name("y-denoise-tv-5")]
    assert [names(place) for place in places] == [done] * 3
    assert names(third) == ["checkpoint"]
    assert names(fourth) == [".record.json.lock"]


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (["y.png"], "an image"),
        (["--prior", "tv:weight=8"], "--prior"),
        (["--seed", 0, "-o", "z.png"], "--output, --seed"),
        (["--no-checkpoint"], "--checkpoint"),
    ],
)
def test_other_options_are_refused(refused, cut, y, more, named):
    cut(3, y, "--prior", "tv:weight=8", "--stop", "max-steps:steps=6", "-o", "x.png")
    message = refused("solve", "--resume", "x.checkpoint", *more)
    assert f"got {named} too" in message
    assert "Only --steps (a higher limit), --explain, --json and --quiet" in message


def test_a_folder_without_a_run_is_refused(refused, folder):
    (folder / "empty").mkdir()
    for place in ("empty", "nowhere"):
        assert f'"{place}" holds no unfinished run' in refused("solve", "--resume", place)


def test_a_folder_of_format_1_is_refused(refused, cut, y, folder):
    """Format 1 had no number, another name for the images, and options called `picture`."""
    cut(3, y, "--prior", "tv:weight=8", "--stop", "max-steps:steps=6", "-o", "x.png")
    left = folder / "x.checkpoint"
    facts = json.loads((left / "run.json").read_text())
    assert facts.pop("format") == 4
    facts["options"]["picture"] = facts["options"].pop("images")
    (left / "run.json").write_text(json.dumps({**facts, "invprior": "0.0.9"}))
    (left / "images.safetensors").rename(left / "pictures.safetensors")
    message = " ".join(refused("solve", "--resume", "x.checkpoint").split())
    assert '"x.checkpoint" was written by invprior 0.0.9 in format 1' in message
    assert "reads format 4. Resume it with the version that wrote it, or remove" in message


def test_overwriting_clears_a_folder_of_format_1(run, cut, y, folder):
    options = [y, "--prior", "tv:weight=8", "--stop", "max-steps:steps=6", "-o", "x.png"]
    cut(3, *options)
    left = folder / "x.checkpoint"
    (left / "images.safetensors").rename(left / "pictures.safetensors")
    run("solve", *options, "--overwrite")
    assert not left.exists()


@pytest.mark.parametrize("name", ["run.json", "images.safetensors", FILE])
def test_any_damage_is_reported(refused, cut, y, folder, name):
    """Cut short, and one bit changed: in the seed, in the true image, in the state."""
    cut(3, y, *TV, "--truth", y)
    path = folder / "x.checkpoint" / name
    data = path.read_bytes()
    changed = bytearray(data)
    changed[-1] ^= 1
    if name == "run.json":
        changed = data.replace(b'"seed": 0', b'"seed": 1')
        assert changed != data
    for content in (data[:40], changed, b""):
        path.write_bytes(content)
        assert "start over" in refused("solve", "--resume", "x.checkpoint").lower()


def test_a_missing_or_changed_mask_is_reported(refused, cut, y, mask, folder):
    options = [
        y,
        "--operator",
        f"inpaint:mask={mask}",
        "--prior",
        "tv:weight=8",
        "--stop",
        "max-steps:steps=8",
    ]
    cut(3, *options, "-o", "x.png")
    np.save(mask, ~np.load(mask))
    assert "belongs to another run" in refused("solve", "--resume", "x.checkpoint")
    (folder / mask).unlink()
    assert "mask.npy does not exist" in refused("solve", "--resume", "x.checkpoint")


def test_several_runs(run, folder, y):
    options = [
        y,
        "--prior",
        DIP,
        "--stop",
        "max-steps:steps=4",
        "--noise",
        "gaussian:sigma=0.2",
        "--truth",
        y,
    ]
    out = run("solve", *options, "--runs", 3, "-o", "x.png").stdout
    assert "x-deviation.png" in out
    record = strict_json((folder / "x.json").read_text())
    assert [r["steps"] for r in record["runs"]] == [4, 4, 4]
    assert len({r["seed"] for r in record["runs"]}) == 3
    assert all(r["stop"]["ok"] and r["scores"]["psnr"] > 0 for r in record["runs"])
    deviation = images.load("x-deviation.png").x
    assert deviation.shape == (1, 1, 16, 24)
    assert float(deviation.max()) == 1.0
    scale = record["deviation"]["white"]
    rms = float((deviation * scale).square().mean().sqrt())
    assert rms == pytest.approx(record["deviation"]["rms"], abs=scale / 255)
    assert record["files"]["deviation"] == "x-deviation.png"


def test_several_runs_are_resumed(run, cut, folder, y):
    options = [
        y,
        "--prior",
        DIP,
        "--stop",
        "max-steps:steps=4",
        "--noise",
        "gaussian:sigma=0.2",
        "--runs",
        3,
    ]
    options += ["--checkpoint-every", 0]
    run("solve", *options, "-o", "whole.tif")
    result = cut(4, *options, "-o", "x.tif")  # the first run's last step
    words = resume_command(result.stderr)
    cut(2, *words[1:])
    run(*words)
    assert np.array_equal(images.load("x.tif").x, images.load("whole.tif").x)
    assert not (folder / "x.checkpoint").exists()


def test_ctrl_c_in_the_search_for_a_weight(run, y, folder, monkeypatch):
    command = ["solve", y, "--prior", "tv", "--noise", "gaussian:sigma=0.1", "--steps", 3]
    run(*command, "-o", "whole.tif")
    plain, trials = Sweep._tried, []

    def tried(self, factor):
        trials.append(factor)
        if len(trials) == 3:
            raise KeyboardInterrupt
        return plain(self, factor)

    monkeypatch.setattr(Sweep, "_tried", tried)
    result = run(*command, "-o", "x.tif", code=130)
    assert names(folder / "x.checkpoint") == [
        "images.safetensors",
        "run.json",
        "weights.safetensors",
    ]
    run(*resume_command(result.stderr))
    assert trials[2] == trials.pop(3)
    assert len(set(trials)) == len(trials)
    assert np.array_equal(images.load("x.tif").x, images.load("whole.tif").x)
    assert not (folder / "x.checkpoint").exists()


def test_several_runs_without_random_numbers_are_refused(refused, y):
    assert "draws no random numbers" in refused("solve", y, "--prior", "tv:weight=8", "--runs", 2)
