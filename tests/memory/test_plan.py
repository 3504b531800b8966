"""Which way is taken at which limit, and what is refused before the first step."""

from dataclasses import replace
from types import SimpleNamespace

import psutil
import pytest
import torch

from invprior.builders.problem import build
from invprior.builders.solver import select_solver
from invprior.errors import IncompatibleError, OptionError
from invprior.io import room
from invprior.memory import plan
from invprior.memory.forecast import estimate
from invprior.memory.plan import plan_memory
from invprior.memory.size import available, parse_size, size_text
from invprior.networks.skip import Skip
from invprior.priors.dip import DIP
from invprior.problem.functionals import as_prior
from invprior.problem.solution import Interrupted
from invprior.runner.api import solve
from invprior.solvers.adam import Adam

NOISE = "gaussian:sigma=0.1"


def planned(problem, solver, limit):
    return plan_memory(select_solver(problem, solver), limit)


def small(**options):
    """A network of few weights, whose memory is its maps."""
    net = Skip(down=(16, 16), skip=4)
    return DIP(net=net, members=1, **{"precision": "full", **options})


def problem_of(prior, size=(320, 384), operator="denoise"):
    y = torch.rand((1, 1, *size), generator=torch.Generator().manual_seed(0))
    return build(y, operator=operator, prior=prior, noise=NOISE)[0]


def needs(**options):
    return estimate(problem_of(small(**options)), Adam()).total


@pytest.fixture
def fast(monkeypatch):
    """A device that computes in bfloat16."""
    monkeypatch.setattr("invprior.priors.dip.computes_in_bfloat16", lambda device: True)


@pytest.mark.usefixtures("fast")
def test_each_way_at_its_limit():
    plain, narrow = needs(), needs(precision="bfloat16")
    both = needs(precision="bfloat16", recompute=True)
    assert both < narrow < plain
    found = [planned(problem_of(small()), "adam", n) for n in (plain, narrow, both, both - 1)]
    settings = [
        (w.problem.reparameterization.precision, w.problem.reparameterization.recompute)
        for w in found
    ]
    assert settings[:3] == [("full", False), ("bfloat16", False), ("bfloat16", True)]
    assert [w.tile is None for w in found] == [True, True, True, False]
    assert found[0].note is None
    assert "it runs with precision=bfloat16, in about" in found[1].note
    assert "recompute=true" in found[2].note
    assert "tiles of" in found[3].note
    for w, limit in zip(found, (plain, narrow, both, both - 1), strict=True):
        assert w.needs <= limit == w.limit


def test_recomputing_comes_first_where_bfloat16_is_slow(monkeypatch):
    monkeypatch.setattr("invprior.priors.dip.computes_in_bfloat16", lambda device: False)
    found = planned(problem_of(small()), "adam", needs(recompute=True))
    assert found.problem.reparameterization.recompute
    assert found.problem.reparameterization.precision == "full"


