"""Code of others runs in a process of its own: whatever it does there, each item has an outcome."""

import sys

from invprior.cli.trial import outcomes


def test_each_item_has_its_outcome():
    found = list(outcomes("time:sleep", [0, 100, 0], 0.5))
    assert found == [(None, None), (None, "it took longer than 0.5 s"), (None, None)]


def test_an_exit_is_no_result():
    ended = "its process ended with exit code 0"
    assert list(outcomes("os:_exit", [0, 0])) == [(None, ended)] * 2


def test_what_is_written_into_its_files_is_no_result(tmp_path, monkeypatch):
    (tmp_path / "babbler.py").write_text("""
import os

def babble(item):
    print("heard", flush=True)
    for number in range(3, 100):
        try:
            os.write(number, b'[0, 7\\n{}\\n[9]\\n"x"\\n[0, 1, 2]\\n')
        except OSError:
            pass
    return item
""")
    monkeypatch.syspath_prepend(tmp_path)
    assert list(outcomes("babbler:babble", ["a", "b"])) == [("a", None), ("b", None)]


def test_a_file_of_the_current_folder_is_not_taken_for_a_module(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    assert list(outcomes("builtins:abs", [-3])) == [(3, None)]
