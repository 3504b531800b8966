import pytest
import torch

from invprior.builders.solver import select_solver
from invprior.matrix.execution import plan
from invprior.matrix.execution.data import prepare
from invprior.matrix.execution.restore import problem_of
from tests.matrix.conftest import SMALL


@pytest.mark.parametrize(("size", "crops"), [(200, [64, 128]), (100, [64, 100]), (40, [40])])
def test_a_step_is_extrapolated_from_two_crops(made, monkeypatch, size, crops):
    """The time of a step has a constant part, and one that grows with the pixels."""
    seen = []

    def fastest(problem, solver):
        seen.append(problem.y.shape[-1])
        return 0.5 + 1e-4 * problem.y.numel()

    monkeypatch.setattr(plan, "_fastest", fastest)
    store = made(SMALL.replace("camera:16", f"camera:{size}"))
    job = store.jobs()[0]
    assert plan._step_seconds(job, prepare(job), None) == pytest.approx(0.5 + 1e-4 * size**2)
    assert seen == crops


def test_steps_are_timed_with_the_threads_of_a_cell(made, monkeypatch):
    seen = []

    def fastest(problem, solver):
        seen.append(torch.get_num_threads())
        return 1.0

    monkeypatch.setattr(plan, "_fastest", fastest)
    before = torch.get_num_threads()
    store = made(threads=before + 1)
    (row, _) = plan.plan(store.inspect(store.jobs()))
    assert seen == [before + 1, before + 1]
    assert torch.get_num_threads() == before
    assert row.seconds > 1


def test_a_timed_step_takes_time(made):
    job = made().jobs()[0]
    problem = problem_of(job, prepare(job))
    assert plan._fastest(problem, select_solver(problem, "auto").solver) > 0


def test_estimates_take_a_limited_time(made, monkeypatch):
    monkeypatch.setattr(plan, "LONGEST", 0.0)
    store = made()
    assert [row.seconds for row in plan.plan(store.inspect(store.jobs()))] == [None, None]
