"""The modes of torch that a caller may be in: no_grad, inference_mode, another default dtype."""

import contextlib

import pytest
import torch

import invprior
from invprior import samples
from invprior.operators.blur import Blur
from invprior.operators.inpaint import Inpaint

MODES = [torch.no_grad, torch.inference_mode]
RUNS = {
    "tv": {"operator": "denoise", "prior": "tv:weight=8"},
    "open weight": {"operator": "denoise", "prior": "tv"},
    "blur": {"operator": "blur", "prior": "tikhonov:weight=50", "solver": "adam"},
    "network": {"operator": "blur", "prior": "dip:net=skip(down=[4],skip=0),channels=2"},
    "holdout": {
        "operator": "inpaint:keep=0.7",
        "prior": "dip:net=skip(down=[4],skip=0),channels=2",
        "stop": "holdout:fraction=0.3 | max-steps:steps=3",
    },
    "reading": {
        "operator": "denoise",
        "prior": "dip:net=skip(down=[4],skip=0),input=measurement",
        "stop": "sure | max-steps:steps=3",
    },
    "self-reference": {
        "operator": "denoise",
        "prior": "dip:net=skip(down=[4],skip=0),channels=2",
        "stop": "self-reference | max-steps:steps=3",
    },
    "held-out weight": {"operator": "inpaint:keep=0.7", "prior": "tikhonov", "weight": "holdout"},
    "risk": {"operator": "blur", "prior": "tikhonov", "weight": "sure"},
    "runs": {
        "operator": "blur",
        "prior": "dip:net=skip(down=[4],skip=0),channels=2",
        "runs": 2,
        "stop": "max-steps:steps=2",
    },
    "start": {"operator": "denoise", "prior": "tikhonov", "x0": torch.zeros(1, 1, 16, 16)},
}


def picture():
    return samples.load("camera", 16).x


def inside(mode, make):
    with mode():
        return make()


@pytest.mark.parametrize("name", RUNS)
def test_solve_gives_the_same_bits(name):
    options = {"steps": 3, "noise": "gaussian:sigma=0.1", **RUNS[name]}
    expected = invprior.solve(picture(), **options).x
    for mode in MODES:
        found = inside(mode, lambda: invprior.solve(picture() + 0, **options).x)
        assert torch.equal(found, expected), mode


@pytest.mark.parametrize("mode", MODES)
def test_iterate_steps_in_every_mode(mode):
    def run(made):
        (problem,) = invprior.build(made, operator="blur", prior="tv", noise="gaussian:sigma=0.1")
        steps = invprior.iterate(problem, "adam")
        return [next(steps).x.clone() for _ in range(3)]

    expected = run(picture())
    found = inside(mode, lambda: run(picture() + 0))
    assert all(map(torch.equal, found, expected))


@pytest.mark.parametrize("mode", MODES)
def test_a_problem_of_one_mode_runs_in_another(mode):
    def made():
        y = picture() + 0
        operator = Blur((1, 16, 16), kernel=torch.ones(3, 3) / 9)
        return invprior.build(y, operator=operator, prior="tv", noise="gaussian:sigma=0.1")[0]

    expected = next(invprior.iterate(made(), "adam")).x
    assert torch.equal(next(invprior.iterate(inside(mode, made), "adam")).x, expected)
    assert torch.equal(inside(mode, lambda: next(invprior.iterate(made(), "adam")).x), expected)


@pytest.mark.parametrize("mode", MODES)
def test_what_simulate_makes_in_one_mode_runs_in_another(mode):
    def made():
        return invprior.simulate(picture() + 0, operator="inpaint:keep=0.7", noise="gaussian")

    options = {"prior": "tikhonov:weight=9", "noise": "gaussian:sigma=0.1", "solver": "adam"}
    y, operator = inside(mode, made)
    assert not y.is_inference()
    assert torch.equal(
        invprior.solve(y, operator=operator, steps=3, **options).x,
        invprior.solve(made()[0], operator=made()[1], steps=3, **options).x,
    )


@pytest.mark.parametrize("mode", MODES)
def test_weights_are_chosen_in_every_mode(mode):
    (problem,) = invprior.build(picture(), prior="tv", noise="gaussian:sigma=0.1")
    expected = invprior.choose_weights(problem)
    found = inside(mode, lambda: invprior.choose_weights(problem))
    assert found.prior.terms[0].weight == expected.prior.terms[0].weight


@contextlib.contextmanager
def double():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


OPERATORS = {
    "denoise": "denoise",
    "blur": "blur:sigma=1.2",
    "motion": "blur:kernel=motion,length=3,boundary=valid",
    "downsample": "downsample:factor=2",
    "inpaint": "inpaint:keep=0.7",
    "compose": "compose:operators=[blur,downsample(factor=2)]",
}


# Both priors and both ways with missing pixels meet every operator, not one another.
@pytest.mark.parametrize(
    ("prior", "nan"), [("tikhonov:weight=9", "refuse"), ("tv:weight=9", "mask")]
)
@pytest.mark.parametrize("name", OPERATORS)
def test_another_default_dtype_changes_nothing(name, prior, nan):
    y, _ = invprior.simulate(picture(), operator=OPERATORS[name], noise="gaussian:sigma=0.05")
    if nan == "mask":
        y[..., 0, 0] = float("nan")
    options = {
        "operator": OPERATORS[name],
        "prior": prior,
        "nan": nan,
        "steps": 4,
        "noise": "gaussian:sigma=0.05",
    }
    with double():
        found = invprior.solve(y, **options).x
        (problem,) = invprior.build(y, **{k: v for k, v in options.items() if k != "steps"})
        start = problem.initial_estimate()
        again = invprior.simulate(picture(), operator=options["operator"], noise="gaussian")[0]
    assert (found.dtype, start.dtype, again.dtype) == (torch.float32,) * 3
    assert torch.allclose(found, invprior.solve(y, **options).x, atol=1e-5)


def test_an_operator_of_the_user_is_not_changed():
    with torch.inference_mode():
        own = Inpaint((1, 16, 16), keep=0.5)
    before = own.known
    invprior.solve(picture(), operator=own, prior="tikhonov:weight=9", solver="adam", steps=2)
    assert own.known is before
