"""A folder of results as a run would have left it, half done, with hostile texts in it."""

from dataclasses import replace

import pytest

from invprior.matrix.results import record
from invprior.matrix.results.cells import Setting
from tests.matrix.made import begun, imaged, made

HOSTILE = "<img src=x onerror=alert(1)> & $x_1$ | \\"
REASON = "</script><script>document.title = 'owned'</script> it fell"
TEXT = f"""
title = "Cats & <dogs>"
images = ["sample:camera:24", "sample:coins:24"]
operators = ["blur:sigma=1"]
noises = ["gaussian:sigma=0.1"]
priors = [
    "tv", {{label = '{HOSTILE}', prior = "wavelet"}}, {{label = "DIP", prior = "dip"}},
    {{label = "no prior", prior = "none"}},
]
seeds = [0, 1]
"""
SCORES = {"tv": 27.0, HOSTILE: 25.0, "no prior": 20.0}


def filled(folder, text=TEXT, scores=SCORES, **setting):
    """Make the folder; DIP crashed on one image and has not run on the others."""
    store = begun(folder, text, Setting(data=str(folder.parent), **setting))
    for job in store.jobs():
        cell = job.cell
        if cell.method in scores:
            psnr = scores[cell.method] + cell.seed + 3 * ("coins" in cell.image)
            given = made(cell.method, cell.image, cell.seed, psnr)
        elif (cell.image, cell.seed) == ("sample:camera:24", 0):
            given = made(cell.method, cell.image, cell.seed, status="crashed", reason=REASON)
        else:
            continue
        given = replace(
            given, key=job.key, options=job.options, cell=cell, created="2026-01-01T00:00:00+00:00"
        )
        if given.status == "ok":
            given = imaged(folder, given, 24)
        record.save(folder, given)
    return store


@pytest.fixture
def store(tmp_path):
    return filled(tmp_path / "out")


@pytest.fixture
def fill(tmp_path):
    def fill(text, scores=SCORES, **setting):
        return filled(tmp_path / "out", text, scores, **setting)

    return fill
