import math
from dataclasses import replace
from pathlib import Path

import pytest

from invprior.errors import MeasurementError
from invprior.matrix.results import record
from invprior.matrix.results.record import Cell, Ending, FormatError, Record, Seconds

CELL = Cell(
    image="sample:camera:32",
    operator="blur",
    noise="gaussian:sigma=0.05",
    method="TV",
    prior="tv",
    solver="auto",
    stop="",
    seed=3,
)
WHOLE = Record(
    key="ab12",
    cell=CELL,
    status="ok",
    reason="",
    replay="invprior matrix run x.toml --cell ab12",
    metrics={"psnr": 30.25, "ssim": math.inf},
    baseline={"psnr": 20.0},
    seconds=Seconds(solve=1.5, whole=2.0),
    memory=1 << 20,
    calls={"forward": 7, "adjoint": 6},
    steps=6,
    stop=Ending(name="relative-change", ok=True, message="settled"),
    curve=({"step": 1, "seconds": 0.1, "psnr": 21.0},),
    image="ab12.png",
    files={"ab12.png": "00"},
    options={"prior": "tv"},
)


def test_a_record_survives_its_file(tmp_path: Path) -> None:
    (tmp_path / record.RECORDS).mkdir()
    path = record.save(tmp_path, WHOLE)
    assert path.name == "ab12.json"
    assert record.load(path) == WHOLE
    assert list(record.load_all(tmp_path)) == [WHOLE]


def test_an_older_record_is_replaced(tmp_path: Path) -> None:
    (tmp_path / record.RECORDS).mkdir()
    record.save(tmp_path, replace(WHOLE, status="crashed", reason="signal 11"))
    record.save(tmp_path, WHOLE)
    assert list(record.load_all(tmp_path)) == [WHOLE]


def test_unknown_fields_are_ignored() -> None:
    text = WHOLE.to_json().replace('"status"', '"later": 1,\n "status"')
    assert Record.from_json(text) == WHOLE


@pytest.mark.parametrize("text", ["", "{}", "[1]", WHOLE.to_json()[:200]])
def test_a_damaged_record_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(MeasurementError, match=r"x\.json.*cannot be read"):
        record.load(path)


def test_another_format_is_refused() -> None:
    text = WHOLE.to_json().replace('"format": 2', '"format": 9')
    with pytest.raises(FormatError, match=r"has format 9, and this release .* format 2"):
        Record.from_json(text)
