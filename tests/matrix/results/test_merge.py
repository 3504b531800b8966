from dataclasses import replace

import pytest

from invprior.errors import MeasurementError
from invprior.matrix.results import record
from invprior.matrix.results.merge import merge
from tests.matrix.conftest import SMALL


@pytest.fixture
def halves(made, computed):
    """Two folders, with one of the two cells each."""
    stores = [made(folder="a"), made(folder="b")]
    for number, store in enumerate(stores):
        computed(store, [store.jobs()[number]])
    return [store.folder for store in stores]


def test_two_halves_are_merged(halves, tmp_path):
    done = merge(halves, tmp_path / "all")
    assert (done.taken, done.same, done.conflicts, done.damaged) == (2, 0, (), ())
    assert merge(halves, tmp_path / "all").same == 2
    for made in record.load_all(tmp_path / "all"):
        assert (tmp_path / "all" / "records" / made.image).is_file()
        assert str(tmp_path / "all") in made.replay


def test_two_results_of_one_cell_are_named_and_the_first_is_kept(halves, tmp_path):
    (mine,) = record.load_all(halves[0])
    merge(halves[:1], tmp_path / "all")
    other = replace(mine, result_sha256="f" * 64, metrics={"psnr": 1.0})
    record.save(halves[0], other)
    done = merge(halves, tmp_path / "all")
    (conflict,) = done.conflicts
    assert mine.key[:8] in conflict
    assert "psnr" in conflict
    kept = record.load(tmp_path / "all" / "records" / f"{mine.key}.json")
    assert kept.result_sha256 == mine.result_sha256


def test_a_success_replaces_a_failure(halves, tmp_path):
    (mine,) = record.load_all(halves[0])
    into = tmp_path / "all"
    record.save(halves[0], replace(mine, status="timeout", reason="slow"))
    merge(halves, into)
    record.save(halves[0], mine)
    assert merge(halves, into).taken == 1
    assert record.load(into / "records" / f"{mine.key}.json").status == "ok"


@pytest.mark.parametrize("harm", ["image", "options", "json"])
def test_changed_records_are_left_out_and_named(halves, tmp_path, harm):
    (mine,) = record.load_all(halves[0])
    path = halves[0] / "records" / f"{mine.key}.json"
    if harm == "image":
        (halves[0] / "records" / mine.image).write_bytes(b"other")
    elif harm == "options":
        path.write_text(
            path.read_text().replace('"seed": 0,\n  "device"', '"seed": 1,\n  "device"')
        )
    else:
        path.write_text(path.read_text()[:-20])
    done = merge(halves, tmp_path / "all")
    assert done.taken == 1
    (fault,) = done.damaged
    assert mine.key in fault


def test_another_matrix_is_refused(halves, made, tmp_path):
    other = made(SMALL.replace("0.05", "0.1"), folder="c")
    with pytest.raises(MeasurementError, match="differ in configuration"):
        merge([*halves, other.folder], tmp_path / "all")
