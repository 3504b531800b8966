"""Bad input: one message that names the fault and the remedy, exit code 2, no file."""

import errno
import os

import numpy as np
import pytest

from invprior.io import files, images

from .conftest import contents, strict_json

QUICK = ["--prior", "tv", "--steps", "3"]


@pytest.fixture(autouse=True)
def bad_files(folder, y):
    whole = (folder / y).read_bytes()
    (folder / "words.png").write_text("no image")
    (folder / "cut.png").write_bytes(whole[:200])
    (folder / "empty.png").touch()
    (folder / "y.xyz").write_bytes(whole)
    np.save("small-mask.npy", np.ones((5, 24), bool))
    values = np.full((16, 24), 0.5, np.float32)
    np.save("grey.npy", values)
    values[3, 4] = np.nan
    np.save("nan.npy", values)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["gone.png"], ['no file "gone.png"', "Check the name"]),
        (["."], ['"." is a folder', "name a file"]),
        (["words.png"], ['Cannot read "words.png" as a PNG image', "save it anew"]),
        (["cut.png"], ['Cannot read "cut.png"', "truncated"]),
        (["empty.png"], ['Cannot read "empty.png"', "it is empty"]),
        (["y.xyz"], ['The format of "y.xyz" is unknown', ".png, .jpg"]),
        (["nan.npy", "--nan", "refuse"], ["1 of its 384 values", "--nan mask"]),
        (["nan.npy", "--simulate"], ["1 of its 384 values", "true image", "fill them"]),
        (["y.png", "--truth", "nan.npy"], ["1 of its 384 values", "true image", "fill them"]),
        (["sample:astronot"], ['did you mean "astronaut"?']),
        (["sample:camera:" + "1" * 5000], ["must be an integer", "sample:astronaut:128"]),
        (
            ["y.png", "--operator", "inpaint:mask=small-mask.npy"],
            ["small-mask.npy", "16x24", "5x24"],
        ),
        (["y.png", "--operator", "inpaint:mask=gone.npy"], ["gone.npy", "does not exist"]),
        (["y.png", "--truth", "grey.npy"], ['"grey.npy"', "(3, 16, 24)", "(1, 16, 24)", "convert"]),
        (["y.png", "--truth", "gone.png"], ['no file "gone.png"']),
        (["y.png", "--truth", "y.png", "--simulate"], ["--truth", "Leave out"]),
        (["y.png", "--steps", "-3"], ["steps", "greater than or equal to 1", "got -3"]),
        (["y.png", "--seed", str(2**70)], ["seed", "64 bits", str(2**70)]),
        (["y.png", "--device", "gpu"], ["device", '"gpu"', 'Use "cpu"']),
    ],
)
def test_bad_images_and_values(refused, arguments, expected):
    message = refused("solve", *QUICK, *arguments)
    assert [part for part in expected if part not in message] == []


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--prior", "tvv", ['Unknown prior "tvv" (did you mean "tv"?)', "Known: box, dip"]),
        ("--operator", "blurr", ['Unknown operator "blurr" (did you mean "blur"?)']),
        ("--solver", "fistaa", ['Unknown solver "fistaa" (did you mean "fista"?)']),
        ("--stop", "max-step", ['Unknown stopping rule "max-step" (did you mean "max-steps"?)']),
        ("--noise", "gauss", ['Unknown noise "gauss" (did you mean "gaussian"?)']),
        ("--fidelity", "hubert", ['Unknown fidelity "hubert" (did you mean "huber"?)']),
        (
            "--prior",
            "tv:weight=,",
            ["expected a value", "\n  tv:weight=,\n            ^\n", "name:key"],
        ),
        ("--prior", "tv +", ["expected a component's name", "\n  tv +\n      ^"]),
        ("--stop", "max-steps:steps=3 |", ["expected a component's name", "name:key=value"]),
        ("--operator", "", ["expected a component's name"]),
    ],
)
def test_unknown_names_and_faulty_specs(refused, option, value, expected):
    message = refused("solve", "y.png", option, value)
    assert [part for part in expected if part not in message] == []


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--prior", "tv:weight=1e308", "from 1e-37 to 1e+37 in size"),
        ("--prior", f"tv:weight={'1' * 400}", "must be an integer of 64 bits"),
        ("--prior", "pnp:denoiser=nlm(strength=1e-300)", "from 1e-37 to 1e+37 in size"),
        ("--prior", "dip:channels=9223372036854775808", "must be an integer of 64 bits"),
        ("--noise", "gaussian:sigma=1e-300", "from 1e-37 to 1e+37 in size"),
        ("--noise", "gaussian:sigma=1e-30", "from 1e-18 to 1e18 times the largest value of y"),
        ("--fidelity", "huber:sigma=1e30", "from 1e-18 to 1e18 times the largest value of y"),
        ("--solver", "hqs:start=1e30", "too large or too small to compute with"),
        ("--stop", "variance:window=1000000000000", "too little memory"),
        ("--prior", "p:d=" + "a(b=" * 1000, "more than 50 brackets"),
        ("--prior", "a" * 300, "Unknown prior"),
    ],
)
def test_numbers_and_texts_beyond_all_bounds(refused, option, value, expected):
    prior = [] if option == "--prior" else ["--prior", "tv:weight=1"]
    assert expected in refused("solve", "y.png", *prior, "--steps", "2", option, value)


