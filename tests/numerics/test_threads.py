"""The number of threads, and how they wait."""

import resource
import threading
import time

import pytest
import torch

from invprior.errors import OptionError
from invprior.numerics import cores, threads, waiting


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    for name in (*threads.CHOSEN_BY_USER, *waiting.CHOSEN_BY_USER):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_as_many_threads_as_the_quota_allows(two_threads, monkeypatch):
    assert threads.chosen()[0] == min(2, cores.usable())
    monkeypatch.setattr(cores, "quota", lambda: 0.75)
    assert threads.chosen() == (1, "the quota of this process allows 0.75 cores")
    threads.compute_with()
    assert torch.get_num_threads() == 1
    threads.compute_with(2)  # what the user asks for is above all
    assert torch.get_num_threads() == 2


def test_the_environment_stands(two_threads, monkeypatch):
    monkeypatch.setattr(cores, "quota", lambda: 0.75)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert threads.chosen() == (2, "OMP_NUM_THREADS set in the environment")
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    assert waiting.fixed_because() == "OMP_WAIT_POLICY set in the environment"


@pytest.mark.parametrize("wrong", [0, -1, 10**9])
def test_an_impossible_number_is_refused(wrong):
    before = torch.get_num_threads()
    with pytest.raises(OptionError, match=rf"--threads\) must be from 1 to 1024; got {wrong}"):
        threads.compute_with(wrong)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("used", "cores", "readings", "expected"),
    [
        # A second program on one of two cores, and its end: a pause of two readings is none.
        (2, 2, [0, 1, 1, 0, 0, 1, 0, 0, 0, 0], [0, 1, 1, 1, 1, 1, 1, 1, 0, 0]),
        (2, 2, [0.1, 0.2, 0.3], [0, 0, 1]),
        # Two of eight cores are enough as long as the others leave two.
        (2, 8, [5, 6, 6.2, 7], [0, 0, 0, 1]),
        (3, 2, [0], [1]),  # more threads than cores
    ],
)
def test_threads_sleep_while_others_use_their_cores(used, cores, readings, expected):
    decision = waiting.Decision(used, cores)
    assert [decision.take(others) for others in readings] == [bool(e) for e in expected]


def test_one_thread_waits_for_no_other():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    running = threading.active_count()  # other tests may have left some
    try:
        with waiting.suiting_the_load():
            assert threading.active_count() <= running
        assert "one thread" in waiting.fixed_because()
    finally:
        torch.set_num_threads(before)


def test_a_load_puts_waiting_threads_to_sleep_and_changes_no_bit(two_threads, monkeypatch):
    if reason := waiting.fixed_because():
        pytest.skip(reason)
    others = 0.0
    monkeypatch.setattr(waiting, "_FIRST", 0.001)
    monkeypatch.setattr(waiting, "_PERIOD", 0.001)
    monkeypatch.setattr(cores.Load, "others", lambda self: others)
    before, x = threading.active_count(), torch.rand(100_000)
    first = x.sum()
    with waiting.suiting_the_load(), waiting.suiting_the_load():
        assert threading.active_count() == before + 1
        others = float(len(cores.affinity()))
        while threading.active_count() == before + 1:
            time.sleep(0.001)
        time.sleep(0.02)
        # At the end of each loop in parallel, one of the threads sleeps until the other has finished.
        slept = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
        for _ in range(200):
            assert torch.equal(x.sum(), first)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - slept > 100
        others = -1.0
        while threading.active_count() > before + 1:
            time.sleep(0.001)
    assert threading.active_count() == before
