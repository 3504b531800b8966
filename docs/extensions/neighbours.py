"""Bring Markdown from outside docs/ into the site: CONTRIBUTING, CHANGELOG, the plugins' READMEs and what they link to.

Sphinx reads below docs/ only. So these files are copied into docs/generated/, which git ignores, and every relative
link is turned to where its target stands in the site; the sources keep the links that work on GitHub.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

GENERATED = "generated"
LISTED = ("CONTRIBUTING.md", "CHANGELOG.md", "plugins/README.md")  # in the toctree of index.md
_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?!https?:|#)(?P<path>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)")


def copy_neighbours(app: Sphinx) -> None:
    """Copy the pages before Sphinx looks for its sources."""
    docs = Path(app.srcdir)
    _places.cache_clear()
    for origin, place in _places(docs).items():
        if docs / GENERATED not in place.parents:
            continue
        text = relinked(origin.read_text(), origin.parent, place.parent, docs)
        if origin not in [docs.parent / name for name in LISTED]:
            text = f"---\norphan: true\n---\n\n{text}"
        write(place, text)


def relink(app: Sphinx, docname: str, source: list[str]) -> None:
    """Turn the links of a page of docs/ to the copies."""
    docs = Path(app.srcdir)
    if not docname.startswith(f"{GENERATED}/"):
        folder = Path(app.env.doc2path(docname)).parent
        source[0] = relinked(source[0], folder, folder, docs)


def relinked(text: str, origin: Path, place: Path, docs: Path) -> str:
    """Turn the relative links of a text that moves from one folder to another.

    Args:
        text: Markdown.
        origin: the folder for which its links were written.
        place: the folder where it will stand.
        docs: the root of the site's sources.
    """

    def turned(match: re.Match[str]) -> str:
        target = _target(match, origin)
        if target.is_dir():  # a folder of the repository has no page
            return match["text"]
        if not target.exists():  # Sphinx says that it is broken
            return match[0]
        path = os.path.relpath(_places(docs).get(target, target), place)
        return f"[{match['text']}]({Path(path).as_posix()}{match['anchor'] or ''})"

    return _LINK.sub(turned, text)


def write(path: Path, text: str) -> None:
    """Write a page where it differs, so that a second build reads only what has changed."""
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@cache
def _places(docs: Path) -> dict[Path, Path]:
    """Where each page outside docs/ stands in the site: those listed, and all that links lead to."""
    root = docs.parent
    places = {root / "README.md": docs / "index.md"}
    waiting = [*docs.glob("*.md"), *(root / name for name in LISTED)]
    while waiting:
        page = waiting.pop()
        if docs not in page.parents and page not in places:
            places[page] = docs / GENERATED / page.relative_to(root)
        waiting += [t for t in _pages(page) if docs not in t.parents and t not in places]
    return places


def _pages(page: Path) -> Iterator[Path]:
    for match in _LINK.finditer(page.read_text()):
        target = _target(match, page.parent)
        if target.suffix == ".md" and target.exists():
            yield target


def _target(match: re.Match[str], folder: Path) -> Path:
    return Path(os.path.normpath(folder / match["path"]))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("builder-inited", copy_neighbours)
    app.connect("source-read", relink)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
