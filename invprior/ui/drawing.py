"""The drawings of the page: a curve as SVG, and two images with a boundary that moves."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from html import escape

_WIDTH, _HEIGHT = 360, 130  # of a curve, in pixels
_LEFT, _BELOW = 52, 18  # room for the numbers


def curve(points: Sequence[tuple[int, float]], label: str) -> str:
    """Return a curve over the steps as SVG, in the colours of the page."""
    held = [(s, v) for s, v in points if math.isfinite(v)]
    if len(held) < 2:
        return ""
    steps, values = zip(*held, strict=True)
    low, high = min(values), max(values)
    span, along = high - low or 1.0, steps[-1] - steps[0] or 1

    def place(step: int, value: float) -> str:
        x = _LEFT + (_WIDTH - _LEFT - 6) * (step - steps[0]) / along
        y = 8 + (_HEIGHT - _BELOW - 14) * (1 - (value - low) / span)
        return f"{x:.1f},{y:.1f}"

    line = " ".join(place(s, v) for s, v in held)
    last = f"{label} {values[-1]:.5g} at step {steps[-1]}"
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(last)}" class="curve">'
        f'<text x="0" y="14">{high:.5g}</text><text x="0" y="{_HEIGHT - _BELOW - 2}">{low:.5g}</text>'
        f'<polyline points="{line}"></polyline>'
        f'<text x="{_LEFT}" y="{_HEIGHT - 3}">{escape(label)}, steps {steps[0]} to {steps[-1]}</text></svg>'
    )


def compared(left: tuple[str, bytes], right: tuple[str, bytes]) -> str:
    """Return two images, each a name and a PNG file, one over the other, with a slider that moves the boundary."""
    (name, before), (other, after) = left, right
    return (
        '<div class="compare"><div class="stage">'
        f'<img src="{uri(before)}" alt="{escape(name)}">'
        f'<img class="after" src="{uri(after)}" alt="{escape(other)}"></div>'
        f'<label>{escape(name)} <input type="range" min="0" max="100" value="50" aria-label="Boundary between '
        f"{escape(name)} and {escape(other)}\" oninput=\"this.closest('.compare').style.setProperty('--at', "
        f"this.value + '%')\"> {escape(other)}</label></div>"
    )


def uri(png: bytes) -> str:
    """Return a PNG file as a data URI."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
