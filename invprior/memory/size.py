"""Sizes in bytes: free memory of a device, and sizes as text."""

from __future__ import annotations

import re

import torch

from invprior.errors import OptionError
from invprior.io.room import free_memory


def available(device: torch.device) -> int:
    """Return the free memory of a device in bytes, within the limit of a container."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        # torch keeps freed blocks, which the driver counts as used.
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free + cached)
    return free_memory()


_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12,
          "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}  # fmt: skip
_LARGEST = 10**15  # bytes, far above any machine's: more is a slip of the keyboard


def parse_size(size: str | int) -> int:
    """Read a size in bytes from a number, or from text such as "4GB", "1.5 GiB" or "800M".

    Raises:
        OptionError: it is not a size, is not positive or is above 1000 TB.
    """
    number = None
    if isinstance(size, int) and not isinstance(size, bool):
        number = size
    elif isinstance(size, str) and len(size) <= 40:  # a long one would take the expression minutes
        match = re.fullmatch(r"\s*(\d+\.?\d*)\s*([kmgt]?i?)b?\s*", size, re.IGNORECASE)
        if match and match[2].lower() in _UNITS:
            number = round(float(match[1]) * _UNITS[match[2].lower()])
    if number is None or not 1 <= number <= _LARGEST:
        raise OptionError(
            'The option "memory_limit" must be a size such as "4GB" or "800MB", or a number of bytes, at least 1 byte '
            f"and at most 1000 TB; got {str(size)[:40]!r}."
        )
    return number


def size_text(size: int, space: str = " ") -> str:
    """Return a number of bytes as text, such as 1.9 GB."""
    if size >= 1e9:
        return f"{size / 1e9:.1f}{space}GB"
    return f"{max(round(size / 1e6), 1)}{space}MB"
