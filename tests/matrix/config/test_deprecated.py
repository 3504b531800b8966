"""Words of earlier releases in configurations, patterns and baselines; accepted for one release."""

import json
from dataclasses import asdict

import pytest

from invprior.errors import OptionError
from invprior.matrix.analysis.regression import read
from invprior.matrix.config.matrix import parse
from tests.matrix.made import made

OLD = """
pictures = ["sample:camera:16", "sample:coins:16"]
priors = ["tv", { label = "smooth", simple = "first-guess" }, { prior = "tikhonov", weights = "tuned" }]

[[exclude]]
picture = "sample:coins*"
prior = "first-guess"

[tuning]
pictures = ["sample:moon:16"]

[protocol]
truth = "{picture}"
measurement = "noisy/{picture}.png"
"""
NEW = OLD.replace("picture", "image").replace("first-guess", "initial-estimate")


def test_a_file_with_the_old_words_is_the_same_matrix():
    old, new = parse("m", OLD), parse("m", NEW)
    assert old == new
    assert old.protocol.measurement == "noisy/{image}.png"
    assert new.notes == ()


def test_each_old_word_has_a_note_that_names_the_new_one():
    notes = parse("m", OLD).notes
    assert len(notes) == 7
    assert (
        'the matrix m: the key "pictures" is deprecated, and the next release refuses it; write "images".'
        in notes
    )
    for text in (
        'write "initial-estimate"',
        'write "image"',
        "write prior=initial-estimate",
        "write {image}",
    ):
        assert any(text in note for note in notes)


def test_both_words_at_once_are_refused():
    with pytest.raises(OptionError, match='no key "pictures"'):
        parse(
            "m", 'images = ["sample:camera:16"]\npictures = ["sample:coins:16"]\npriors = ["tv"]\n'
        )


def test_a_baseline_with_the_old_words_has_the_same_cells(tmp_path):
    plain = made("tv").cell
    smooth = made("initial estimate", prior="initial-estimate", solver="").cell
    old = [asdict(plain), {**asdict(smooth), "prior": "first-guess", "method": "first guess"}]
    for cell in old:
        cell["picture"] = cell.pop("image")
    infos = [{"extra_info": {"cell": cell, "metrics": {"psnr": 30.0}}} for cell in old]
    path = tmp_path / "old.json"
    path.write_text(json.dumps({"benchmarks": infos}))
    assert read(path).keys() == {plain, smooth}
