"""Read docstrings as plain text with `code` and Google's sections, not as reStructuredText.

In a docstring ||A x|| is a norm, x_(k+1) an iterate, * a product and tv:weight=8 a spec. reStructuredText would read
a substitution, a link, an emphasis and a URL.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

_CODE = re.compile(r"(`[^`]*`)")
_MARKUP = re.compile(r"[|*\\]|(?<=\w)_(?!\w)|(?<=\w):(?=\w)")  # "tv:" reads as the scheme of a URL
_BULLET = re.compile(r"^\s*\* ")


def escape(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Escape reStructuredText markup in the lines of a docstring, in place."""
    for i, line in enumerate(lines):
        bullet = _BULLET.match(line)  # the star of a list stays markup
        start = bullet.end() if bullet else 0
        parts = _CODE.split(line[start:])
        plain = [p if p.startswith("`") else _MARKUP.sub(r"\\\g<0>", p) for p in parts]
        lines[i] = line[:start] + "".join(plain)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    # Napoleon, at priority 500, turns Google's sections into markup that must not be escaped.
    app.connect("autodoc-process-docstring", escape, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
