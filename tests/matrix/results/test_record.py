import math
from dataclasses import replace
from pathlib import Path

import pytest

from invprior.errors import MeasurementError
from invprior.io import sealed
from invprior.matrix.results import record
from invprior.matrix.results.record import Cell, Ending, FormatError, Record, Seconds
from tests.matrix.made import all_records

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
    assert record.load(path) == replace(WHOLE, replay=record.replay_of(path))
    assert [r.status for r in all_records(tmp_path)] == ["ok"]


def test_an_older_record_is_replaced(tmp_path: Path) -> None:
    (tmp_path / record.RECORDS).mkdir()
    record.save(tmp_path, replace(WHOLE, status="crashed", reason="signal 11"))
    record.save(tmp_path, WHOLE)
    assert [r.status for r in all_records(tmp_path)] == ["ok"]


def resealed(**change: object) -> str:
    """Return the text of the record with other values and a checksum that fits them."""
    return sealed.seal({**sealed.unseal(WHOLE.to_json()), **change})


def test_unknown_fields_are_ignored() -> None:
    assert Record.from_json(resealed(later=1)) == WHOLE


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[1]", WHOLE.to_json()[:200], "[" * 50_000, WHOLE.to_json().replace("30.25", "99")],
)
def test_a_damaged_record_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "ab12.json"
    path.write_text(text)
    with pytest.raises(MeasurementError, match=r"ab12\.json.*cannot be read"):
        record.load(path)


@pytest.mark.parametrize(
    "change",
    [
        {"key": "../../x"},
        {"key": "x/../ab12"},
        {"image": "../../.bashrc"},
        {"image": "cd34.png", "files": {"cd34.png": "00"}},  # another cell's
        {"truth": "../../.bashrc", "files": {"../../.bashrc": "00"}},
        {"truth": "/etc/passwd", "files": {"/etc/passwd": "00"}},
        {"measurement": "..", "files": {"..": "00"}},
        {"truth": "another.png", "files": {"another.png": "00", "ab12.png": "00"}},
        {"files": {}},
        {"seconds": {"solve": "nan"}},
        {"seconds": {"whole": -1}},
        {"memory": 1e9},
        {"steps": 10**30},
        {"windows": {"truth": [0, 1]}},
        {"windows": {"truth": [1, 0], "measurement": [0, 1]}},
        {"score_range": ["inf", 1]},
        {"cell": {}},
        {"status": "fine"},
        {"stop": [1]},
        {"curve": [{"psnr": None}]},
    ],
)
def test_a_record_that_no_run_writes_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    """Anybody can make the checksum fit."""
    path = tmp_path / "ab12.json"
    path.write_text(resealed(**change))
    with pytest.raises(MeasurementError, match=r"ab12\.json.*cannot be read"):
        record.load(path)


def test_a_record_under_the_name_of_another_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cd34.json"
    path.write_text(WHOLE.to_json())
    with pytest.raises(MeasurementError, match="that of another cell, ab12"):
        record.load(path)


def test_another_format_is_refused() -> None:
    with pytest.raises(FormatError, match=r"has format 9, and this release .* format 3"):
        Record.from_json(resealed(format=9))
    with pytest.raises(FormatError, match="has format 2"):  # without a checksum
        Record.from_json('{"format": 2}')
