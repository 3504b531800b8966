"""Everything that the documentation shows is run: its Python, its commands, its links.

`docs/extensions/page_blocks.py` says what a comment before a block may tell. The blocks of a page share a namespace
and a folder.
"""

import re
import shlex
import sys
from pathlib import Path

import pytest
from page_blocks import FENCE, IMAGE, blocks, run_python

from invprior.cli import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")


def pages_with(language):
    return [pytest.param(p, id=p.stem) for p in PAGES if blocks(p.read_text(), language)]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", pages_with("python"))
def test_python_runs(page, folder):
    shown = []
    for block in run_python(page, folder):
        if block.caption:
            assert set(folder.glob("*.png")) - set(shown), f"no image from line {block.line}"
            shown = [*folder.glob("*.png")]


@pytest.mark.parametrize("page", pages_with("console"))
def test_commands_run(page, monkeypatch, capsys):
    for block in blocks(page.read_text(), "console"):
        for command, shown in block.commands:
            monkeypatch.setattr(sys, "argv", shlex.split(command))
            with pytest.raises(SystemExit) as end:
                main()
            out, err = capsys.readouterr()
            where = f"{page.name}, block at line {block.line}: {command}\n{out}\n{err}"
            assert (end.value.code or 0) == block.exit_code, where
            if block.exit_code:  # messages hold no measured figures, so they must be as shown
                assert err.split() == shown.split(), where


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_resolve(page):
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        path, _, anchor = target.partition("#")
        other = (page.parent / path).resolve() if path else page
        assert other.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(other), f"{page.name} links to {target}"


def anchors(page):
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", h).strip().lower().replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_nothing_is_left_out_without_a_reason(page):
    text = page.read_text()
    assert len(re.findall(r"^\s*(?:```|~~~)", text, re.M)) == 2 * len(FENCE.findall(text))
    for comment in re.findall(r"<!--(.*?)-->", text, re.S):
        note = rf" not run: .{{10,}} | exit code: \d+ | {IMAGE}.{{10,}} "
        assert re.fullmatch(note, comment), comment


def test_the_first_commands_can_be_found():
    """CI takes them out of the README, so that what people copy is what is tested."""
    text = (ROOT / "README.md").read_text()
    first = re.findall(
        r"^python3 -m venv .*invprior solve --operator blur --prior dip$", text, re.M
    )
    second = re.findall(r"^python3 -m venv .*pytest$", text, re.M)
    assert (len(first), len(second)) == (1, 1)


def test_the_example_plugin_is_the_one_shown():
    module = (ROOT / "plugins" / "invprior-example" / "invprior_example.py").read_text()
    body = module[module.index("class Charbonnier") :]
    assert body in (ROOT / "docs" / "write-a-prior.md").read_text()