def test_all_faults_at_once(refused):
    message = refused(
        "solve", "gone.png",
        "--truth", "absent.png",
        "--operator", "blur:sigm=3,boundary=round",
        "--prior", "tv:weight=-1,gap=3 + dipp",
        "--fidelity", "hubert",
        "--noise", "gaussian:sigma=-1",
        "--solver", "admm:inner=-1",
        "--stop", "max-steps:steps=0 | never",
        "--steps", "-7",
        "--seed", str(2**70),
        "--device", "gpu",
    )  # fmt: skip
    expected = ("gone.png", "absent.png", "sigm", "round", "weight", "gap", "dipp", "hubert", "got -1",
            "inner", "got 0", "got -7", str(2**70), '"gpu"')  # fmt: skip
    assert [part for part in expected if part not in message] == []


@pytest.mark.parametrize(
    ("prior", "solver", "remedy"),
    [("dip", "fista", "adam"), ("pnp", "adam", "hqs"), ("dip + pnp", "fista", "admm")],
)
def test_impossible_combinations(refused, prior, solver, remedy):
    message = refused("solve", "y.png", "--prior", prior, "--solver", solver)
    assert f"{solver} " in message
    assert remedy in message.rpartition("Use ")[2]


def test_two_networks(refused):
    assert "Keep one" in refused("solve", "y.png", "--prior", "dip + dip")


def test_a_step_that_is_too_large(refused):
    message = refused("solve", "y.png", *QUICK, "--solver", "fista:step_size=10")
    assert "step_size of fista must be at most" in message
    assert "got 10" in message
    assert "force=true" in message


def test_a_step_that_diverges(run, folder):
    options = ["--solver", "fista:step_size=10,force=true", "--steps", "50"]
    result = run("solve", "y.png", "--prior", "tv", *options, "-o", "x.png", code=2)
    assert "diverged" in result.stderr
    assert "at iteration" in result.stderr
    assert "step size 10" in result.stderr
    assert "Use a smaller step size" in result.stderr
    assert "best iterate before that is written" in result.stderr
    assert images.load("x.png").x.shape == images.load("y.png").x.shape
    record = strict_json((folder / "x.json").read_text())
    assert record["stop"]["name"] == "diverged"
    assert not record["stop"]["ok"]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("no/x.png", ['the folder "no" does not exist', "Make it first"]),
        ("no", ['no folder "no"', "Make it first", '"no.png"']),
        ("x.gif", ['"x.gif"', ".png, .jpg"]),
        ("y.png", ['"y.png" exists already', "--overwrite"]),
        ("y.png/x.png", ['Cannot write "y.png/x.png"', '"y.png"']),
    ],
)
def test_outputs(refused, output, expected):
    message = refused("solve", "y.png", *QUICK, "-o", output)
    assert [part for part in expected if part not in message] == []


@pytest.mark.parametrize("existing", ["x.json", "x-comparison.png", "x-measurement.png"])
def test_none_of_several_outputs_is_replaced(refused, folder, existing):
    (folder / existing).write_text("dear")
    message = refused("solve", "y.png", "--simulate", *QUICK, "-o", "x.png")
    assert f'"{existing}" exists already' in message


