"""A table, before it becomes HTML, Markdown or LaTeX, and the formats of its values."""

from __future__ import annotations

import re
from dataclasses import dataclass

from invprior.io.plain_text import printable

MINUS = "\u2212"
NOTHING = "–"


@dataclass(frozen=True, kw_only=True)
class Value:
    """One value of a table.

    Attributes:
        sort: what rows are sorted by; a number in a numeric column; None always comes last.
        best: shown in bold.
        note: a sentence that explains the value.
        status: of a record, for its colour.
    """

    text: str
    sort: float | str | None = None
    best: bool = False
    note: str = ""
    status: str = ""


@dataclass(frozen=True, kw_only=True)
class Head:
    """The head of a column.

    Attributes:
        note: what the column has, in one sentence.
        numeric: aligned to the right, sorted as numbers.
        axis: whether the page hides rows by it: its text is task, method or image.
    """

    text: str
    note: str = ""
    numeric: bool = True
    axis: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with its title and the notes below it; the first column names the rows.

    Attributes:
        anchors: the id of each row in the page, "" for none; empty if no row has one.
    """

    key: str
    title: str
    head: tuple[Head, ...]
    rows: tuple[tuple[Value, ...], ...]
    notes: tuple[str, ...] = ()
    anchors: tuple[str, ...] = ()


def text(value: str, note: str = "", status: str = "") -> Value:
    """Return a value that is sorted as text, without regard to case."""
    return Value(text=value, sort=value.lower(), note=note, status=status)


def number(
    value: float | None, shown: str | None = None, *, best: bool = False, note: str = ""
) -> Value:
    """Return a number, printed as it is or as `shown`; a dash for None."""
    if value is None:
        return Value(text=NOTHING, note=note)
    return Value(text=str(value) if shown is None else shown, sort=value, best=best, note=note)


def seconds(value: float) -> Value:
    """Return a time with three digits: 0.012, 3.40, 512."""
    shown = f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 100 else f"{value:.0f}"
    return number(value, shown)


def seconds_or_dash(value: float) -> Value:
    """Return a time; a dash if it would be printed as 0."""
    return seconds(value) if value >= 0.0005 else number(None)


def megabytes(size: float) -> Value:
    """Return a size given in bytes; a dash for 0, which means unknown."""
    return number(size / 1e6 if size else None, f"{size / 1e6:.0f}")


def signed(value: str) -> str:
    """Put a sign before a printed number: a true minus, or a plus; none before zero."""
    if not float(value.partition(" ")[0]):  # -0.00 too
        return value.removeprefix("-")
    return f"{MINUS}{value[1:]}" if value.startswith("-") else f"+{value}"


def markdown(table: Table) -> str:
    """Print a table as GitHub's Markdown."""
    lines = [
        [mark(h.text) for h in table.head],
        ["---:" if h.numeric else "---" for h in table.head],
        *([f"**{mark(v.text)}**" if v.best else mark(v.text) for v in r] for r in table.rows),
    ]
    parts = [f"### {mark(table.title)}", "\n".join(f"| {' | '.join(line)} |" for line in lines)]
    return "\n\n".join([*parts, *(mark(n) for n in table.notes)]) + "\n"


def latex(table: Table) -> str:
    """Print a table as LaTeX, shrunk if it is wider than the line; needs booktabs, graphicx and UTF-8 input."""
    form = "".join("r" if h.numeric else "l" for h in table.head)
    rows = [" & ".join(rf"\textbf{{{tex(v.text)}}}" if v.best else tex(v.text) for v in r)
            for r in table.rows]  # fmt: skip
    # After the line break \\, a bracket or a star would be read as its option.
    rows = [f"{{}}{row}" if row.startswith(("[", "*")) else row for row in rows]
    notes = " ".join(tex(n) for n in table.notes)
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            # Without notes, a space would be left before the brace.
            rf"  \caption{{{tex(table.title)}. {notes}}}".replace(". }", ".}"),
            rf"  \label{{tab:{table.key}}}",
            r"  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"  \begin{{tabular}}{{{form}}}",
            r"    \toprule",
            f"    {' & '.join(tex(h.text) for h in table.head)} " + r"\\",
            r"    \midrule",
            *(f"    {row} " + r"\\" for row in rows),
            r"    \bottomrule",
            r"  \end{tabular}}",
            r"\end{table}",
            "",
        ]
    )


def line(value: str) -> str:
    """Return a text on one line, as it is safe to show."""
    return printable(" ".join(value.split()))


def mark(value: str) -> str:
    """Return a text as Markdown that shows it."""
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", line(value))


# Applied in one pass, so that no escape is escaped again.
_TEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "±": r"$\pm$", MINUS: "$-$", NOTHING: "--", "≈": r"$\approx$", "×": r"$\times$", "ᵀ": r"$^\top$",
}  # fmt: skip


def tex(value: str) -> str:
    """Return a text as LaTeX that shows it."""
    return "".join(_TEX.get(c, c) for c in line(value))
