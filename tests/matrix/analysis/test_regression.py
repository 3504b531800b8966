import json
from dataclasses import asdict

import numpy as np
import pytest
from typer.testing import CliRunner

from invprior.cli.app import app
from invprior.errors import MeasurementError
from invprior.matrix.analysis.regression import compare, read
from invprior.matrix.results import record
from tests.matrix.made import made

IMAGES, SEEDS = ("cat", "dog"), (0, 1, 2)
CELLS = [made("dip", p, s).cell for p in IMAGES for s in SEEDS]
OTHERS = [made("tv", p, s).cell for p in IMAGES for s in SEEDS]


def scores(values, cells=CELLS, **more):
    return {c: {"psnr": float(v), **more} for c, v in zip(cells, values, strict=True)}


BASELINE = scores([30, 31, 32, 25, 26, 27])


def test_the_same_is_no_drop():
    report = compare(BASELINE, BASELINE)
    (verdict,) = report.verdicts
    assert report.passed
    assert (verdict.change, verdict.pairs) == (0.0, 6)


def test_a_drop_of_every_seed_is_found_however_different_the_images_are():
    report = compare(BASELINE, scores([29.5, 30.5, 31.5, 24.5, 25.5, 26.5]))
    assert not report.passed
    assert report.verdicts[0].change == pytest.approx(-0.5)


def test_a_drop_on_one_image_is_found():
    assert not compare(BASELINE, scores([30, 31, 32, 24.1, 25, 25.9])).passed


def test_scatter_of_the_seeds_is_no_drop():
    report = compare(BASELINE, scores([29, 32.2, 31, 25.9, 24.3, 27.6]))
    (verdict,) = report.verdicts
    assert verdict.change < 0
    assert report.passed


def test_a_drop_that_no_table_shows_is_allowed():
    assert compare(BASELINE, scores([v - 0.005 for v in (30, 31, 32, 25, 26, 27)])).passed


def test_a_gain_is_no_drop():
    assert compare(BASELINE, scores([40] * 6)).passed


def test_false_alarms_are_as_rare_as_promised():
    generator = np.random.default_rng(0)
    failed = 0
    for _ in range(1000):
        old = scores(generator.normal(300, 0.3, 6)) | scores(generator.normal(300, 0.1, 6), OTHERS)
        new = scores(generator.normal(300, 0.3, 6)) | scores(generator.normal(300, 0.1, 6), OTHERS)
        failed += not compare(_flat(old), _flat(new)).passed
    assert 0.03 <= failed / 1000 <= 0.07


def _flat(results):
    """Shift to a mean near zero, so that the smallest drop that counts has no effect."""
    return {c: {k: v - 300 for k, v in m.items()} for c, m in results.items()}


def test_lost_cells_fail_and_new_ones_do_not():
    fewer = dict(list(BASELINE.items())[1:])
    report = compare(BASELINE, fewer)
    assert report.lost == (CELLS[0],)
    assert not report.passed
    report = compare(fewer, BASELINE)
    assert (report.new, report.passed) == (1, True)


def test_a_score_that_is_gone_or_not_a_number_is_worse():
    assert not compare(BASELINE, {c: {} for c in CELLS}).passed
    assert not compare(BASELINE, scores([np.nan, 31, 32, 25, 26, 27])).passed
    perfect = scores([np.inf] * 6)
    assert compare(perfect, perfect).passed


def test_one_seed_is_not_enough_once_something_has_changed():
    cells = [c for c in CELLS if c.seed == 0]
    baseline = scores([30, 25], cells)
    assert compare(baseline, baseline).passed
    assert compare(baseline, scores([30.001, 24.999], cells)).passed  # sums in another order
    with pytest.raises(MeasurementError, match="at least two values"):
        compare(baseline, scores([29, 25], cells))


def test_different_matrices_are_refused():
    with pytest.raises(MeasurementError, match="no cell in common"):
        compare(BASELINE, scores([1] * 6, OTHERS))


@pytest.fixture
def folders(tmp_path):
    """A folder of records, and a benchmark file that is half a decibel worse."""
    (tmp_path / "old" / record.RECORDS).mkdir(parents=True)
    kept = [made("tv", p, s, 30 + s) for p in IMAGES for s in SEEDS]
    for one in kept:
        record.save(tmp_path / "old", one)
    record.save(tmp_path / "old", made("none", status="crashed"))
    worse = [
        {"extra_info": {"cell": asdict(r.cell), "metrics": {**r.metrics, "psnr": r.metrics["psnr"] - 0.5}}}
        for r in kept
    ]  # fmt: skip
    new = tmp_path / "new.json"
    new.write_text(json.dumps({"benchmarks": [*worse, {"extra_info": {}}]}))
    return tmp_path / "old", new


def test_both_kinds_of_results_are_read(folders):
    old, new = map(read, folders)
    assert len(old) == len(new) == 6
    assert old.keys() == new.keys()


def test_the_command_fails_on_a_drop(folders):
    def call(*arguments):
        return CliRunner().invoke(
            app, ["matrix", "regression", *map(str, arguments)], env={"COLUMNS": "200"}
        )

    old, new = folders
    result = call(old, new)
    assert result.exit_code == 1
    assert "worse" in result.stdout
    assert "-0.5000" in result.stdout
    assert "ssim" not in result.stdout  # unchanged
    assert "Worse" in result.stderr
    result = call(old, old, "--all")
    assert result.exit_code == 0
    assert "ssim" in result.stdout
    result = call(old, old / "nothing.json")
    assert result.exit_code == 2
    assert "neither a folder" in result.stderr
