"""The pages of a stack that are done, each in a file until all are."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save as packed
from torch import Tensor

from invprior.io import files


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


def keep(folder: Path, index: int, page: Page) -> None:
    """Write a page into the folder of the run."""
    tensors = {"x": page.x, "y": page.y, "deviation": page.deviation}
    found = {k: v.detach().contiguous() for k, v in tensors.items() if v is not None}
    with files.atomic(file_of(folder, index), overwrite=True) as file:
        file.write(packed(found, {"record": json.dumps(page.record)}))


def kept(folder: Path, index: int) -> Page | None:
    """Return a page that has been written, or None."""
    path = file_of(folder, index)
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            record = json.loads(file.metadata()["record"])
        return Page(tensors["x"], tensors["y"], tensors.get("deviation"), record)
    except Exception:  # a damaged file can raise anything; its page is restored again
        return None
