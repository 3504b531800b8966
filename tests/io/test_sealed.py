"""JSON files with a checksum, read back by the types of a dataclass."""

import contextlib
import json
import math
import os
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from invprior.errors import MeasurementError
from invprior.io import sealed, small_files
from invprior.io.typed import typed

VALUES = {"name": "a\u202e", "n": 3, "scores": [1.5, 1e-7], "none": None, "deep": {"nan": math.nan}}


def test_every_change_of_a_letter_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    sealed.write(path, VALUES)
    assert sealed.read(path) == VALUES | {"deep": {"nan": "nan"}}
    text, draw = path.read_bytes(), random.Random(0)
    for _ in range(300):
        at, byte = draw.randrange(len(text)), draw.randrange(256)
        path.write_bytes(text[:at] + bytes([byte]) + text[at + 1 :])
        with contextlib.suppress(MeasurementError):
            assert sealed.read(path) == sealed.unseal(
                text.decode()
            )  # white space, or the same byte


@pytest.mark.parametrize(
    "text",
    ["", "[1]", "{}", '{"a": NaN}', "[" * 100_000, '{"a": "\\ud800"}', '{"sha256": 1}', "9" * 5000],
)
def test_what_is_no_sealed_object_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(MeasurementError, match=r"x\.json"):
        sealed.read(path)


def test_what_is_no_plain_file_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"12345")
    (tmp_path / "latin").write_bytes(b"\xe9")
    monkeypatch.setattr(small_files, "LARGEST", 4)
    for name in ("pipe", "large", "latin", "absent", "x" * 300, ".", "a\0b"):
        with pytest.raises(MeasurementError, match=r"Cannot read|no file|folder|255 bytes"):
            small_files.read_text(tmp_path / name)
    with pytest.raises(MeasurementError, match="no plain file"):
        small_files.read_text(Path("/dev/zero"))


@dataclass(frozen=True, kw_only=True)
class Inner:
    n: int
    pair: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Outer:
    kind: Literal["a", "b"]
    inner: Inner
    name: str | None = None
    good: bool = True
    rows: tuple[Mapping[str, float], ...] = ()
    more: Mapping[str, int] = field(default_factory=dict)


WHOLE = Outer(kind="a", inner=Inner(n=2), name="x", rows=({"psnr": math.inf},), more={"k": 1})


def test_a_dataclass_survives_json() -> None:
    kept = json.loads(sealed.seal(asdict(WHOLE)))
    assert typed(Outer, kept | {"later": 1}, "it") == WHOLE
    assert typed(Outer, {"kind": "b", "inner": {"n": 1}}, "it") == Outer(kind="b", inner=Inner(n=1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "c"}, "it.kind must be one of a, b; got 'c'"),
        ({"kind": ["a"]}, "it.kind must be one of"),
        ({"inner": 3}, "it.inner must be an object; got 3"),
        ({"inner": {}}, "it.inner lacks n"),
        ({"inner": {"n": True}}, "it.inner.n must be an integer"),
        ({"inner": {"n": 2**70}}, "it.inner.n must be an integer below"),
        ({"inner": {"n": 1, "pair": [1]}}, "it.inner.pair must be a list of 2"),
        ({"name": 3}, "it.name must be a text"),
        ({"good": 1}, "it.good must be true or false"),
        ({"rows": {"a": 1}}, "it.rows must be a list"),
        ({"rows": [{"psnr": "3"}]}, r"it.rows\[0\].psnr must be a number; got '3'"),
        ({"rows": [{"psnr": 10**400}]}, "must be a number"),
        ({"more": {"k": 1.5}}, "it.more.k must be an integer"),
    ],
)
def test_a_wrong_type_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        typed(Outer, asdict(WHOLE) | change, "it")
