"""The scores, and the summary that `solve` prints at its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from torch import Tensor

from invprior.memory.size import size_text
from invprior.metrics.base import Range, range_text
from invprior.metrics.psnr import PSNR
from invprior.metrics.ssim import SSIM
from invprior.noise_estimation.base import NoiseEstimate


def score(x: Tensor, truth: Tensor, data_range: Range | None) -> dict[str, float]:
    """Return the PSNR, and the SSIM if the image is large enough for it."""
    scores = {"psnr": float(PSNR(data_range=data_range).measure(x, truth))}
    if min(x.shape[2:]) >= 11:  # SSIM's window
        scores["ssim"] = float(SSIM(data_range=data_range).measure(x, truth))
    return scores


def summary(record: dict[str, Any], noise_level: float, noise: NoiseEstimate | None) -> Group:
    """Return the summary: what was solved, why it stopped, and the scores.

    Args:
        record: the run's record.
        noise_level: standard deviation of the noise, in units of the data.
        noise: the estimate of the noise; None if the user gave the level.
    """
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold")
    facts.add_column(overflow="fold")
    parts, stop = record["provenance"], record["stop"]
    end = stop["message"] if stop["ok"] else f"{stop['name']} at step {record['steps']}"
    for name in ("operator", "prior", "solver"):  # one line each; the record holds all options
        facts.add_row(name, Text(parts[name], no_wrap=True, overflow="ellipsis"))
    if (weights := parts.get("weights")) is not None and weights["automatic"]:
        weighted = ", ".join(f"{name} {weight:.4g}" for name, weight in weights["terms"])
        tries = f"{len(weights['tried'])} tried, {record['tuning_seconds']:.1f} s"
        facts.add_row("weight", escape(f"{weighted} (by {weights['rule']}, {tries})"))
    facts.add_row("noise", f"sigma {noise_level:.4g}" if noise is None else escape(noise.text()))
    needs = parts.get("memory", {}).get("estimated", 0)
    if needs > 10**9:
        facts.add_row("memory", f"about {size_text(needs)} (estimated)")
    facts.add_row("stopped", escape(f"{end}, {record['seconds']:.1f} s"))
    if (spread := record["deviation"]) is not None:
        facts.add_row("runs", f"{len(record['runs'])}, standard deviation {spread['rms']:.4f}")
    if not record["scores"]:
        return Group(facts)
    scores = Table(box=None, padding=(0, 2, 0, 0))
    scores.add_column(range_text(record["score_range"]))
    scores.add_column(escape("PSNR [dB]"), justify="right", header_style="bold")
    scores.add_column("SSIM", justify="right", header_style="bold")
    for name, values in record["scores"].items():
        ssim = f"{values['ssim']:.4f}" if "ssim" in values else "-"
        scores.add_row(name, f"{values['psnr']:.2f}", ssim)
    return Group(facts, "", scores, "")


def explained(choices: Sequence[tuple[str, str, str]]) -> Table:
    """Return a table of what was chosen automatically, and why.

    Args:
        choices: of a solution: what, its value, and the reason.
    """
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for what, value, why in choices:
        table.add_row(what, Text(value))
        table.add_row("", Text(f"because: {why}", style="dim"))
    return table
