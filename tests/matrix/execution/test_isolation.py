"""A plugin that crashes its process costs one row, which has the reason and the command that replays it."""

from dataclasses import replace

import pytest

from invprior.matrix.config.sections import Limits
from tests.matrix.conftest import SMALL

pytestmark = pytest.mark.usefixtures("hostile")

REASONS = {
    "segfault": ("crashed", "SIGSEGV"),
    "eater": ("out-of-memory", "the limit of 150MB"),
    "sly": ("out-of-memory", "the limit of 150MB"),
    "endless": ("timeout", "the limit of 1 s"),
    "quitter": ("crashed", "SystemExit: I quit"),
    "vanisher": ("crashed", "exit code 7; it last printed: last words"),
    "raiser": ("crashed", "KeyError: 'no such thing'"),
}


def limited(job):
    """Set tight limits only for cells that must meet them: a loaded machine is slow."""
    limits = {
        "endless": Limits(seconds=1),
        "eater": Limits(memory="150MB"),
        "sly": Limits(memory="150MB"),
    }
    return replace(job, limits=limits.get(job.cell.method.partition("/")[2], job.limits))


def test_each_costs_one_row_and_affects_no_other(made, computed):
    names = ", ".join(
        f'{{prior = "hostile/{name}:weight=1", label = "hostile/{name}"}}' for name in REASONS
    )
    hostile = f'{names}, "torn/torn:weight=1", "nobody/tv", {{denoiser = "nlm"}}'
    text = SMALL.replace('"tv:weight=8"', f'{hostile}, "tv:weight=8"')
    store = made(text)
    records = computed(store, [limited(job) for job in store.jobs()])
    found = {r.cell.method: r for r in records.values()}
    assert len(found) == len(REASONS) + 5
    for name, (status, reason) in REASONS.items():
        record = found[f"hostile/{name}"]
        assert (record.status, reason in record.reason) == (status, True), (name, record.reason)
    assert found["torn/torn:weight=1"].status == "crashed"
    assert "not_there_at_all" in found["torn/torn:weight=1"].reason
    assert found["nobody/tv"].status == "missing-package"
    assert "pip install nobody" in found["nobody/tv"].reason
    assert all(r.replay.endswith(f"records/{r.key}.json") for r in found.values())
    assert {found[n].status for n in ("tikhonov:weight=30", "tv:weight=8", "nlm")} == {"ok"}

    alone = made(SMALL, folder="alone")
    for key, record in computed(alone).items():
        assert record.result_sha256 == records[key].result_sha256


def test_what_does_not_fit_is_a_row_with_its_reason(made, computed):
    text = SMALL.replace('operators = ["denoise"]', 'operators = ["blur"]')
    (only,) = computed(
        made(text.replace('"tikhonov:weight=30", "tv:weight=8"', '{denoiser = "nlm"}'))
    ).values()
    assert only.status == "incompatible"
    assert "pnp:denoiser=nlm" in only.reason
    assert only.metrics == {}
