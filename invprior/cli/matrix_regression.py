"""`invprior matrix regression`: is quality worse than a baseline's, by more than seeds explain?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from invprior.cli.console import err, out, reporting

if TYPE_CHECKING:
    from invprior.matrix.analysis.regression import RegressionReport

_WHAT = 'a folder that "invprior matrix run" wrote, or a JSON file of "pytest benchmarks".'


@reporting
def regression(
    baseline: Annotated[Path, typer.Argument(help=f"The old results: {_WHAT}")],
    new: Annotated[Path, typer.Argument(help=f"The new results: {_WHAT}")],
    everything: Annotated[
        bool, typer.Option("--all", help="Show also rows that have not changed.")
    ] = False,
) -> None:
    """Compare quality with a baseline's, cell by cell; exit code 1 on a drop beyond seed noise, or a lost cell.

    Both sides need the same images and seeds: at least two seeds, better three to five.
    """
    from invprior.matrix.analysis.regression import compare, read

    found = compare(read(baseline), read(new))
    out.print(_table(found, everything=everything))
    for line in _lines(found):
        out.print(escape(line), soft_wrap=True)
    if not found.passed:  # after the table, which shows why
        err.print("[bold red]Worse[/] than the baseline.")
        raise typer.Exit(1)


def _table(found: RegressionReport, *, everything: bool) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("operator", "noise", "method", "metric"):
        table.add_column(name, overflow="fold")
    for name in ("baseline", "change", "allowed", "pairs", ""):
        table.add_column(name, justify="right")
    for v in found.verdicts:
        if not (everything or v.change or v.worse):
            continue
        # The allowance is shown with the sign of a drop.
        values = f"{v.baseline:.4g}", f"{v.change:+.4f}", f"-{v.allowed:.4f}", str(v.pairs)
        verdict = "[bold red]worse[/]" if v.worse else "ok"
        texts = v.row.operator, v.row.noise or "-", v.row.method, v.row.metric
        table.add_row(*map(escape, texts), *values, verdict)
    return table


def _lines(found: RegressionReport) -> list[str]:
    same = sum(not v.change for v in found.verdicts)
    lines = [f"{len(found.verdicts)} rows compared; {same} have the same mean as before."]
    lines += [
        f"Lost: {c.image}, {c.operator}, {c.noise or 'no noise'}, {c.method}, seed {c.seed} had a result."
        for c in found.lost
    ]
    if found.new:
        lines.append(f"{found.new} cells are not in the baseline.")
    return lines
