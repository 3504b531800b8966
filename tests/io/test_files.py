import os
from contextlib import nullcontext

import pytest

from invprior.errors import MeasurementError
from invprior.io.files import atomic, inside, writable


def test_a_fresh_name_is_writable_and_not_made(tmp_path):
    assert writable(tmp_path / "x.json") == tmp_path / "x.json"
    assert list(tmp_path.iterdir()) == []


def test_faults_are_named_before_anything_is_written(tmp_path, monkeypatch):
    (tmp_path / "old").write_text("old")
    with pytest.raises(MeasurementError, match=r"exists already.*--overwrite"):
        writable(tmp_path / "old")
    writable(tmp_path / "old", overwrite=True)
    with pytest.raises(MeasurementError, match="it is a folder"):
        writable(tmp_path, overwrite=True)
    with pytest.raises(MeasurementError, match=r"does not exist\. Make it first"):
        writable(tmp_path / "none" / "x")
    with pytest.raises(MeasurementError, match="is a file, not a folder"):
        writable(tmp_path / "old" / "x")
    monkeypatch.setattr(os, "access", lambda path, _: path != tmp_path / "old")
    with pytest.raises(MeasurementError, match="the file is read-only"):
        writable(tmp_path / "old", overwrite=True)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(MeasurementError, match=r"folder .* is read-only"):
        writable(tmp_path / "x")


def test_the_name_appears_only_at_the_end(tmp_path):
    with atomic(tmp_path / "x") as file:
        file.write(b"all")
        assert not (tmp_path / "x").exists()
    assert (tmp_path / "x").read_bytes() == b"all"
    assert len(list(tmp_path.iterdir())) == 1


def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "plain").touch()
    with atomic(tmp_path / "x"):
        pass
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(
    "failure", [OSError("disk full"), KeyboardInterrupt(), ZeroDivisionError()]
)
def test_a_failure_keeps_the_old_file_and_leaves_nothing(tmp_path, failure):
    (tmp_path / "x").write_text("old")
    expected = MeasurementError if isinstance(failure, OSError) else type(failure)

    def write():
        with atomic(tmp_path / "x", overwrite=True) as file:
            file.write(b"half")
            raise failure

    with pytest.raises(expected):
        write()
    assert (tmp_path / "x").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_made_by_another_meanwhile_is_kept(tmp_path):
    def write():
        with atomic(tmp_path / "x") as file:
            file.write(b"mine")
            (tmp_path / "x").write_text("theirs")

    with pytest.raises(MeasurementError, match="exists already"):
        write()
    assert (tmp_path / "x").read_text() == "theirs"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("links", [True, False])
def test_a_file_made_at_the_last_moment_is_kept(tmp_path, monkeypatch, links):
    """Between the look at the name and the renaming, which would replace it."""
    plain = os.link

    def late(source, target):
        if not links:
            raise PermissionError("no links here")
        (tmp_path / "x").write_text("theirs")
        plain(source, target)

    monkeypatch.setattr(os, "link", late)
    end = pytest.raises(MeasurementError, match="exists already") if links else nullcontext()
    with end, atomic(tmp_path / "x") as file:
        file.write(b"mine")
    assert (tmp_path / "x").read_text() == ("theirs" if links else "mine")
    assert len(list(tmp_path.iterdir())) == 1


def test_a_name_from_a_file_stays_in_its_folder(tmp_path):
    assert inside(tmp_path, "x.png") == tmp_path / "x.png"
    for name in ("../x", "a/x", str(tmp_path / "x"), "..", ".", "", "x/", "a\0b", None, 3, ["x"]):
        with pytest.raises(MeasurementError, match="must be named by a plain name"):
            inside(tmp_path, name)
    with pytest.raises(MeasurementError, match="at most 255 bytes"):
        inside(tmp_path, "x" * 256)
