"""A plugin that crashes its process costs one row, which has the reason and the command that replays it."""

from dataclasses import replace

import psutil
import pytest

from invprior.matrix.config.sections import Limits
from invprior.matrix.results import record
from invprior.matrix.results.base_record import base_record
from tests.matrix.conftest import SMALL

pytestmark = pytest.mark.usefixtures("hostile")

REASONS = {
    "segfault": ("crashed", "SIGSEGV"),
    "eater": ("out-of-memory", "the limit of 150MB"),
    "sly": ("out-of-memory", "the limit of 150MB"),
    "endless": ("timeout", "the limit of 1 s"),
    "quitter": ("crashed", "SystemExit: I quit"),
    "vanisher": ("crashed", "exit code 7; it last printed: last words"),
    "zero": ("crashed", "exit code 0"),
    "family": ("out-of-memory", "the limit of 150MB"),
    "babbler": ("ok", ""),
    "daemon": ("ok", ""),
    "raiser": ("crashed", "KeyError: 'no such thing'"),
}


def limited(job):
    """Set tight limits only for cells that must meet them: a loaded machine is slow."""
    limits = {
        "endless": Limits(seconds=1),
        "eater": Limits(memory="150MB"),
        "sly": Limits(memory="150MB"),
        "family": Limits(memory="150MB"),
    }
    return replace(job, limits=limits.get(job.cell.method.partition("/")[2], job.limits))


def alive(file):
    """Whether the process of that number runs; one that was killed and not yet waited for does not."""
    pid = int(file.read_text())
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_each_costs_one_row_and_affects_no_other(made, computed, tmp_path):
    names = ", ".join(
        f'{{prior = "hostile/{name}:weight=1", label = "hostile/{name}"}}' for name in REASONS
    )
    hostile = f'{names}, "torn/torn:weight=1", "foreign/system", "foreign/main", "nobody/tv", {{denoiser = "nlm"}}'
    text = SMALL.replace('"tv:weight=8"', f'{hostile}, "tv:weight=8"')
    store = made(text)
    records = computed(store, [limited(job) for job in store.jobs()])
    found = {r.cell.method: r for r in records.values()}
    assert len(found) == len(REASONS) + 7
    for name, (status, reason) in REASONS.items():
        record = found[f"hostile/{name}"]
        assert (record.status, reason in record.reason) == (status, True), (name, record.reason)
    assert found["torn/torn:weight=1"].status == "crashed"
    assert "not_there_at_all" in found["torn/torn:weight=1"].reason
    for name in ("foreign/system", "foreign/main"):
        assert (found[name].status, "broken" in found[name].reason) == ("crashed", True)
    assert not alive(tmp_path / "daemon.pid")
    assert found["nobody/tv"].status == "missing-package"
    assert "pip install nobody" in found["nobody/tv"].reason
    assert all(r.replay.endswith(f"records/{r.key}.json") for r in found.values())
    assert {found[n].status for n in ("tikhonov:weight=30", "tv:weight=8", "nlm")} == {"ok"}

    alone = made(SMALL, folder="alone")
    for key, record in computed(alone).items():
        assert record.result_sha256 == records[key].result_sha256


def test_an_earlier_record_is_not_taken_for_that_of_a_cell_that_exits_with_code_0(made, computed):
    store = made(SMALL.replace('"tv:weight=8"', '"hostile/zero:weight=1"'))
    job = next(j for j in store.jobs() if "zero" in j.cell.prior)
    record.save(store.folder, base_record(job, "ok"))
    found = computed(store, [job])[job.key]
    assert (found.status, found.reason) == ("crashed", "its process ended with exit code 0")


def test_what_does_not_fit_is_a_row_with_its_reason(made, computed):
    text = SMALL.replace('operators = ["denoise"]', 'operators = ["blur"]')
    (only,) = computed(
        made(text.replace('"tikhonov:weight=30", "tv:weight=8"', '{denoiser = "nlm"}'))
    ).values()
    assert only.status == "incompatible"
    assert "pnp:denoiser=nlm" in only.reason
    assert only.metrics == {}
