"""What the page does, without NiceGUI: forms from the registry, runs, and the same elsewhere."""

import json
import shlex
import threading
from dataclasses import replace

import pytest
import torch

from invprior import registry
from invprior.registry.discovery import Entry
from invprior.ui import drawing, forms
from invprior.ui.choice import Choice, spec_text
from invprior.ui.run import Restoration, start

CHOICE = Choice(
    image="sample:camera:32", shown="sample:camera:32", simulate=True, operator="blur", prior="tv:weight=5",
    noise="", steps=4,
)  # fmt: skip


def test_a_run_is_what_its_command_and_its_lines_do():
    run = Restoration(CHOICE)
    start([run]).join(60)
    assert run.state == "done", run.message
    assert set(run.pictures) == {"truth", "measurement", "restoration"}
    assert run.curve[-1][0] == 4
    assert run.measure == "PSNR [dB]"
    assert run.file(".png").startswith(b"\x89PNG")
    record = json.loads(run.record())
    assert record["scores"]["psnr"] == pytest.approx(run.curve[-1][1])
    assert record["stop"]["name"] == "max-steps"
    names = {}
    exec(run.choice.python, names)
    assert torch.equal(names["solution"].x, run.solution.x)
    words = shlex.split(run.choice.command)
    assert words[:3] == ["invprior", "solve", "sample:camera:32"]
    assert run.choice.noise in words
    assert "--simulate" not in words  # a sample is simulated without it
    assert "--simulate" in replace(run.choice, image="/tmp/1.png", shown="my photo.png").command
    given = replace(run.choice, image="/tmp/1.png", shown="my photo.png", simulate=False, noise="")
    assert "invprior.solve('my photo.png', operator='blur', prior='tv:weight=5'" in given.python


def test_faults_are_the_messages_of_the_library_all_at_once():
    run = Restoration(replace(CHOICE, operator="blur:sigma=-1", prior="tv:weigth=5"))
    run.run()
    assert run.state == "failed"
    assert 'The option "sigma" of blur must be greater than 0; got -1.' in run.message
    assert 'tv has no option "weigth"' in run.message
    lost = Restoration(replace(CHOICE, image="/nowhere/1.png", shown="photo.png"))
    lost.run()
    assert '"photo.png"' in lost.message


def test_a_measurement_is_restored_and_a_run_stops_when_asked(tmp_path):
    from invprior import samples, save

    path = tmp_path / "image.png"
    save(path, samples.load("coins", 32).x)
    run = Restoration(
        replace(
            CHOICE,
            image=str(path),
            shown="coins.png",
            simulate=False,
            operator="denoise",
            steps=None,
        )
    )
    ready = threading.Event()
    look = run._look

    def stopping(now):
        if now.step == 2:
            run.stop()
            ready.set()
        return look(now)

    run._look = stopping
    run.run()
    assert ready.is_set()
    assert run.state == "done"
    assert run.message == "Stopped on the page at step 2."
    assert run.solution.steps == 2
    assert run.measure == "energy"
    assert "truth" not in run.pictures
    late = Restoration(CHOICE)
    late.stop()
    late.run()
    assert late.message == "Stopped before the first step."


def test_the_forms_are_the_tables_of_the_registry(monkeypatch):
    about, fields = forms.fields("priors", "tv")
    assert about.startswith("Total variation")
    weight = next(f for f in fields if f.name == "weight")
    assert weight.hint.startswith("float >= 0; default 10")
    kind = next(f for f in fields if f.name == "kind")
    assert "isotropic" in kind.choices
    theirs = (
        Entry("priors", "tv", "other", "1", "other:TV"),
        Entry("priors", "new", "other", "1", "other:New"),
    )
    known = registry.entries("priors")
    monkeypatch.setattr(registry, "entries", lambda group: [*known, *theirs])
    found = forms.names("priors")
    assert found["tv"] == "tv"
    assert found["other/tv"] == "tv (other)"
    assert found["new"] == "new (other)"
    said, none = forms.explained("priors", "absent")
    assert 'Unknown prior "absent"' in said
    assert none == []
    assert spec_text("tv", {"weight": " 3 ", "kind": "", "gap": "1e-3"}) == "tv:weight=3,gap=1e-3"


def test_drawings_hold_no_markup_of_a_name():
    assert drawing.curve([(1, 2.0)], "PSNR") == ""
    drawn = drawing.curve([(1, 2.0), (5, float("nan")), (9, 4.0)], "<b>")
    assert "<b>" not in drawn
    assert "steps 1 to 9" in drawn
    assert '<img src=x onerror="' not in drawing.compared(
        ('<img src=x onerror="', b"1"), ("b", b"2")
    )
