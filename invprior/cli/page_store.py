"""The pages of a stack that are done, each in a file until all are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from invprior.io import sealed_tensors


@dataclass(frozen=True)
class Page:
    """A page that is done: its restoration, measurement and deviation, (1, C, H, W), and its record."""

    x: Tensor
    y: Tensor
    deviation: Tensor | None
    record: dict[str, Any]


def file_of(folder: Path, index: int) -> Path:
    """Return the file of a page."""
    return folder / f"page-{index + 1:04}.safetensors"


def keep(folder: Path, index: int, page: Page, run: str) -> None:
    """Write a page into the folder of a run."""
    tensors = {"x": page.x, "y": page.y, "deviation": page.deviation}
    known = {k: v for k, v in tensors.items() if v is not None}
    sealed_tensors.write(file_of(folder, index), known, {"run": run, "record": page.record})


def kept(folder: Path, index: int, run: str) -> Page | None:
    """Return a page that this run has written, or None."""
    path = file_of(folder, index)
    if not path.exists():
        return None
    try:
        tensors, facts = sealed_tensors.read(path)
        page = Page(tensors["x"], tensors["y"], tensors.get("deviation"), facts["record"])
    except Exception:  # a damaged file can raise anything; its page is restored again
        return None
    return page if facts["run"] == run else None
