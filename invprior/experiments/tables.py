"""Write tables as CSV files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from invprior.io import files
from invprior.io.plain_text import printable

_FORMULA = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\n",
)  # as a spreadsheet recognises one, also after white space


def write_table(
    path: Path, header: Sequence[str], rows: Iterable[Sequence[object]], *, overwrite: bool = False
) -> None:
    """Write a CSV file, atomically. None becomes an empty cell; floats keep seven digits.

    A text that a spreadsheet would compute as a formula, such as "=1+1", gets an apostrophe in front.

    Raises:
        MeasurementError: the file exists already or cannot be written.
    """
    text = io.StringIO()
    # The csv module ends lines with "\r\n" by default.
    table = csv.writer(text, lineterminator="\n")
    table.writerow([_cell(name) for name in header])
    table.writerows([_cell(value) for value in row] for row in rows)
    with files.atomic(path, overwrite=overwrite) as file:
        file.write(text.getvalue().encode())


def _cell(value: object) -> object:
    if isinstance(value, str):
        text = printable(value)
        return f"'{text}" if text.startswith(_FORMULA) else text
    return f"{value:.7g}" if isinstance(value, float) else value
