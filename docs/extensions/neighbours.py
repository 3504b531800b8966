"""Add Markdown from outside docs/ to the site: CONTRIBUTING, CHANGELOG, the plugins' READMEs and what they link to.

Sphinx reads only below docs/. These files are therefore copied to docs/generated/, which git ignores, and their
relative links are changed to the places of their targets in the site. The sources keep links that work on GitHub.
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
# in the toctree of index.md; Sphinx wants every other page marked as an orphan
LISTED = ("CONTRIBUTING.md", "CHANGELOG.md", "plugins/README.md")
_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?!https?:|#)(?P<path>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)")


def copy_neighbours(app: Sphinx) -> None:
    """Copy the pages before Sphinx reads its sources."""
    docs = Path(app.srcdir)
    _places.cache_clear()  # an earlier build in this process may have seen other pages
    for origin, place in _places(docs).items():
        if docs / GENERATED not in place.parents:
            continue
        text = relinked(origin.read_text(), origin.parent, place.parent, docs)
        if origin not in [docs.parent / name for name in LISTED]:
            text = f"---\norphan: true\n---\n\n{text}"
        write(place, text)


def relink(app: Sphinx, docname: str, source: list[str]) -> None:
    """Point the links of a page in docs/ to the copies."""
    docs = Path(app.srcdir)
    if not docname.startswith(f"{GENERATED}/"):
        folder = Path(app.env.doc2path(docname)).parent
        source[0] = relinked(source[0], folder, folder, docs)


def relinked(text: str, origin: Path, place: Path, docs: Path) -> str:
    """Adapt the relative links of a text that moves from one folder to another.

    Args:
        text: Markdown.
        origin: folder that its links start from.
        place: folder that it moves to.
        docs: root of the site's sources.
    """

    def moved(match: re.Match[str]) -> str:
        target = _target(match, origin)
        if target.is_dir():  # a folder of the repository has no page
            return match["text"]
        if not target.exists():  # Sphinx reports the broken link
            return match[0]
        path = os.path.relpath(_places(docs).get(target, target), place)
        return f"[{match['text']}]({Path(path).as_posix()}{match['anchor'] or ''})"

    return _LINK.sub(moved, text)


def write(path: Path, text: str) -> None:
    """Write a page if it differs, so that a second build reads only what has changed."""
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@cache
def _places(docs: Path) -> dict[Path, Path]:
    """Map each page outside docs/ to its place in the site: the listed pages, and all that links reach."""
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
    """Yield the Markdown files that a page links to."""
    for match in _LINK.finditer(page.read_text()):
        target = _target(match, page.parent)
        if target.suffix == ".md" and target.exists():
            yield target


def _target(match: re.Match[str], folder: Path) -> Path:
    """Return the path of a link's target."""
    return Path(os.path.normpath(folder / match["path"]))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("builder-inited", copy_neighbours)
    app.connect("source-read", relink)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
