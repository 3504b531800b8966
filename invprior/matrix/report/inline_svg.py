"""A figure as SVG inside the page, in the page's colours and fonts."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from markupsafe import Markup

from invprior.experiments.plots import FAMILIES
from invprior.matrix.report.figures import INK, RULE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The stylesheet defines these variables for light and dark, so one drawing serves both.
_VARIABLES = {
    INK.lower(): "var(--ink)",
    RULE.lower(): "var(--rule)",
    **{colour.lower(): f"var(--series-{i})" for i, colour in enumerate(FAMILIES)},
}
# Inside HTML a style element would apply to the whole page, and namespaces are not needed.
_NOT_DRAWN = re.compile(
    r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>"
    r'|\sxmlns(?::xlink)?="[^"]*"|\bxlink:(?=href)',
    re.S,
)
_COLOUR = re.compile("|".join(re.escape(c) for c in _VARIABLES), re.I)
_ID = re.compile(r'(\bid="|href="#|url\(#)([^")]+)')


def inline(figure: Figure, prefix: str) -> Markup:
    """Return a figure as an SVG element.

    Text stays text. Every id begins with the prefix, so that ids are unique in a page with several figures.

    Args:
        figure: of `figures`, in its colours.
        prefix: letters, digits and dashes.
    """
    from matplotlib import rc_context

    text = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": prefix}):
        figure.savefig(text, format="svg", transparent=True)
    drawing = _NOT_DRAWN.sub("", text.getvalue())
    drawing = _ID.sub(lambda m: f"{m[1]}{prefix}-{m[2]}", drawing)
    drawing = _COLOUR.sub(lambda m: _VARIABLES[m[0].lower()], drawing)
    drawing = drawing.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
    return Markup(drawing.strip())  # matplotlib has escaped the labels
