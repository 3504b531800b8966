"""A network whose fit collapses returns to its last good weights."""

import itertools

import pytest
import torch
from torch import nn

import invprior
from invprior.fidelities.base import Fidelity
from invprior.problem.functionals import Reparameterization
from invprior.solvers.adam import Adam


class Fragile(nn.Module):
    """A network whose weights are changed once, from outside, at one call."""

    def __init__(self, x0, at, damage):
        super().__init__()
        self.theta = nn.Parameter(torch.full_like(x0, 0.5))
        self.at, self.damage, self.calls = at, damage, 0

    def forward(self):
        self.calls += 1
        if self.calls == self.at:
            with torch.no_grad():
                self.theta.add_(self.damage)
        return self.theta * 1.0


class Spoilt(Reparameterization):
    """A prior whose network collapses at a step."""

    default_solver = "adam:lr=0.02"

    def __init__(self, at=130, damage=30.0):
        super().__init__()
        self.at, self.damage = at, damage

    def build(self, x0, generator):
        return Fragile(x0, self.at, self.damage)


def run(steps, solver="adam", **options):
    y = torch.rand(1, 1, 6, 6, generator=torch.Generator().manual_seed(2))
    (problem,) = invprior.build(y, prior=Spoilt(**options), noise="gaussian:sigma=0.05")
    solver = Adam(lr=0.02, rollback=solver == "adam", average=0.0)
    objective = solver.route(problem)
    state = solver.init(objective, problem.initial_estimate(), torch.Generator())
    for _ in range(steps):
        state = solver.step(objective, state)
        yield state, float(objective.energy(state.x))


@pytest.mark.parametrize("damage", [30.0, float("nan")])
def test_a_collapse_is_undone_with_half_the_step_size_and_said(damage):
    *_, (state, energy) = run(200, damage=damage)
    assert energy < 1.0
    assert state.optimizer.param_groups[0]["lr"] == 0.01
    (note,) = state.notes
    assert "the fit collapsed at step 130" in note
    assert "returned to the weights of step 100" in note
    assert "halved the step size to 0.01" in note


def test_no_estimate_shows_the_collapse():
    worst = max(energy for step, (_, energy) in enumerate(run(200)) if step > 100)
    assert worst < 5.0


def test_without_it_the_fit_stays_spoilt():
    *_, (state, energy) = run(200, solver="plain adam")
    assert energy > 1e3
    assert state.notes == ()


def test_a_healthy_run_never_goes_back():
    *_, (state, _) = run(300, at=0)
    assert state.rollback.returns == 0
    assert state.optimizer.param_groups[0]["lr"] == 0.02


def test_a_passing_spike_is_no_collapse():
    """Input noise alone makes the energy of one step jump."""
    y = torch.zeros(1, 1, 2, 2)
    weights = nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([weights], lr=0.1)
    weights.sum().backward()
    optimizer.step()
    from invprior.solvers.rollback import Rollback

    watch = Rollback(optimizer, y)
    for step, energy in enumerate([1.0] * 60 + [20.0] + [1.0] * 40, 1):
        assert watch(step, torch.tensor(energy), y) is None
    found = [watch(step, torch.tensor(20.0), y) for step in range(101, 111)]
    assert any(found)


class Log(Fidelity):
    """A negative log-likelihood with its logarithm of a density: below 0 where the noise is weak."""

    def __init__(self, shift):
        super().__init__()
        self.shift = shift

    def value(self, prediction, y):
        return (0.5 * ((prediction - y) / 0.05).square() - self.shift).flatten(1).sum(1)

    @property
    def noise_level(self):
        return 0.05


def shifted(shift, steps, **options):
    y = torch.rand(1, 1, 6, 6, generator=torch.Generator().manual_seed(2))
    (problem,) = invprior.build(y, prior=Spoilt(**options), fidelity=Log(shift))
    solver = Adam(lr=0.02, rollback=True, average=0.0, back_projection=False, langevin=0.0)
    objective = solver.route(problem)
    state = solver.init(objective, problem.initial_estimate(), torch.Generator())
    for _ in range(steps):
        state = solver.step(objective, state)
    return state


@pytest.mark.parametrize("shift", [0.5, 2.0, 10.0, 1e4])
def test_an_energy_that_falls_below_0_is_no_collapse(shift):
    state = shifted(shift, 300, at=0)
    assert float(state.energy) < 0
    assert state.rollback.returns == 0
    assert state.notes == ()


@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0, 10.0])
@pytest.mark.parametrize("damage", [30.0, float("nan")])
def test_a_collapse_from_an_energy_below_0_is_undone(shift, damage):
    state = shifted(shift, 200, damage=damage)
    assert "the fit collapsed at step 130" in state.notes[0]
    assert len(state.notes) == 1
    assert state.optimizer.param_groups[0]["lr"] == 0.01


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_energies_of_either_sign_are_watched(sign):
    """An energy in units of its own; a constant added to it must not make a collapse."""
    weights = nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([weights], lr=0.1)
    weights.sum().backward()
    optimizer.step()
    from invprior.solvers.rollback import Rollback

    watch, x = Rollback(optimizer, torch.zeros(1, 1, 2, 2)), torch.zeros(1, 1, 2, 2)
    generator = torch.Generator().manual_seed(0)
    for step in range(1, 400):
        level = 100.0 * 0.98**step + sign * 50.0 + torch.randn((), generator=generator)
        assert watch(step, level, x) is None
    assert any(watch(step, torch.tensor(400.0), x) for step in range(400, 420))


def test_langevin_noise_moves_the_filters_alone_by_its_own_stream():
    y = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    net = "dip:net=skip(down=[4],skip=0),input_noise=0,channels=2"

    def weights(langevin, seed=0):
        (problem,) = invprior.build(
            y, prior=f"{net},lr=0.01,langevin={langevin}", noise="gaussian:sigma=0.1"
        )
        solver = Adam().completed(problem)
        objective = solver.route(problem)
        state = solver.init(
            objective, problem.initial_estimate(), torch.Generator().manual_seed(seed)
        )
        state = solver.step(objective, state)
        return {name: p.detach().clone() for name, p in state.variable.named_parameters()}

    plain, stirred, again = weights(0), weights(2), weights(2)
    lr = 0.01
    for name, before in plain.items():
        moved = stirred[name] - before
        assert torch.equal(stirred[name], again[name])
        if before.ndim == 1:
            assert torch.equal(moved, torch.zeros_like(moved)), name
        elif before.numel() > 100:
            assert moved.std().item() == pytest.approx(2 * lr, rel=0.2), name


def test_langevin_runs_reach_the_loop():
    y = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    net = "dip:net=skip(down=[4],skip=0),channels=2,langevin=2"
    (problem,) = invprior.build(y, prior=net, noise="gaussian:sigma=0.1")
    *_, now = itertools.islice(invprior.iterate(problem, "adam"), 3)
    assert torch.isfinite(now.x).all()