def test_pixels_go_to_tiles():
    problem = problem_of("tv", (1000, 1000))
    whole = planned(problem, "auto", "1GB")
    assert whole.tile is None
    tiled = planned(problem, "auto", whole.needs // 2)
    assert 128 < tiled.tile < 1000
    assert "tiles" in tiled.note


def test_nothing_fits():
    with pytest.raises(
        OptionError,
        match=r'"memory_limit" .* at least .*MB.* got 1 MB.* smaller image or network',
    ):
        planned(problem_of(small()), "adam", "1MB")
    with pytest.raises(OptionError, match="blur does not act locally, so tiles do not help"):
        planned(problem_of(small(), operator="blur:boundary=circular"), "adam", "1MB")


def test_more_than_is_free_is_refused_unless_a_limit_is_given(monkeypatch):
    problem = problem_of(small())
    free = needs() - 1
    monkeypatch.setattr(plan, "available", lambda device: free)
    with pytest.raises(OptionError, match=r"needs about .*are free.*--memory-limit"):
        planned(problem, "adam", None)
    assert planned(problem, "adam", free).note is not None
    free += 1
    assert planned(problem, "adam", None).needs == free
    free = 10**9
    assert planned(problem_of(small(), (64, 64)), "adam", None).needs is None  # too small to matter


def test_what_does_not_fit_the_solver_is_refused_as_ever():
    with pytest.raises(IncompatibleError, match="Use adam"):
        planned(problem_of(small()), "fista", "1MB")


def test_a_solution_says_how_it_was_solved():
    y = torch.rand((2, 1, 96, 160), generator=torch.Generator().manual_seed(0))
    one = build(y[:1], prior=small(), noise=NOISE)[0]
    limit = planned(one, "adam", "1GB").needs - 1
    given = {"prior": small(), "noise": NOISE, "solver": "adam", "steps": 2}
    found = solve(y, memory_limit=limit, **given)
    assert found.provenance["memory"]["limit"] == limit
    assert found.provenance["memory"]["estimated"] <= limit
    assert any("above the limit" in note for note in found.notes)


def test_recomputing_gives_the_same_bits():
    y = torch.rand((1, 1, 64, 64), generator=torch.Generator().manual_seed(0))
    given = {"noise": NOISE, "solver": "adam", "steps": 3}
    plain = solve(y, prior=small(weight_noise=0.01), **given)
    again = solve(y, prior=small(weight_noise=0.01, recompute=True), **given)
    assert torch.equal(plain.x, again.x)


def test_several_runs_in_tiles():
    y = torch.rand((1, 1, 100, 300), generator=torch.Generator().manual_seed(0))
    prior = DIP(net=Skip(down=(8,), skip=0), members=1, channels=4)
    one = build(y, prior=prior, noise=NOISE)[0]
    tiled = min(estimate(problem, Adam()).total for problem in _lean(one)) - 1
    found = solve(y, prior=prior, noise=NOISE, solver="adam", steps=1, runs=2, memory_limit=tiled)
    assert found.x.shape == y.shape
    assert found.deviation.max() > 0
    assert found.provenance["tiles"]["count"] > 1


def test_a_run_in_tiles_goes_on_where_it_was_cut_off(tmp_path):
    y = torch.rand((1, 1, 320, 160), generator=torch.Generator().manual_seed(0))
    one = build(y, prior=small(), noise=NOISE)[0]
    limit = min(estimate(problem, Adam()).total for problem in _lean(one)) - 1
    given = {"prior": small(), "noise": NOISE, "solver": "adam", "steps": 2, "memory_limit": limit}
    whole = solve(y, **given)
    count = whole.provenance["tiles"]["count"]
    assert count > 1
    seen = []

    def cut(now):
        seen.append(now.x)
        if len(seen) == 2 * count - 1:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        solve(y, callbacks=[cut], checkpoint=tmp_path / "kept", checkpoint_every=0, **given)
    rest = []
    again = solve(y, callbacks=[rest.append], checkpoint=tmp_path / "kept", **given)
    assert torch.equal(again.x, whole.x)
    assert len(rest) == 1
    assert not (tmp_path / "kept").exists()


def _lean(problem):
    priors = [problem.reparameterization, *problem.reparameterization.leaner(torch.device("cpu"))]
    return [replace(problem, prior=as_prior(prior)) for prior in priors]


@pytest.mark.parametrize(
    ("given", "size"),
    [("4GB", 4 * 10**9), ("1.5 GiB", 3 * 2**29), ("800m", 8 * 10**8), ("64", 64), (5, 5)],
)
def test_sizes(given, size):
    assert parse_size(given) == size


@pytest.mark.parametrize(
    "given",
    ["", "much", "-4GB", "4XB", 0, True, 1.5, "0GB", "9" * 20 + "TB", 10**16, "9" * 20000 + "x"],
)
def test_what_is_no_size(given):
    with pytest.raises(OptionError, match='"memory_limit" must be a size such as "4GB"'):
        parse_size(given)


def test_sizes_as_text():
    assert [size_text(n) for n in (1, 2_400_000, 4 * 10**9)] == ["1 MB", "2 MB", "4.0 GB"]


def test_a_container_may_have_less_than_the_machine(monkeypatch, tmp_path):
    machine = SimpleNamespace(available=10**12)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: machine)
    for name, content in (
        ("memory.max", "5000"), ("memory.current", "3000"), ("memory.stat", "anon 1\ninactive_file 500\n")
    ):  # fmt: skip
        (tmp_path / name).write_text(content)
    assert room.container_free(tmp_path) == [2500]
    (tmp_path / "memory.max").write_text("max")
    assert room.container_free(tmp_path) == []
    monkeypatch.setattr(room, "container_free", lambda: [7])
    assert available(torch.device("cpu")) == 7
