"""`invprior experiment`."""

import json

import pytest

from invprior.experiments import ablation, impedance
from invprior.io import images

from .conftest import contents, strict_json

SMALL = "dip:net=skip(down=[8,8]),channels=4,input_noise=0"


@pytest.fixture
def fit(run, y):
    """`invprior experiment impedance` in a second."""

    def call(*arguments, code=0):
        return run(
            "experiment", "impedance", y, "--prior", SMALL, "--steps", 12, *arguments, code=code
        )

    return call


@pytest.fixture
def compare(run, y):
    """`invprior experiment ablation` in a second."""

    def call(*arguments, code=0):
        return run(
            "experiment", "ablation", y, "--steps", 3, "--networks", "skip:down=[8]", *arguments,
            code=code,
        )  # fmt: skip

    return call


def test_impedance(fit, folder):
    output = fit().stdout
    made = folder / "invprior-out" / "y-impedance"
    assert sorted(p.name for p in made.iterdir()) == sorted([*impedance.FILES, "record.json"])
    for word in ("image + noise", "shuffled", "loss at 10", "loss at 12", "> 12", str(made.name)):
        assert word in output
    record = strict_json((made / "record.json").read_text())
    assert record["image"] == "y.png"
    assert record["steps"] == 12
    assert record["provenance"]["shuffled"]["seed"] == 0
    fit()
    assert (folder / "invprior-out" / "y-impedance-2" / "impedance.csv").exists()


def test_ablation(compare, folder):
    result = compare("--networks", "skipp", "--operator", "denoise", "--lr", "skip=0.003")
    made = folder / "invprior-out" / "y-ablation"
    assert sorted(p.name for p in made.iterdir()) == sorted([*ablation.FILES, "record.json"])
    assert "PSNR [dB]" in result.stdout
    assert 'skipp: Unknown network "skipp"' in result.stderr
    record = json.loads((made / "record.json").read_text())
    assert "lr=0.003" in record["trials"][0]["provenance"]["prior"]


@pytest.mark.parametrize("command", ["fit", "compare"])
def test_into_a_folder(command, folder, request, y):
    call = request.getfixturevalue(command)
    (folder / "made").mkdir()
    result = call("-o", "made", "--quiet")
    assert result.stdout == ""
    assert (folder / "made" / "record.json").exists()
    before = contents(folder)
    assert "exists already" in call("-o", "made", code=2).stderr
    assert contents(folder) == before
    call("-o", "made", "--overwrite")


def test_interrupted(compare, folder, monkeypatch):
    """The first network's results are written, and the exit code is that of Ctrl-C."""
    from invprior.experiments.trial import Task

    whole = Task.attempt

    def attempt(self, text, spec, label, watch):
        if text == "skip:down=[8,8]":
            raise KeyboardInterrupt
        return whole(self, text, spec, label, watch)

    monkeypatch.setattr(Task, "attempt", attempt)
    result = compare("--networks", "skip:down=[8,8]", code=130)
    assert "results of 1 of 2 networks are written" in result.stderr
    rows = (folder / "invprior-out" / "y-ablation" / "ablation.csv").read_text().splitlines()
    assert len(rows) == 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["impedance", "nothing.png"], 'no file "nothing.png"'),
        (["impedance", "y.png", "--prior", "tv"], "must be a network alone"),
        (["impedance", "y.png", "--steps", 0], "steps"),
        (["impedance", "y.png", "-o", "nowhere"], 'the folder "nowhere" does not exist'),
        (["ablation", "y.png", "--lr", "fast"], "must be FAMILY=RATE"),
        (["ablation", "y.png", "--lr", "skip=-1"], "The lr of skip must be"),
        (["ablation", "y.png", "--operator", "inpant"], 'did you mean "inpaint"?'),
        (["ablation", "y.png", "--networks", "skipp"], "No network gave an image"),
    ],
)
def test_bad_input(refused, y, arguments, expected):
    assert expected in refused("experiment", *arguments)


def test_help_names_the_actual_defaults(run):
    shown = " ".join(run("experiment", "ablation", "--help").stdout.replace("│", " ").split())
    for default in (ablation.OPERATOR, ablation.NOISE, f"Default: {ablation.STEPS}."):
        assert default in shown
    shown = " ".join(run("experiment", "impedance", "--help").stdout.replace("│", " ").split())
    for default in (impedance.NOISE, f"Default: {impedance.STEPS}."):
        assert default in shown


def test_the_figure_is_an_image(fit, folder):
    fit("-q")
    assert images.load(folder / "invprior-out" / "y-impedance" / "impedance.png").x.shape[1] in (
        3,
        4,
    )
