import csv
import time

import pytest
import torch
from torch import nn

from invprior import registry, samples
from invprior.errors import InvpriorError, PluginError
from invprior.experiments import ablation as module
from invprior.experiments.ablation import FILES, NETWORKS, ablation
from invprior.experiments.trial import labels
from invprior.io import images
from invprior.metrics.psnr import PSNR
from invprior.networks.skip import Skip
from invprior.registry.spec import parse

TASK = {"operator": "inpaint:keep=0.5", "noise": "gaussian:sigma=0.01", "steps": 13}
TWO = ["skip:down=[8]", "skip:down=[8,8]"]


@pytest.fixture(scope="module")
def x():
    return samples.load("astronaut", 16).x


@pytest.fixture(scope="module")
def result(x):
    return ablation(x, networks=[*TWO, "skipp", "skip:down=[8],skip_filter=2"], **TASK)


def test_each_network_is_measured(result, x):
    assert [
        t.label for t in result.measured
    ] == TWO  # one skip cannot be built and has no depth, so labels are whole specs
    for trial in result.measured:
        assert trial.ok
        assert trial.steps == 13
        assert trial.seconds > 0
        assert trial.psnr == pytest.approx(float(PSNR().measure(trial.x, x)))
        assert [point.step for point in trial.curve] == [1, 10, 13]
        assert trial.curve[-1].psnr == trial.psnr
        assert trial.best.psnr == max(point.psnr for point in trial.curve)
        assert trial.curve[0].seconds < trial.curve[-1].seconds == trial.seconds
        assert 0 < trial.ssim < 1
    shallow, deep = result.measured
    network = Skip(down=(8,)).build(8, 3, torch.Generator().manual_seed(0))
    assert shallow.parameters == sum(p.numel() for p in network.parameters())
    assert deep.parameters > shallow.parameters


def test_a_refused_network_is_a_row_with_the_reason(result):
    unknown, even = result.trials[2:]
    assert not unknown.ok
    assert 'did you mean "skip"?' in unknown.end
    assert "must be odd" in even.end
    assert unknown.x is even.x is None


def test_files(result, tmp_path):
    result.write(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(FILES)
    with (tmp_path / "ablation.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["network"] for row in rows] == [t.network for t in result.trials]
    assert float(rows[1]["psnr_db"]) == pytest.approx(result.trials[1].psnr, rel=1e-6)
    assert rows[2]["psnr_db"] == ""
    assert "did you mean" in rows[2]["end"]
    with (tmp_path / "curves.csv").open(newline="") as file:
        points = list(csv.DictReader(file))
    assert [p["iteration"] for p in points] == ["1", "10", "13"] * 2
    assert b"<svg" in (tmp_path / "ablation.svg").read_bytes()
    assert images.load(tmp_path / "ablation.png").x.std() > 0.01


def test_the_record_holds_what_repeats_the_experiment(result):
    record = result.record()
    assert record["operator"].startswith("inpaint:keep=0.5")
    assert record["noise"].startswith("gaussian:sigma=0.01")
    prior = record["trials"][1]["provenance"]["prior"]
    assert "down=[8,8]" in prior
    assert "members=1" in prior
    assert record["trials"][2]["provenance"] == {}


def test_rates_by_family(x):
    made = ablation(x, networks=["skip:down=[8]"], rates={"skip": 0.003}, **TASK)
    assert "lr=0.003" in made.trials[0].provenance["prior"]


def test_the_time_limit_applies_to_each_network(x):
    made = ablation(x, networks=TWO, time_limit=1e-9, **TASK)
    assert [t.steps for t in made.trials] == [1, 1]
    assert all(t.ok and "after 1 steps" in t.end for t in made.trials)


def test_the_time_of_callbacks_is_not_counted(x):
    with_callbacks = []

    def slow(label, iterate):
        time.sleep(0.1)
        with_callbacks.append(iterate.seconds)

    made = ablation(x, networks=TWO[:1], watch=slow, **TASK)
    assert (
        made.trials[0].seconds < with_callbacks[-1] - 11 * 0.1
    )  # the last sleep comes after the last time


def test_interrupted(x):
    def stop(label, iterate):
        if label == "skip, depth 2" and iterate.step == 5:
            raise KeyboardInterrupt

    made = ablation(x, networks=TWO, watch=stop, **TASK)
    assert made.interrupted
    assert [t.network for t in made.trials] == TWO[:1]
    assert made.record()["interrupted"]


def test_interrupted_before_the_first_has_finished(x):
    def stop(label, iterate):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ablation(x, networks=TWO, watch=stop, **TASK)


class Fails(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3, 1, 1))
        self.value = value

    def forward(self, z):
        if self.value is None:
            raise RuntimeError("no such size")
        return self.weight * self.value * torch.ones_like(z[:, :3])


@pytest.mark.parametrize(
    ("value", "message"), [(None, "RuntimeError: no such size"), (torch.nan, "diverged")]
)
def test_a_network_that_fails_does_not_end_the_experiment(x, monkeypatch, value, message):
    original = Skip.build

    def build(self, *arguments):
        return Fails(value) if self.depth == 1 else original(self, *arguments)

    monkeypatch.setattr(Skip, "build", build)
    made = ablation(x, networks=TWO, **TASK)
    assert [t.ok for t in made.trials] == [False, True]
    assert message in made.trials[0].end


def test_a_measurement_of_another_size_than_the_image(x, tmp_path):
    made = ablation(x, networks=TWO[:1], operator="downsample:factor=2", steps=1)
    assert made.start is None
    made.write(tmp_path)


def test_labels():
    texts = ["skip:down=[8]", "skip:down=[8,8]", "tree", "x:a=1", "x:a=2"]
    assert labels([parse(t) for t in texts]) == [
        "skip, depth 1",
        "skip, depth 2",
        "tree",
        "x:a=1",
        "x:a=2",
    ]
    same_depth = ["skip:down=[8]", "skip:down=[9]"]
    assert labels([parse(t) for t in same_depth]) == same_depth


def test_every_network_of_the_default_list_can_be_built():
    for text in NETWORKS:
        spec = parse(text)
        if any(entry.name == spec.name for entry in registry.entries("networks")):
            registry.create("networks", spec)
    assert module.STEPS > 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"operator": "inpant"}, "inpaint"),
        ({"noise": "gauss"}, "gaussian"),
        ({"networks": []}, "at least one"),
        ({"networks": ["skip:down=["]}, "skip"),
        ({"steps": 0}, "steps"),
        ({"time_limit": -1.0}, "seconds"),
        ({"rates": {"skip": 0.0}}, "The lr of skip must be"),
        ({"seed": "x"}, "seed"),
    ],
)
def test_bad_input(x, options, message):
    with pytest.raises(InvpriorError, match=message):
        ablation(x, **{"networks": TWO, **options})


def test_no_network_gives_an_image(x):
    with pytest.raises(
        PluginError, match=r'No network gave an image\.\nskipp: Unknown network "skipp"'
    ):
        ablation(x, networks=["skipp"], **TASK)
