"""What a result carries."""

import json

import pytest
import torch

import invprior
from invprior import registry
from invprior.builders.problem import prior_from, stop_from
from invprior.provenance import _packages, data_hash, prior_text, stop_text
from invprior.registry.spec import Spec
from invprior.runner.api import solve


@pytest.fixture
def record(y):
    return solve(
        y,
        prior="tikhonov",
        noise="gaussian:sigma=0.1",
        solver="fista",
        stop="max-steps:steps=2",
        seed=7,
    ).provenance


def test_every_option_is_filled_in(record, y):
    assert record["operator"] == "denoise"
    assert record["fidelity"] == "gaussian:sigma=0.1,clipping=auto"
    assert record["prior"].startswith("tikhonov:weight=")
    assert record["solver"] == "fista:restart=true,momentum=true,force=false"
    assert record["stop"] == "max-steps:steps=2"
    assert (record["seed"], record["dtype"], record["device"]) == (7, "float32", "cpu")
    assert record["image_shape"] == record["measurement_shape"] == [2, 6, 5]
    assert record["measurements"] == 60
    assert record["noise_level"] == pytest.approx(0.1)
    assert record["measurement_sha256"] == data_hash(y)
    assert record["versions"]["torch"] == torch.__version__
    assert record["versions"]["invprior"] == invprior.__version__
    assert record["plugins"] == {}
    assert "solver_chosen_because" not in record


def test_it_is_json(record):
    assert json.loads(json.dumps(record)) == record


def test_it_makes_the_same_bits_again(record, y):
    first = solve(
        y,
        prior="tikhonov",
        noise="gaussian:sigma=0.1",
        solver="fista",
        stop="max-steps:steps=2",
        seed=7,
    )
    parts = {
        key: record[key] for key in ("operator", "fidelity", "prior", "solver", "stop", "seed")
    }
    assert torch.equal(solve(y, **parts).x, first.x)


def test_packages_of_parts_within_parts_are_recorded(monkeypatch):
    listed = [
        registry.Entry("priors", "x", package, version, "m:M")
        for package, version in (("acme", "1.0"), ("other", "2.0"), ("third", "3.0"))
    ]
    monkeypatch.setattr(registry, "entries", lambda: listed)
    specs = [Spec("acme/x"), Spec("pnp", {"denoiser": Spec("y", {"all": [Spec("other/x"), 1]})})]
    assert _packages(specs) == {"acme": "1.0", "other": "2.0"}


def test_the_hash_is_of_the_content(y):
    assert data_hash(y) == data_hash(y.clone())
    assert data_hash(y.transpose(2, 3)) == data_hash(y.transpose(2, 3).contiguous())
    assert data_hash(y) != data_hash(y + 1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "max-steps:steps=3",
        "relative-change | max-steps",
        "relative-change & max-steps | time-limit",
        "(relative-change | max-steps) & time-limit",
    ],
)
def test_rules_print_as_text_that_makes_them_again(text):
    rule = stop_from(text)
    assert stop_from(stop_text(rule)) == rule


def test_priors_print_with_their_weights(quadratic, drawn):
    prior = prior_from("tikhonov:weight=0.25 + tikhonov")
    again = prior_from(prior_text(prior))
    assert [t.weight for t in again.terms] == [t.weight for t in prior.terms]
    own = prior_text(drawn + 0.5 * quadratic)
    assert own.endswith(":Quadratic:weight=0.5")
    assert ":Drawn + " in own
