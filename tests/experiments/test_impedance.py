import csv
import math
from itertools import pairwise

import pytest
import torch

from invprior import samples
from invprior.builders.problem import prior_from
from invprior.errors import IncompatibleError, InvpriorError, MeasurementError
from invprior.experiments.impedance import FILES, impedance, targets_for
from invprior.io import images

SMALL = "dip:preset=paper,net=skip(down=[16,16,16],padding=reflect,upsample=bilinear),channels=8,input_noise=0"
NAMES = ["image", "image + noise", "shuffled", "noise"]


@pytest.fixture(scope="module")
def result():
    return impedance(samples.load("astronaut", 32).x, prior=SMALL, steps=100)


def test_the_order_of_the_paper_holds_with_a_margin(result):
    """A mean log-loss that is higher by 0.2 is a loss that is higher by 22 % throughout the run."""
    levels = list(result.mean_log_loss().values())
    assert list(result.losses) == NAMES
    for easier, harder in pairwise(levels):
        assert harder > easier + 0.2, levels


def test_structure_is_fitted_before_noise(result):
    below = result.steps_below(0.03)
    assert below["image"] < below["image + noise"] < below["shuffled"]
    assert result.steps_below(0.0) == dict.fromkeys(NAMES)


def test_the_loss_is_the_mean_squared_error_of_the_output(result):
    """The first loss is that of the untrained network's output, before any step."""
    x = result.targets["image"]
    prior = prior_from(SMALL).terms[0].functional
    with torch.no_grad():
        output = prior.build(x, torch.Generator().manual_seed(0))()
    assert result.losses["image"][0] == pytest.approx(float((output - x).square().mean()), rel=1e-4)


def test_same_seed_same_losses(result):
    again = impedance(result.targets["image"], prior=SMALL, steps=3)
    for name in NAMES:
        assert again.losses[name] == result.losses[name][:3]


def test_targets():
    x = samples.load("astronaut", 32).x
    targets = targets_for(x, noise="gaussian:sigma=0.1", seed=1)
    assert torch.equal(targets["image"], x)
    assert float((targets["image + noise"] - x).std()) == pytest.approx(0.1, rel=0.1)
    assert not torch.equal(targets["shuffled"], x)

    def colours(image):
        return sorted(map(tuple, image[0].flatten(1).T.tolist()))

    assert colours(targets["shuffled"]) == colours(x)
    assert 0 <= targets["noise"].min() <= targets["noise"].max() <= 1
    assert float(targets["noise"].std()) == pytest.approx(math.sqrt(1 / 12), rel=0.05)
    other = targets_for(x, seed=2)
    assert all(not torch.equal(targets[n], other[n]) for n in NAMES[1:])


def test_files(result, tmp_path):
    paths = result.write(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(FILES)
    assert [p.name for p in paths] == list(FILES)
    with (tmp_path / "impedance.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["iteration", *NAMES]
    assert len(rows) == 100
    assert [int(row[0]) for row in rows] == list(range(1, 101))
    assert [float(row[1]) for row in rows] == pytest.approx(result.losses["image"], rel=1e-6)
    assert b"<svg" in (tmp_path / "impedance.svg").read_bytes()
    assert images.load(tmp_path / "impedance.png").x.std() > 0.01
    height, width = images.load(tmp_path / "targets.png").x.shape[2:]
    assert width > 3 * height
    before = (tmp_path / "impedance.svg").read_bytes()
    with pytest.raises(MeasurementError, match="exists already"):
        result.write(tmp_path)
    result.write(tmp_path, overwrite=True)
    assert (tmp_path / "impedance.svg").read_bytes() == before


def test_the_record_holds_what_repeats_the_experiment(result):
    record = result.record()
    assert record["noise"].startswith("gaussian:sigma=0.098,clip=true")
    assert "down=[16,16,16]" in record["prior"]
    assert record["provenance"]["noise"]["solver"].startswith("adam:")
    hashes = {p["measurement_sha256"] for p in record["provenance"].values()}
    assert len(hashes) == 4


def test_the_callback_gets_every_iterate():
    seen = []
    x = samples.load("camera", 16).x
    impedance(x, prior=SMALL, steps=2, watch=lambda name, now: seen.append((name, now.step)))
    assert seen == [(name, step) for name in NAMES for step in (1, 2)]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"prior": "tv"}, IncompatibleError, "must be a network alone"),
        ({"prior": "dip + tv"}, IncompatibleError, "must be a network alone"),
        ({"steps": 0}, InvpriorError, "steps"),
        ({"noise": "gauss"}, InvpriorError, "gaussian"),
        ({"noise": 0.1}, InvpriorError, "The noise must be"),
        ({"seed": -1.5}, InvpriorError, "seed"),
    ],
)
def test_bad_input(options, error, message):
    with pytest.raises(error, match=message):
        impedance(torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0)), **options)


def test_a_batch_is_refused():
    with pytest.raises(MeasurementError, match="batch of 2"):
        impedance(torch.zeros(2, 1, 16, 16))


def test_all_faults_are_reported_at_once():
    with pytest.raises(InvpriorError) as caught:
        impedance(torch.zeros(1, 1, 16, 16), prior="dipp", steps=0)
    assert "dipp" in str(caught.value)
    assert "steps" in str(caught.value)
