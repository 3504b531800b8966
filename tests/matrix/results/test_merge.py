import fcntl
import hashlib
from dataclasses import replace

import pytest

from invprior.errors import MeasurementError
from invprior.io import sealed
from invprior.matrix.results import record
from invprior.matrix.results.merge import merge
from invprior.matrix.results.store import Store
from tests.matrix.conftest import SMALL
from tests.matrix.made import all_records


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
    for made in all_records(tmp_path / "all"):
        assert (tmp_path / "all" / "records" / made.image).is_file()
        assert str(tmp_path / "all") in made.replay


def test_two_results_of_one_cell_are_named_and_the_first_is_kept(halves, tmp_path):
    (mine,) = all_records(halves[0])
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
    (mine,) = all_records(halves[0])
    into = tmp_path / "all"
    record.save(halves[0], replace(mine, status="timeout", reason="slow"))
    merge(halves, into)
    record.save(halves[0], mine)
    assert merge(halves, into).taken == 1
    assert record.load(into / "records" / f"{mine.key}.json").status == "ok"


@pytest.mark.parametrize("harm", ["image", "shared", "options", "metrics", "json"])
def test_changed_records_are_left_out_and_named(halves, tmp_path, harm):
    (mine,) = all_records(halves[0])
    path = halves[0] / "records" / f"{mine.key}.json"
    if harm == "image":
        (halves[0] / "records" / mine.image).write_bytes(b"other")
    elif harm == "shared":
        truth = halves[0] / "images" / mine.truth
        truth.write_bytes(truth.read_bytes()[:-5])
    elif harm == "options":  # with a checksum that fits
        record.save(halves[0], replace(mine, options={**mine.options, "seed": 1}))
    elif harm == "metrics":
        record_text = path.read_text()
        path.write_text(record_text.replace(f'"psnr": {mine.metrics["psnr"]!r}', '"psnr": 99.0'))
        assert path.read_text() != record_text
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


def test_no_name_in_a_record_leads_out_of_the_folder(halves, tmp_path):
    """The record is sound in all else: its checksum fits, and the file that it names has the hash that it gives."""
    (mine,) = all_records(halves[0])
    secret = tmp_path / "home" / ".bashrc"
    secret.parent.mkdir()
    secret.write_text("mine")
    target = "../../home/.bashrc"
    hashes = {**mine.files, target: hashlib.sha256(b"mine").hexdigest()}
    path = tmp_path / "a" / "records" / f"{mine.key}.json"
    for change in ({"truth": target}, {"image": target}, {"key": "../../home/x"}):
        values = {**sealed.unseal(mine.to_json()), "files": hashes, **change}
        path.write_text(sealed.seal(values))
        done = merge(halves, tmp_path / "all")
        assert any(mine.key in fault for fault in done.damaged)
        store = Store.open(halves[0])
        assert all(cell.record is None for cell in store.inspect(store.jobs()))
        assert store.tidy(store.jobs()) == 0
    assert [p.name for p in secret.parent.iterdir()] == [".bashrc"]
    assert secret.read_text() == "mine"


def test_another_folder_is_not_merged_into(halves, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.png").write_bytes(b"")
    with pytest.raises(MeasurementError, match="is not empty and is no folder of results"):
        merge(halves, tmp_path / "mine")
    assert len(list((tmp_path / "mine").iterdir())) == 1


def test_a_folder_in_use_is_not_merged_into(halves, tmp_path):
    with (tmp_path / ".all.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # as another process holds it
        with pytest.raises(MeasurementError, match=r'Another run writes to the files of ".*all"'):
            merge(halves, tmp_path / "all")
    assert not (tmp_path / "all").exists()
