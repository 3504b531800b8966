"""What is said of a stack that is restored: the record of all pages, and their table."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from rich.console import Group
from rich.markup import escape
from rich.table import Table


def joint(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what the records of the pages say together: sums of steps and seconds, means of scores."""
    scores = {
        kind: {
            name: fmean(float(record["scores"][kind][name]) for record in records)
            for name in records[0]["scores"][kind]
        }
        for kind in records[0]["scores"]
    }
    return {
        "steps": sum(record["steps"] for record in records),
        "seconds": sum(record["seconds"] for record in records),
        "scores": scores,
        "pages": records,
    }


def table(records: Sequence[dict[str, Any]]) -> Group:
    """Return a table with a row for each page."""
    rows = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("page", "steps", "time [s]", "noise", "PSNR [dB]", "stopped"):
        rows.add_column(escape(name), justify="left" if name == "stopped" else "right")
    for number, page in enumerate(records, 1):
        level = page["provenance"].get("noise_level")
        psnr = page["scores"].get("restoration", {}).get("psnr")
        rows.add_row(
            str(number),
            str(page["steps"]),
            f"{page['seconds']:.1f}",
            "-" if level is None else f"{float(level):.4g}",
            "-" if psnr is None else f"{float(psnr):.2f}",
            escape(page["stop"]["message"]),
        )
    return Group(rows, "")
