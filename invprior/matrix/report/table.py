"""A table before anybody has decided whether it becomes HTML, Markdown, LaTeX or CSV."""

from __future__ import annotations

import re
from dataclasses import dataclass

MINUS = "\u2212"
NOTHING = "–"


@dataclass(frozen=True, kw_only=True)
class Value:
    """One cell of a table.

    Attributes:
        sort: what rows are sorted by; a number where the column is numeric, None always last.
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
        note: what the column holds, in one sentence.
        numeric: set to the right, sorted as numbers.
    """

    text: str
    note: str = ""
    numeric: bool = True


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with its title and what must be said below it; the first column names the rows."""

    key: str
    title: str
    head: tuple[Head, ...]
    rows: tuple[tuple[Value, ...], ...]
    notes: tuple[str, ...] = ()


def text(value: str, note: str = "", status: str = "") -> Value:
    """Make a value that is sorted as text."""
    return Value(text=value, sort=value.lower(), note=note, status=status)


def number(
    value: float | None, shown: str | None = None, *, best: bool = False, note: str = ""
) -> Value:
    """Make a number, as it is or as shown; a dash for None."""
    if value is None:
        return Value(text=NOTHING, note=note)
    return Value(text=str(value) if shown is None else shown, sort=value, best=best, note=note)


def signed(value: str) -> str:
    """Put a sign before a printed number: a true minus, or a plus; none before zero."""
    if not float(value.partition(" ")[0]):  # rounded to nothing, from either side
        return value.removeprefix("-")
    return f"{MINUS}{value[1:]}" if value.startswith("-") else f"+{value}"


def markdown(sheet: Table) -> str:
    """Print a table as GitHub's Markdown."""
    lines = [
        [_mark(h.text) for h in sheet.head],
        ["---:" if h.numeric else "---" for h in sheet.head],
        *([f"**{_mark(v.text)}**" if v.best else _mark(v.text) for v in r] for r in sheet.rows),
    ]
    parts = [f"### {_mark(sheet.title)}", "\n".join(f"| {' | '.join(line)} |" for line in lines)]
    return "\n\n".join([*parts, *(_mark(n) for n in sheet.notes)]) + "\n"


def latex(sheet: Table) -> str:
    """Print a table as LaTeX, shrunk where it is wider than the line; for booktabs, graphicx and UTF-8 input."""
    form = "".join("r" if h.numeric else "l" for h in sheet.head)
    rows = [" & ".join(rf"\textbf{{{_tex(v.text)}}}" if v.best else _tex(v.text) for v in r)
            for r in sheet.rows]  # fmt: skip
    # A bracket or a star would be taken for an option of the line end before it.
    rows = [f"{{}}{row}" if row.startswith(("[", "*")) else row for row in rows]
    notes = " ".join(_tex(n) for n in sheet.notes)
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{_tex(sheet.title)}. {notes}}}".replace(". }", ".}"),
            rf"  \label{{tab:{sheet.key}}}",
            r"  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"  \begin{{tabular}}{{{form}}}",
            r"    \toprule",
            f"    {' & '.join(_tex(h.text) for h in sheet.head)} " + r"\\",
            r"    \midrule",
            *(f"    {row} " + r"\\" for row in rows),
            r"    \bottomrule",
            r"  \end{tabular}}",
            r"\end{table}",
            "",
        ]
    )


def _mark(value: str) -> str:
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", " ".join(value.split()))


_TEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "±": r"$\pm$", MINUS: "$-$", NOTHING: "--", "≈": r"$\approx$", "×": r"$\times$", "ᵀ": r"$^\top$",
}  # fmt: skip


def _tex(value: str) -> str:
    return "".join(_TEX.get(c, c) for c in " ".join(value.split()))
