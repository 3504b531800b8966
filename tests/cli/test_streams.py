"""The name "-": an image on standard input, and the restoration on standard output."""

import io
import json
import sys

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from invprior.cli.app import app
from invprior.io import images

TV = ("--prior", "tv:weight=8", "--noise", "gaussian:sigma=0.1", "--steps", "2")


@pytest.fixture
def pipe(folder):
    """Call the program with bytes on standard input; return the bytes on standard output, and standard error."""

    def call(*arguments, given=b"", code=0):
        found = CliRunner().invoke(app, [str(a) for a in arguments], input=given)
        assert found.exit_code == code, found.output
        return found.stdout_bytes, found.stderr

    return call


def test_an_image_passes_through_and_no_file_is_left(pipe, y, folder):
    given = (folder / y).read_bytes()
    before = sorted(folder.rglob("*"))
    written, said = pipe("solve", "-", "-o", "-", *TV, given=given)
    assert Image.open(io.BytesIO(written)).size == (24, 16)
    assert "operator" in said
    assert sorted(folder.rglob("*")) == before
    quietly, said = pipe("solve", "-", "-o", "-", "-q", *TV, given=given)
    assert quietly == written
    assert "operator" not in said


def test_what_standard_input_gave_is_kept_like_a_file(pipe, y, folder):
    pipe("solve", "-", *TV, given=(folder / y).read_bytes())
    made = folder / "invprior-out" / "stdin-denoise-tv"
    record = json.loads((made / "record.json").read_text())
    assert record["image"] == "-"
    assert images.load(made / "restoration.png").x.shape == (1, 3, 16, 24)
    said, _ = pipe("reproduce", made / "record.json", given=(folder / y).read_bytes())
    assert b"It matches" in said


def test_degrade_makes_floats_for_the_next_program(pipe, folder):
    written, said = pipe("degrade", "sample:camera:16", "-o", "-", "--operator", "blur")
    assert said == ""
    assert np.load(io.BytesIO(written)).shape == (16, 16)
    restored, _ = pipe("solve", "-", "-o", "-", *TV, given=written)
    # Floats come back in the format in which they came.
    assert np.load(io.BytesIO(restored)).dtype == np.float32
    assert list(folder.iterdir()) == []


def test_what_cannot_be_meant_is_refused(pipe, y, folder, monkeypatch):
    assert "is empty" in pipe("solve", "-", *TV, code=2)[1]
    assert "is the beginning of no format" in pipe("solve", "-", *TV, given=b"hello", code=2)[1]
    assert "--json too" in pipe("solve", y, "-o", "-", "--json", *TV, code=2)[1]
    assert "2 images too" in pipe("solve", y, "sample:camera:16", "-o", "-", *TV, code=2)[1]
    assert "by a command of its own" in pipe("solve", y, "-", *TV, code=2)[1]
    stack = io.BytesIO()
    np.save(stack, np.zeros((2, 8, 9), np.float32))
    assert "holds 2 images" in pipe("solve", "-", *TV, given=stack.getvalue(), code=2)[1]
    # A terminal has no bytes of an image.
    monkeypatch.setattr(sys, "stdin", type("Terminal", (), {"isatty": lambda _: True})())
    from invprior.cli import streams
    from invprior.errors import MeasurementError

    with pytest.raises(MeasurementError, match="is a terminal"):
        streams.received(None)
