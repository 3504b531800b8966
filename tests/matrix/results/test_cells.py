from dataclasses import replace
from pathlib import Path

import pytest

from invprior import samples
from invprior.errors import MeasurementError, OptionError
from invprior.io.save import save
from invprior.matrix.config import specs
from invprior.matrix.config.matrix import parse
from invprior.matrix.results.cells import Job, Setting, jobs
from tests.matrix.conftest import SMALL

HERE = Path("results")


def keys(text, **setting):
    matrix = parse("small", text)
    made = jobs(matrix, Setting(**{"data": ".", **setting}), HERE)
    return {(j.cell.image, j.cell.operator, j.cell.method, j.cell.seed): j.key for j in made}


def test_one_more_prior_changes_no_other_key():
    before = keys(SMALL)
    after = keys(SMALL.replace('"tv:weight=8"', '"wavelet", "tv:weight=8", "none"'))
    assert len(after) == len(before) + 2
    assert before.items() <= after.items()


@pytest.mark.parametrize(
    "other",
    [
        SMALL.replace("0.05", "0.06"),
        SMALL.replace("camera:16", "camera:24"),
        SMALL.replace('operators = ["denoise"]', 'operators = ["blur"]'),
        SMALL + "seeds = [1]\n",
        SMALL + 'solvers = ["admm"]\n',
        SMALL + 'stops = ["max-steps:steps=3"]\n',
        SMALL.replace('["psnr"]', '["psnr", "ssim"]'),
        SMALL + "[protocol]\nrounded = true\n",
    ],
)
def test_whatever_changes_the_result_changes_the_key(other):
    assert not set(keys(SMALL).values()) & set(keys(other).values())


def test_settings_without_effect_on_the_result_change_no_key():
    same = SMALL.replace('"tv:weight=8"', '{prior = "tv:weight=8.0", label = "TV"}')
    limited = same + "[limits]\nseconds = 5\n"
    limited = 'published = "set5-x4"\n' + limited.replace('"TV"}', '"TV", published = "DIP"}')
    assert set(keys(limited).values()) == set(keys(SMALL).values())


def test_another_file_of_the_same_name_has_another_key(tmp_path):
    text = SMALL.replace("sample:camera:16", "x.png")
    save(tmp_path / "x.png", samples.load("camera", 16).x)
    before = keys(text, data=str(tmp_path))
    save(tmp_path / "x.png", samples.load("coins", 16).x, overwrite=True)
    assert not set(before.values()) & set(keys(text, data=str(tmp_path)).values())


def test_the_bytes_of_a_file_that_an_operator_names_change_the_key(tmp_path):
    text = SMALL.replace('operators = ["denoise"]', 'operators = ["inpaint:mask=m.png"]')
    save(tmp_path / "m.png", samples.load("camera", 16).x)
    before = keys(text, data=str(tmp_path))
    save(tmp_path / "m.png", samples.load("coins", 16).x, overwrite=True)
    assert not set(before.values()) & set(keys(text, data=str(tmp_path)).values())


def test_excluded_cells_are_left_out():
    text = SMALL.replace('["denoise"]', '["denoise", "blur:sigma=2"]')
    text += '[[exclude]]\noperator = "blur*"\nprior = "tv*"\n'
    assert {(o, m) for _, o, m, _ in keys(text)} == {
        ("denoise", "tikhonov:weight=30"),
        ("denoise", "tv:weight=8"),
        ("blur:sigma=2", "tikhonov:weight=30"),
    }


def test_the_same_cell_twice_is_refused():
    text = SMALL.replace('"tv:weight=8"', '"tv:weight=8", {prior = "tv:weight=8.0", label = "TV"}')
    with pytest.raises(OptionError, match='"tv:weight=8" and "TV" are the same method'):
        keys(text)


def test_a_missing_image_is_refused_with_the_remedy():
    with pytest.raises(MeasurementError, match="--data"):
        keys(SMALL.replace("sample:camera:16", "nothing.png"))


def test_a_job_survives_json():
    text = SMALL + "[protocol]\nborder = [1, 2]\n"
    for job in jobs(parse("small", text), Setting(data="."), HERE):
        assert Job.from_json(job.to_json()) == job


def test_a_tuned_cell_may_take_longer():
    text = SMALL.replace('"tv:weight=8"', '{prior = "tv", weights = "tuned"}')
    text += '[tuning]\nimages = ["sample:coins:16", "sample:moon:16"]\nbudget = 3\n[limits]\nseconds = 10\n'
    fixed, tuned = jobs(parse("small", text), Setting(data="."), HERE)
    assert (fixed.seconds, tuned.seconds) == (10, 10 * (1 + 3 * 2))
    assert replace(tuned, method=replace(tuned.method, weights="oracle")).seconds == 10 * (1 + 3)


def test_each_spec_is_resolved_once():
    text = SMALL.replace('"sample:camera:16"', '"sample:camera:16", "sample:coins:16"')
    specs._resolved.cache_clear()
    matrix = parse("small", f"{text}seeds = [0, 1, 2]\n")  # makes every spec, to check it
    made = specs._resolved.cache_info().misses
    assert len(list(jobs(matrix, Setting(data="."), HERE))) == 12
    assert specs._resolved.cache_info().misses == made == 6  # one text of each axis, two priors
