"""Read docstrings as the plain text that they are, with `code` and Google's sections, not as reStructuredText.

In them ||A x|| is a norm, x_(k+1) an iterate, * a product and tv:weight=8 a spec; reStructuredText would look for a
substitution, a link, an emphasis and an address.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

_CODE = re.compile(r"(`[^`]*`)")
_MARKUP = re.compile(r"[|*\\]|(?<=\w)_(?!\w)|(?<=\w):(?=\w)")  # "tv:" begins an address
_BULLET = re.compile(r"^\s*\* ")


def escape(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Escape what would be markup; before napoleon reads the sections."""
    for i, line in enumerate(lines):
        bullet = _BULLET.match(line)
        start = bullet.end() if bullet else 0
        parts = _CODE.split(line[start:])
        plain = [p if p.startswith("`") else _MARKUP.sub(r"\\\g<0>", p) for p in parts]
        lines[i] = line[:start] + "".join(plain)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("autodoc-process-docstring", escape, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
