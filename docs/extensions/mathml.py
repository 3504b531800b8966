"""Render equations as MathML, which browsers draw without scripts or requests to other sites."""

from __future__ import annotations

import html
import re
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging

_log = logging.getLogger(__name__)
_BAR = re.compile(r"(?<!\\left)(?<!\\right)\\([lr])([vV]ert)(?![A-Za-z])")


def _inline(translator: Any, node: nodes.math) -> None:
    """Write an equation within a line."""
    translator.body.append(_converted(node, block=False))
    raise nodes.SkipNode


def _block(translator: Any, node: nodes.math_block) -> None:
    """Write a displayed equation."""
    translator.body.append(f'<div class="equation">{_converted(node, block=True)}</div>')
    raise nodes.SkipNode


def _converted(node: nodes.Element, *, block: bool) -> str:
    """Return the MathML of a node, or its TeX as code, with a warning, if it cannot be converted."""
    # An unpaired bar stretches by itself, and an exponent attaches to the closing bar only: pair the bars.
    tex = _BAR.sub(lambda m: f"\\{'left' if m[1] == 'l' else 'right'}{m[0]}", node.astext())
    try:
        return str(tex2mathml(tex, as_block=block))
    except MathError as error:
        _log.warning("cannot convert %s: %s", node.astext(), error, location=node)
        return f"<code>{html.escape(node.astext())}</code>"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
