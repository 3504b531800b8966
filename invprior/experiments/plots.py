"""The figures of the experiments, drawn with matplotlib's objects; pyplot would change global state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from invprior.io import files

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which remain distinct under colour blindness. Yellow is left out, as it is too light for
# lines, and sky blue, as it is too close to the lighter blue of a family.
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, BLACK, GREY = "#E69F00", "#000000", "#8A8A8A"
FAMILIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, BLACK, GREY)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), "-.", (0, (1, 1)))
RESOLUTION = 160  # of the PNG, in pixels per inch
_INK = "#333333"


class Curve(NamedTuple):
    """One network of the ablation, as drawn in the figure.

    Attributes:
        label: its name in the legend.
        family: networks of a family share a hue and a marker.
        seconds: time of the whole run.
        psnr: of its result, in dB.
        steps: iterations at which the PSNR was measured.
        psnrs: the PSNR at these iterations, in dB.
    """

    label: str
    family: str
    seconds: float
    psnr: float
    steps: Sequence[int]
    psnrs: Sequence[float]


def impedance(losses: Mapping[str, Sequence[float]]) -> Figure:
    """Draw the loss of each target over the iterations, on logarithmic axes."""
    figure, (axes,) = _page(1, (6.4, 4.2))
    for (name, loss), colour, dash in zip(
        losses.items(), (BLUE, ORANGE, GREEN, VERMILION), DASHES, strict=False
    ):
        axes.plot(range(1, len(loss) + 1), loss, color=colour, linestyle=dash, label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    # At least 2, as an axis from 1 to 1 has no width.
    axes.set_xlim(1, max(2, *(len(loss) for loss in losses.values())))
    axes.set_xlabel("iteration")
    axes.set_ylabel("mean squared error, intensities in [0, 1]")
    axes.legend(frameon=False, loc="lower left", title="target", alignment="left")
    return figure


def ablation(curves: Sequence[Curve], *, start: float | None = None) -> Figure:
    """Draw quality against time, and quality over the iterations.

    Args:
        curves: the networks, at least one.
        start: PSNR of the measurement in dB, drawn as a line; no line when absent.
    """
    figure, (left, right) = _page(2, (11.5, 4.4))
    looks = _looks([curve.family for curve in curves])
    for curve, (colour, marker, dash) in zip(curves, looks, strict=True):
        left.plot(
            curve.seconds, curve.psnr, marker, color=colour, markersize=8, label=curve.label,
            markeredgecolor=_INK, markeredgewidth=0.6,
        )  # fmt: skip
        right.plot(curve.steps, curve.psnrs, color=colour, linestyle=dash)
        right.plot(
            curve.steps[-1:], curve.psnrs[-1:], marker, color=colour, markersize=6,
            markeredgecolor=_INK, markeredgewidth=0.6, clip_on=False, zorder=3,
        )  # fmt: skip
    left.set_xscale("log")
    _plain_ticks(left.xaxis, [curve.seconds for curve in curves])
    left.set_xlabel("time of the reconstruction [s]")
    left.set_ylabel("PSNR of the result [dB]")
    right.set_xlabel("iteration")
    right.set_ylabel("PSNR of the running average [dB]")
    right.set_xlim(left=0)
    if start is not None:
        right.axhline(start, color=_INK, linewidth=0.8, linestyle=":")
        right.annotate(
            "measurement", (1, start), xycoords=right.get_yaxis_transform(), color=_INK,
            xytext=(-4, 3), textcoords="offset points", ha="right", fontsize=8,
        )  # fmt: skip
    figure.legend(loc="outside right center", frameon=False)
    return figure


def save(figure: Figure, path: Path, *, overwrite: bool = False) -> None:
    """Write a figure as PNG, SVG or PDF, by the file's suffix, atomically and with the same bytes each time.

    Raises:
        MeasurementError: the file exists already or cannot be written.
    """
    from matplotlib import rc_context

    kind = path.suffix.removeprefix(".")
    # By default a file holds the date, and an SVG random ids, and would differ from run to run.
    dates = {"svg": "Date", "pdf": "CreationDate"}
    metadata = {dates[kind]: None} if kind in dates else {}
    # Fonts of type 42 in a PDF: publishers refuse type 3.
    fixed: Any = {"svg.hashsalt": "invprior", "pdf.fonttype": 42}
    with files.atomic(path, overwrite=overwrite) as file, rc_context(fixed):
        figure.savefig(file, format=kind, dpi=RESOLUTION, metadata=metadata)


def _page(panels: int, size: tuple[float, float]) -> tuple[Figure, Sequence[Axes]]:
    """Return a figure of a size in inches, and its plain axes in a row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    row = figure.subplots(1, panels, squeeze=False)[0]
    for axes in row:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#DDDDDD", linewidth=0.6)
        axes.set_axisbelow(True)
    return figure, row


def _plain_ticks(axis: Axis, values: Sequence[float]) -> None:
    """Label a logarithmic axis with 0.5 and 20 instead of powers of 10, more densely where the range is short."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    long = max(values) > 20 * min(values)
    steps = (1.0, 2.0, 5.0) if long else (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    # Over less than a decade, matplotlib would label minor ticks too, as powers of 10.
    axis.set_minor_formatter(NullFormatter())


Look = tuple[str, str, Any]


def _looks(families: Sequence[str]) -> list[Look]:
    """Return colour, marker and dash of each network: a hue and a marker per family, its networks light to dark."""
    kinds = list(dict.fromkeys(families))
    looks: list[Look] = []
    for index, family in enumerate(families):
        kind, members = kinds.index(family), families.count(family)
        nth = families[:index].count(family)
        share = (members - 1 - nth) / max(members - 1, 1)
        colour = _lighter(FAMILIES[kind % len(FAMILIES)], 0.65 * share)
        dash = DASHES[kind // len(FAMILIES) % len(DASHES)]
        looks.append((colour, MARKERS[kind % len(MARKERS)], dash))
    return looks


def _lighter(colour: str, share: float) -> str:
    """Mix a colour with a share of white, 0 to 1."""
    from matplotlib.colors import to_hex, to_rgb

    red, green, blue = (c + (1 - c) * share for c in to_rgb(colour))
    return str(to_hex((red, green, blue)))