def test_a_format_without_the_channels(refused):
    np.save("seven.npy", np.zeros((16, 24, 7), np.float32))
    message = refused("solve", "seven.npy", *QUICK, "-o", "x.png")
    assert "this image 7" in message
    assert ".tif" in message


@pytest.mark.parametrize("output", [[], ["-o", "x.png"], ["-o", "."]])
def test_a_read_only_folder(refused, monkeypatch, output):
    monkeypatch.setattr(
        os, "access", lambda path, mode: not mode & os.W_OK
    )  # root may write anywhere
    message = refused("solve", "y.png", *QUICK, *output)
    assert "is read-only" in message


def test_a_file_in_the_place_of_the_default_folder(refused, folder):
    (folder / "invprior-out").touch()
    message = refused("solve", "y.png", *QUICK)
    assert 'invprior-out" is a file' in message
    assert "--output" in message


def test_a_folder_that_cannot_be_made(refused, monkeypatch):
    def fail(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("pathlib.Path.mkdir", fail)
    message = refused("solve", "y.png", *QUICK, "--quiet")
    assert "Cannot make the folder" in message
    assert "Permission denied" in message


@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_full_disk(run, folder, monkeypatch, call):
    """The first, second or third file cannot be completed; those before it stay complete."""
    real, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == call:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(files.os, "fsync", full)
    before = contents(folder)
    result = run("solve", "y.png", *QUICK, "-o", "x.png", "--quiet", code=2)
    assert result.stderr.startswith("Error Cannot write")
    assert "No space left on device" in result.stderr
    assert "Free some space" in result.stderr
    made = sorted(p.name for p in contents(folder) if p not in before)
    assert made == [[], ["x.png"], ["x-comparison.png", "x.png"]][call - 1]
    assert all(images.load(name).x.isfinite().all() for name in made)


def test_a_full_disk_keeps_the_file_to_be_replaced(run, folder, monkeypatch):
    (folder / "x.png").write_bytes((folder / "y.png").read_bytes())
    before = contents(folder)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    run("solve", "y.png", *QUICK, "-o", "x.png", "--overwrite", "--quiet", code=2)
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["solve", "y.png", "--bogus"], "--bogus"),
        (["solve", "y.png", "--steps", "many"], "--steps"),
        (["solve", "y.png", "--dtype", "float16"], "float32"),
        (["solv"], "solve"),
        (["degrade", "y.png"], "--output"),
    ],
)
def test_the_option_parsers_own_refusals(run, folder, arguments, expected):
    before = contents(folder)
    result = run(*arguments, code=2)
    assert expected in result.stderr
    assert result.stdout == ""
    assert contents(folder) == before


def test_ctrl_c_before_the_first_step(run, folder, monkeypatch):
    def pressed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("invprior.cli.inputs.build", pressed)
    before = contents(folder)
    result = run("solve", "y.png", *QUICK, code=130)
    assert result.stderr.startswith("Interrupted")
    assert contents(folder) == before


def test_ctrl_c_during_the_run(run, folder, monkeypatch):
    calls = []

    def pressed(*_):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("invprior.runner.progress.Live.__call__", pressed)
    result = run(
        "solve", "y.png", "--prior", "tv", "--steps", "9", "-o", "x.png", "--json", code=130
    )
    assert "interrupted after 3 steps" in result.stderr
    assert strict_json(result.stdout)["steps"] == 3
    assert images.load("x.png").x.isfinite().all()


@pytest.mark.parametrize("name", ["x.png", "x-comparison.png", "x.json"])
def test_ctrl_c_while_writing(run, folder, monkeypatch, name):
    real = files._publish

    def pressed(temporary, path, overwrite):
        if path.name == name:  # everything but the rename is done
            raise KeyboardInterrupt
        real(temporary, path, overwrite)

    monkeypatch.setattr(files, "_publish", pressed)
    result = run("solve", "y.png", *QUICK, "-o", "x.png", code=130)
    assert "no file was left half-written" in result.stderr
    assert not list(folder.glob(".*"))
    assert not (folder / name).exists()


@pytest.mark.parametrize("operator", ["inpaint", "inpaint:seed=1"])
def test_inpainting_of_a_measurement_needs_its_mask(refused, solve, y, operator):
    message = refused("solve", y, "--operator", operator)
    assert "mask=mask.png" in message
    assert "--simulate" in message
    solve(y, "--operator", operator, "--simulate")
    solve("sample:camera:16", "--operator", operator)
