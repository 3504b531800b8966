import math
from dataclasses import replace

import pytest

from invprior.matrix.analysis.statistics import Pair
from invprior.matrix.analysis.tasks import collect
from tests.matrix.made import made

EVERY = [
    made(m, p, s, 30 + len(m) + s) for m in ("tv", "none") for p in ("cat", "dog") for s in (0, 1)
]


def test_records_become_one_task_with_a_row_a_method():
    (task,) = collect(reversed(EVERY)).tasks
    assert task.title == "blur:sigma=1, gaussian:sigma=0.1"
    assert task.methods == ("none", "tv")
    assert task.pairs == (Pair("cat", 0), Pair("cat", 1), Pair("dog", 0), Pair("dog", 1))
    assert task.missing_results() == []
    psnr, ssim = collect(EVERY).measures
    assert (psnr.head, psnr.text(3), ssim.head, ssim.text(0.5)) == (
        "PSNR [dB]", "3.00", "SSIM", "0.5000",
    )  # fmt: skip
    assert task.compare(psnr).best == "none"
    assert task.baseline(psnr, task.pairs) == 20.5


def test_operators_and_noises_make_tasks():
    records = [made(operator="denoise"), made(noise=""), made()]
    assert [(t.operator, t.noise) for t in collect(records).tasks] == [
        ("blur:sigma=1", ""),
        ("blur:sigma=1", "gaussian:sigma=0.1"),
        ("denoise", "gaussian:sigma=0.1"),
    ]


def test_rows_under_one_label_are_distinguished():
    records = [made(solver="adam"), made(solver="fista"), made(solver="adam", operator="denoise")]
    blur, denoise = collect(records).tasks
    assert blur.methods == ("tv, adam", "tv, fista")
    assert denoise.methods == ("tv",)


def test_every_missing_result_has_its_reason():
    records = [
        *EVERY[1:],
        made("bm3d", "cat", 0, status="missing-package", reason="invprior-bm3d is not installed"),
        made("bm3d", "cat", 1, status="timeout"),
        made("bm3d", "dog", 0, math.inf),
    ]
    collection = collect(records)
    missing = {
        (m.method, m.pair): (m.status, m.reason) for m in collection.tasks[0].missing_results()
    }
    assert missing == {
        ("tv", Pair("cat", 0)): (None, "has not run yet"),
        ("bm3d", Pair("cat", 0)): ("missing-package", "invprior-bm3d is not installed"),
        ("bm3d", Pair("cat", 1)): ("timeout", "no reason given"),
        ("bm3d", Pair("dog", 0)): ("ok", "psnr, ssim is not finite and counts in no average"),
        ("bm3d", Pair("dog", 1)): (None, "has not run yet"),
    }
    found = collection.tasks[0].compare(collection.measures[0])
    assert found.apart == {"bm3d": "no result"}
    assert found.pairs == (Pair("cat", 1), Pair("dog", 0), Pair("dog", 1))


def test_a_failed_cell_counts_in_no_average_even_with_scores():
    diverged = replace(made(), status="diverged")
    collection = collect([diverged, made("none")])
    assert collection.tasks[0].compare(collection.measures[0]).methods == ("none",)


def test_a_newer_record_replaces_an_older_one():
    old, new = made(created="2026-01-01", psnr=10), made(created="2026-01-02", psnr=11)
    collection = collect([new, old])
    assert collection.older == (old,)
    assert collection.records == [new]


def test_the_plan_gives_order_and_missing_results_and_keeps_stale_records_out():
    stale, kept = made("tv", created="2"), made("tv", created="1")
    missing = made("none")
    planned = {kept.key: kept.cell, missing.key: missing.cell}
    collection = collect([stale, kept], planned)
    (task,) = collection.tasks
    assert task.methods == ("tv", "none")
    assert task.records["tv"] == {Pair("cat", 0): kept}
    assert [m.method for m in task.missing_results()] == ["none"]
    assert collection.older == (stale,)


def test_cells_that_the_configuration_leaves_out_are_not_waiting():
    records = [made(), made(seed=1), made("none", seed=1)]
    planned = {r.key: r.cell for r in records}
    (task,) = collect(records, planned).tasks
    assert [(m.method, m.pair, m.reason) for m in task.missing_results()] == [
        ("none", Pair("cat", 0), "left out by the configuration")
    ]


def test_a_metric_has_its_options_and_region_in_its_title():
    collection = collect([made(metrics={"psnr:luma=true,crop=4 (missing pixels)": 1.0})])
    (measure,) = collection.measures
    assert measure.head == "PSNR (luma=true, crop=4) (missing pixels) [dB]"


def test_a_metric_that_no_package_provides_is_named():
    collection = collect([made(metrics={"psnr": 1.0, "lpips": 2.0})])
    assert [m.name for m in collection.measures] == ["psnr"]
    assert "lpips" in collection.unknown["lpips"]


@pytest.mark.parametrize("pairs", [[], [Pair("cat", 9)]])
def test_no_baseline_without_a_known_one(pairs):
    collection = collect(EVERY)
    assert collection.tasks[0].baseline(collection.measures[0], pairs) is None
