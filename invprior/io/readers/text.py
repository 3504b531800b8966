"""Text and CSV files: tables of numbers, one column of which is a signal."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from invprior.io.readers.base import Array, Decoded, chosen
from invprior.io.room import check_room

SUFFIXES = (".txt", ".csv", ".tsv")


def read(path: Path, name: str | None) -> Decoded:
    """Read a signal: the values of the only column, or of the only line, of a table.

    A table of several columns needs a choice, by the column's name in the first line or by its number from 1. Nothing
    in a file tells which of two columns is the abscissa.
    """
    names, table = _table(path, header=True)
    if 1 in table.shape and name is None:
        return Decoded([table.reshape(1, -1, 1)], "X", (table.size,))
    numbers = [str(1 + k) for k in range(table.shape[1])]
    if name is not None and name in numbers:
        column = int(name) - 1
    else:
        column = (names or numbers).index(chosen(names or numbers, name, "columns"))
    others = [other for k, other in enumerate(names or numbers) if k != column]
    note = f"Of its columns, {(names or numbers)[column]} is read; left out: {', '.join(others)}."
    return Decoded(
        [table[:, column].reshape(1, -1, 1)], "X", (len(table),), notes=(note,) if others else ()
    )


def read_text(path: Path) -> Array:
    """Read a table of numbers, separated by spaces, tabs, commas or semicolons; lines that begin with # are left out.

    Returns:
        (H, W), float64.

    Raises:
        ValueError: a word is no number, or the lines differ in length.
        MeasurementError: there is too little memory for it.
    """
    return _table(path, header=False)[1]


def _table(path: Path, *, header: bool) -> tuple[list[str], Array]:
    """Return the names of the columns, none without a first line of words, and the values."""
    # Each value takes at least two bytes of the file, and about 40 in a list.
    check_room(path.stat().st_size // 2, 40)
    names: list[str] = []
    rows: list[list[float]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        text = line.partition("#")[0].strip()
        words = re.sub(r"\s*[,;]\s*|\s+", " ", text).split()
        if header and words and not rows and not names and not any(map(_is_number, words)):
            # A name may hold spaces where something else separates the columns.
            names = [
                w.strip().strip('"')
                for w in re.split(r"[,;\t]" if re.search(r"[,;\t]", text) else r"\s+", text)
            ]
        elif words:
            rows.append([_number(word, number) for word in words])
            if len(rows[-1]) != len(rows[0]):
                raise ValueError(
                    f"line {number} has {len(rows[-1])} numbers, those before have {len(rows[0])}"
                )
    if not rows:
        raise ValueError("it holds no numbers")
    matching = len(names) == len(rows[0]) == len(set(names))
    return names if matching else [], np.array(rows, np.float64)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _number(word: str, line: int) -> float:
    try:
        return float(word)
    except ValueError:
        raise ValueError(f'line {line} holds "{word}", which is no number') from None
