"""Damaged files of a matrix give a clear message, and no other result.

Of each kind, three times as many inputs are damaged as `tests.fuzzing` says, since each takes little time.
"""

import json
import random
import shutil

import pytest

from invprior.errors import InvpriorError
from invprior.io import sealed
from invprior.matrix.analysis.tasks import collect
from invprior.matrix.config.matrix import builtin_names, parse, read
from invprior.matrix.execution import reproduce
from invprior.matrix.report import csv_tables, figures, page
from invprior.matrix.results import record
from invprior.matrix.results.cells import Job, Setting, jobs
from invprior.matrix.results.explain import explain
from invprior.matrix.results.merge import merge
from invprior.matrix.results.store import MATRIX, Store
from invprior.matrix.results.verify import load_whole
from tests import fuzzing
from tests.fuzzing import timed
from tests.matrix import damage
from tests.matrix.made import begun, imaged, made

COUNT = 3 * fuzzing.COUNT
TEXT = """
title = "small"
images = ["sample:camera:16"]
noises = ["gaussian:sigma=0.05"]
priors = [{label = "TV", prior = "tv:weight=8"}, {simple = "measurement"}]
metrics = ["psnr"]
stops = ["max-steps:steps=3"]
seeds = [0, 1]
[[exclude]]
prior = "TV"
seed = 1
[protocol]
rounded = true
border = [1, 1]
[limits]
seconds = 60
memory = "1GB"
[tuning]
images = ["sample:coins:16"]
budget = 3
"""


@pytest.fixture
def store(tmp_path):
    """A folder with the record of one cell and its images."""
    store = begun(tmp_path / "out", TEXT, Setting(data=str(tmp_path), size=16))
    job = store.jobs()[0]
    given = made(job.cell.method, job.cell.image, options=job.options, job=job.rest())
    given = imaged(store.folder, given, 16)
    windows = {"truth": (0.0, 1.0), "measurement": (0.0, 2.0)}
    record.save(store.folder, record.replace(given, cell=job.cell, windows=windows, notes=("n",)))
    return store


def shown(store, *, drawn=False):
    """Use the records as status, explain and report do; drawing takes long."""
    planned = store.jobs()
    store.inspect(planned)
    store.superseded(planned)
    explain(store, planned, planned[0])
    records, _ = store.read()
    collection = collect(records.values(), {job.key: job.cell for job in planned})
    parts = page.parts(collection, None)
    for part in parts if drawn else ():
        for draw in (figures.quality_against_time, figures.curves):
            draw(part.task, collection.measures[0], part.task.compare(collection.measures[0]))
    page.facts(collection.records)
    csv_tables.cells(collection), csv_tables.methods(collection)
    return records


class NoPool:
    """Takes the cells that a pool would compute, as its worker reads them."""

    def __init__(self, *arguments):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def run(self, jobs):
        for job in jobs:
            assert Job.from_json(job.to_json()) == job
            assert job.seconds > 0
            assert job.limits.bytes >= 0
        return []


def used(store, path, folder, number):
    """Give a damaged record to the commands that read records; return it, or why it is refused."""
    made = timed(load_whole, path)
    if number % 10 == 0:  # the others take too long for each
        found = timed(shown, store, drawn=number % 50 == 0)
        assert isinstance(found, InvpriorError) or set(found) <= {path.stem}
        timed(merge, [store.folder], folder)
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    timed(reproduce.reproduce, path, folder)
    shutil.rmtree(folder)
    return made


@pytest.mark.parametrize("kind", ["letters", "values", "job"])
def test_a_damaged_record_is_no_other_result(store, tmp_path, monkeypatch, kind):
    """With the right checksum, as anybody can write it, other values are refused or can be shown and computed."""
    monkeypatch.setattr(reproduce, "ProcessPool", NoPool)
    draw = random.Random(COUNT)
    (path,) = record.paths(store.folder)
    text, whole = path.read_text(), record.load(path)
    known = sealed.unseal(text)
    outside = set(tmp_path.iterdir())
    for number in range(COUNT):
        if kind == "letters":
            path.write_text(damage.letters(text, draw))
        elif kind == "values":
            path.write_text(sealed.seal(damage.values(known, draw)))
        else:
            path.write_text(sealed.seal(known | {"job": damage.values(known["job"], draw)}))
        made = used(store, path, tmp_path / "other", number)
        if kind == "letters":
            assert isinstance(made, InvpriorError) or made == whole
    assert set(tmp_path.iterdir()) == outside


def test_a_damaged_folder_is_refused_or_another_matrix(store):
    draw = random.Random(COUNT)
    path = store.folder / MATRIX
    text = path.read_text()
    for number in range(COUNT):
        if number % 2:
            path.write_text(sealed.seal(damage.values(sealed.unseal(text), draw)))
            timed(lambda: Store.open(store.folder).jobs())
        else:
            path.write_text(damage.letters(text, draw))
            found = timed(Store.open, store.folder)
            assert isinstance(found, InvpriorError) or found == store
        timed(Store.planned, store.folder, "small", TEXT, store.setting)


def test_a_damaged_configuration_is_refused_or_another_matrix(tmp_path):
    draw = random.Random(COUNT)
    texts = [TEXT, *(read(name)[1] for name in builtin_names())]
    for _ in range(COUNT):
        text = damage.letters(draw.choice(texts), draw)
        timed(expanded, text, tmp_path)


def expanded(text, folder):
    return list(jobs(parse("x", text), Setting(data=str(folder)), folder))


NOISES = [f"gaussian:sigma={n}" for n in range(1, 11)]
HUGE = f"images = {json.dumps([str(n) for n in range(10**4)])}\nseeds = {list(range(10**4))}\nnoises = {NOISES}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("images = " + "[" * 5000 + "]" * 5000 + "\npriors = []\n", "nested too deeply"),
        ("a." * 3000 + "b = 1\n", "."),
        (f"{HUGE}priors = ['tv']\n", "has 1,000,000,000 cells, and a run has at most 100,000"),
        (TEXT.replace('prior = "TV"', f'prior = "{"*a" * 25}"'), "matches nothing"),
        (TEXT.replace("small", "a" * 10**6).replace('prior = "TV"', f'prior = "{"*a" * 25}b"'), "matches nothing"),
    ],
    ids=["deep", "dotted", "10^9 cells", "stars", "stars on a long text"],
)  # fmt: skip
def test_what_would_hang_or_fill_the_memory_is_refused_at_once(text, message):
    error = timed(parse, "x", text)
    assert message in str(error)
