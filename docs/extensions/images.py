"""Show the images that the code of a page draws: run the code in the build, and place its PNG files below it.

The repository stores no images, so none can be out of date. Only pages with a block marked `<!-- image: CAPTION -->`
run. An error in their code is a warning, as elsewhere in the build.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
from pathlib import Path
from typing import Any

from page_blocks import Block, blocks, run_python
from sphinx.application import Sphinx
from sphinx.util import logging

FOLDER = Path("_build", "images")  # inside docs/, where Sphinx requires images; git ignores it
_log = logging.getLogger(__name__)


def add_images(app: Sphinx, docname: str, source: list[str]) -> None:
    """Insert a figure after each marked block of a page."""
    marked = [b for b in blocks(source[0], "python") if b.caption]
    if not marked:
        return
    try:
        drawn = _draw(app, docname, marked[-1])
    except Exception as error:  # whatever the page's code raises
        _log.warning("its code failed: %s: %s", type(error).__name__, error, location=docname)
        return
    text = source[0]
    for block in reversed(marked):  # from the end, so that earlier positions stay valid
        shown = drawn.get(block.line, [])
        if not shown:
            _log.warning("the block writes no PNG file", location=(docname, block.line))
        figures = "".join(_figure(path, block.caption) for path in shown)
        text = text[: block.end] + "\n\n" + figures + text[block.end :]
    source[0] = text


def _draw(app: Sphinx, docname: str, last: Block) -> dict[int, list[Path]]:
    """Run a page up to its last image; return the files of each marked block by the block's line number."""
    target = Path(app.srcdir) / FOLDER / docname
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    drawn: dict[int, list[Path]] = {}
    page = Path(app.env.doc2path(docname))
    quiet = contextlib.redirect_stdout(io.StringIO())
    with tempfile.TemporaryDirectory() as scratch, quiet:
        seen: set[Path] = set()
        for block in run_python(page, Path(scratch)):
            # blocks without a caption may write images too; they count as seen
            written = sorted(set(Path(scratch).glob("*.png")) - seen)
            seen.update(written)
            if block.caption:
                drawn[block.line] = [Path(shutil.copy(path, target)) for path in written]
            if block.line == last.line:
                break
    return {line: [p.relative_to(app.srcdir) for p in paths] for line, paths in drawn.items()}


def _figure(path: Path, caption: str) -> str:
    """Return a figure in MyST's syntax, with its path from the root of the sources."""
    return f"```{{figure}} /{path.as_posix()}\n:alt: {caption}\n\n{caption}\n```\n\n"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("source-read", add_images)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
