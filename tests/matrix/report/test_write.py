"""The report's files: complete, escaped, and made also from few records."""

import csv
import json
import os
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from typer.testing import CliRunner

from invprior.cli.app import app
from invprior.errors import MeasurementError
from invprior.io import sealed
from invprior.io.plain_text import printable
from invprior.matrix.config.matrix import parse
from invprior.matrix.report import images
from invprior.matrix.report.write import write
from invprior.matrix.results import record
from invprior.matrix.results.store import Store

from .conftest import HOSTILE, REASON, SCORES, TEXT

VOID = {"meta", "img", "input", "br"}


class Strict(HTMLParser):
    """Refuses what does not nest, and duplicate ids; collects elements and text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.ids, self.words = [], [], set(), []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        assert len(given) == len(attributes), f"{tag} has an attribute twice"
        self.elements.append((tag, given))
        if "id" in given:
            assert given["id"] not in self.ids, given["id"]
            self.ids.add(given["id"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.words.append(text)

    def all(self, tag):
        return [given for name, given in self.elements if name == tag]


def parsed(store, **options):
    path, *_ = write(store, **options)
    return Strict(path.read_text())


def test_one_page_that_needs_nothing_and_hides_nothing(store):
    page, *more = write(store)
    assert page == store.folder / "report.html"
    assert {p.name for p in more} == {
        "cells.csv", "methods.csv", "tables.md", "tables.tex", "task-1-quality.png",
        "task-1-quality.svg", "task-1-curves.png", "task-1-curves.svg",
    }  # fmt: skip
    assert all(p.stat().st_size for p in more)
    text = page.read_text()
    found = Strict(text)
    assert not re.search(r"https?://", text)
    sources = [g["src"] for g in found.all("img") if "src" in g]
    assert sources
    assert all(s.startswith("data:image/png;base64,") for s in sources)
    assert len(found.all("script")) == 1
    assert len(found.all("style")) == 1
    words = " ".join("".join(found.words).split())
    assert "Cats & <dogs>" in words
    assert REASON in words  # shown as text, and so no element
    assert HOSTILE in words
    assert "Not compared: DIP: no result." in words
    assert "Over 4 of 4 pairs of image and seed (2 images)" in words
    assert words.count("has not run yet") >= 3
    assert "The run is not complete" in words
    targets = {g["href"][1:] for g in found.all("a")}
    assert targets <= found.ids
    labels = {g["aria-labelledby"] for _, g in found.elements if "aria-labelledby" in g}
    assert labels <= found.ids
    assert all(g.get("aria-sort") == "none" for t, g in found.elements if g.get("scope") == "col")


def test_policy_lets_only_our_script_run(store):
    found = parsed(store)
    (policy,) = [g["content"] for g in found.all("meta") if g.get("http-equiv")]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "script-src 'sha256-" in policy


def test_other_programs_can_read_the_values(store):
    write(store)
    with (store.folder / "report-files" / "cells.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    assert len(cells) == 16
    assert sum(c["status"] == "not run yet" for c in cells) == 3
    (crashed,) = [c for c in cells if c["status"] == "crashed"]
    assert crashed["reason"] == REASON
    assert crashed["psnr"] == ""
    with (store.folder / "report-files" / "methods.csv").open(newline="") as file:
        methods = {(m["method"], m["metric"]): m for m in csv.DictReader(file)}
    assert float(methods["tv", "psnr"]["mean"]) == 29.0
    assert float(methods["no prior", "psnr"]["to_best"]) == -7.0
    assert methods["DIP", "psnr"]["not_compared"] == "no result"
    tables = (store.folder / "report-files" / "tables.md").read_text()
    assert "**29.00**" in tables
    assert "±" not in tables
    assert "≈" not in tables
    assert "Fewer than 3 images have no interval." in tables


def test_an_earlier_report_is_replaced_and_nothing_else_is(store, tmp_path):
    write(store)
    other = tmp_path / "mine.html"
    other.write_text("my own")
    with pytest.raises(MeasurementError, match="exists already"):
        write(store, other)
    assert other.read_text() == "my own"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MeasurementError, match="exists already"):
        write(store, tmp_path / "pipe")
    (tmp_path / "new-files").mkdir()
    with pytest.raises(MeasurementError, match="new-files"):
        write(store, tmp_path / "new.html")
    for debris in ("report-files/.cells.csv.0123abcd.tmp", ".report.html.0123abcd.tmp"):
        (store.folder / debris).write_text("of a process that was killed")
    page, *_ = write(store)  # again
    assert "Cats" in page.read_text()
    assert not list(store.folder.rglob(".*"))
    write(store, other, overwrite=True)
    assert "Cats" in other.read_text()


def test_no_record_yet(fill):
    store = fill(TEXT, scores={})
    for path in (store.folder / record.RECORDS).iterdir():
        path.unlink()
    with pytest.raises(MeasurementError, match="no record yet"):
        write(store)
    assert not (store.folder / "report-files").exists()


def test_only_failures_still_make_a_report(fill):
    words = "".join(parsed(fill(TEXT, scores={})).words)
    assert REASON in words
    assert "has not run yet" in words


def test_images_that_are_lost_or_outside_the_folder_are_not_shown(store):
    first, second, *_ = sorted(
        (r for r in store.records().values() if r.status == "ok" and r.cell.seed == 0),
        key=lambda r: r.key,
    )
    (store.folder / record.RECORDS / first.image).unlink()
    values = sealed.unseal(second.to_json()) | {"image": "../../secret.png"}
    record.path_of(store.folder, second.key).write_text(sealed.seal(values))
    words = "".join(parsed(store).words)
    assert f"{first.image} is missing" in words
    assert "2 records or images are damaged" in words
    assert words.count("has not run yet") > 3


def test_a_large_page_is_compressed_with_loss_and_says_so(store, monkeypatch):
    monkeypatch.setattr(images, "BUDGET", 100)
    found = parsed(store)
    assert "compressed with loss" in "".join(found.words)
    kinds = {g["src"].partition(";")[0] for g in found.all("img") if "src" in g}
    assert kinds == {"data:image/webp", "data:image/png"}  # images, and insets without loss


def test_published_values_are_compared_with_ours(fill):
    text = TEXT.replace('images = ["sample:camera:24", "sample:coins:24"]', 'images = ["baby"]')
    text = f'published = "set5-x4"\n{text}\n[protocol]\ntruth = "sample:camera:24"\n'
    store = fill(text, size=24)
    write(store)
    tables = (store.folder / "report-files" / "tables.md").read_text()
    # tv on baby: 27 and 28 in the two seeds, 31.21 published
    assert "| tv | 27.50 | TV | 31.21 | – | −3.71 |" in tables
    assert "| SRResNet | – | SRResNet | 33.66 | 32.10 | – |" in tables
    assert "| tv | **27.50** |" in tables
    assert "| SRResNet, published | 33.66 |" in tables
    assert "Images larger than 24 pixels were cropped" in (store.folder / "report.html").read_text()


def test_the_baseline_has_the_name_of_what_was_scored(fill):
    store = fill(TEXT)
    write(store)
    tables = store.folder / "report-files" / "tables.md"
    cells = store.folder / "report-files" / "cells.csv"
    assert "The measurement itself scores 20.50 dB." in tables.read_text()
    assert ",baseline,baseline psnr," in cells.read_text()
    assert ",measurement,20" in cells.read_text()
    for name, shown in (("pseudo-inverse", "damped pseudo-inverse of the"), ("", "or its damped")):
        for made in store.records().values():
            record.save(store.folder, replace(made, baseline_name=name))
        write(store)
        assert shown in tables.read_text()


def test_a_selection_is_all_that_the_report_is_about(fill):
    noises = 'noises = ["gaussian:sigma=0.1"]'
    store = fill(TEXT.replace(noises, 'noises = ["gaussian:sigma=0.1", "gaussian:sigma=0.2"]'))
    everything = {p.name for p in write(store)}
    assert "task-2-curves.png" in everything

    def chosen(cells):
        return {c for c in cells if c.noise.endswith("0.1") and c.seed == 1 and c.method != "tv"}

    page, *more = write(store, select=chosen)
    words = "".join(Strict(page.read_text()).words)
    assert "Only 6 cells are shown, those chosen with --only." in words
    assert "made with other options" not in words
    with (store.folder / "report-files" / "cells.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    assert {c["method"] for c in cells} == {HOSTILE, "DIP", "no prior"}
    assert {c["seed"] for c in cells} == {"1"}
    # The figures of the tasks that this report does not have are gone.
    assert {p.name for p in (store.folder / "report-files").iterdir()} == {p.name for p in more}
    with pytest.raises(MeasurementError, match="chosen with --only have no record"):
        write(store, select=lambda cells: {c for c in cells if c.method == "DIP" and c.seed == 1})
    elsewhere = Store(
        store.folder, parse("small", TEXT.replace("sample:coins:24", "lost.png")), store.setting
    )
    write(elsewhere, select=lambda cells: {c for c in cells if c.method == "tv"})  # without a plan
    tables = (store.folder / "report-files" / "tables.md").read_text()
    assert "| tv |" in tables
    assert "no prior" not in tables


def test_the_command_lists_its_files_and_refuses_a_folder_without_results(store, tmp_path):
    def call(*arguments):
        given = ["matrix", "report", *map(str, arguments)]
        return CliRunner().invoke(app, given, env={"COLUMNS": "300"})

    done = call(store.folder, "-o", tmp_path / "page.html")
    assert done.exit_code == 0, done.stderr
    assert f"Wrote {tmp_path / 'page.html'}, and 8 tables and figures" in done.stdout
    assert (tmp_path / "page-files" / "tables.tex").is_file()
    assert call(store.folder, "--only", "prior=tv").exit_code == 0
    assert "No cell matches" in call(store.folder, "--only", "prior=x").stderr
    refused = call(tmp_path)
    assert refused.exit_code == 2
    assert "is no folder of results of a matrix" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_without_the_images_the_records_still_make_a_report(fill):
    """On another machine the plan, which needs the images, cannot be made; the page says so."""
    store = fill(TEXT)
    text = TEXT.replace("sample:coins:24", "lost.png")
    elsewhere = Store(store.folder, parse("small", text), store.setting)
    words = "".join(parsed(elsewhere).words)
    assert "Cells that have not run are unknown" in words
    assert "Over 4 of 4 pairs" in words


def test_records_of_other_code_are_reported(store):
    for made in store.records().values():
        record.save(store.folder, replace(made, versions={"code": "other"}))
    words = "".join(parsed(store).words)
    assert "13 records were made by other code than is installed now" in words


def test_no_text_reaches_a_program_that_would_obey_it(fill):
    """Escape codes of terminals, reversed text, formulas, and commands of TeX, in a label and in a record."""
    label = "=1+1 \x1b[31mred\u202eder $x$"
    quoted = json.dumps(label)
    text = TEXT.replace('"tv", ', f'"tv", {{label = {quoted}, prior = "tv:weight=9"}}, ')
    text = text.replace('title = "Cats', 'title = "\\u202eCats')
    store = fill(text, scores={**SCORES, label: 22.0})
    for made in store.records().values():
        if made.status == "ok":
            change = {"score_range": (0.0, 2.0), "notes": ("-2+3\x9b31m\n\\\\input{x}",)}
            record.save(store.folder, replace(made, **change))
        else:
            record.save(store.folder, replace(made, reason="@SUM(A1)\x07\u2066\n\n% x"))
    written = [p for p in write(store) if p.suffix != ".png"]
    assert len(written) == 7
    for path in written:
        shown = path.read_text()
        assert shown == printable(shown), path.name
    with (store.folder / "report-files" / "cells.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    values = [value for row in cells for value in row.values()]
    assert not [v for v in values if v[:1] in tuple("=+-@\t\r\n") and not _is_number(v)]
    assert {r"'=1+1 \x1b[31mred\u202eder $x$"} == {
        c["method"] for c in cells if "=1+1" in c["method"]
    }
    assert r"'@SUM(A1)\x07\u2066" in {c["reason"].partition("\n")[0] for c in cells}


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True
