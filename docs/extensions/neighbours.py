"""Bring Markdown from outside docs/ into the site: CONTRIBUTING, CHANGELOG and the plugins' READMEs.

Sphinx reads below docs/ only. So these files are copied into docs/generated/, which git ignores, and every relative
link is turned to where its target stands in the site; the sources keep the links that work on GitHub.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

GENERATED = "generated"
PATTERNS = ("CONTRIBUTING.md", "CHANGELOG.md", "plugins/README.md", "plugins/*/README.md")
_LINK = re.compile(r"(\[[^\]]+\]\()(?!https?:|#)([^)\s#]+)((?:#[^)\s]*)?\))")


def copy_neighbours(app: Sphinx) -> None:
    """Copy the pages before Sphinx looks for its sources."""
    docs = Path(app.srcdir)
    for origin in _neighbours(docs.parent):
        text = relinked(origin.read_text(), origin.parent, _place(origin, docs).parent, docs)
        if origin.match("plugins/*/README.md"):  # reached from the plugins' own page
            text = f"---\norphan: true\n---\n\n{text}"
        write(_place(origin, docs), text)


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
    root = docs.parent
    places = {p: _place(p, docs) for p in _neighbours(root)}
    places[root / "README.md"] = docs / "index.md"

    def turned(match: re.Match[str]) -> str:
        target = Path(os.path.normpath(origin / match[2]))
        if not target.exists():  # not a link to a file; Sphinx says so if it is broken
            return match[0]
        return (
            match[1]
            + Path(os.path.relpath(places.get(target, target), place)).as_posix()
            + match[3]
        )

    return _LINK.sub(turned, text)


def write(path: Path, text: str) -> None:
    """Write a page where it differs, so that a second build reads only what has changed."""
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _neighbours(root: Path) -> list[Path]:
    return [path for pattern in PATTERNS for path in sorted(root.glob(pattern))]


def _place(origin: Path, docs: Path) -> Path:
    return docs / GENERATED / origin.relative_to(docs.parent)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("builder-inited", copy_neighbours)
    app.connect("source-read", relink)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
