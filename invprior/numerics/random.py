"""Random streams that depend on nothing but a seed and what they are for."""

from __future__ import annotations

import hashlib


def derived_seed(seed: int, *keys: str) -> int:
    """A seed of its own for each purpose, so that adding one draw changes no other; from 0 to 2^63 - 1."""
    text = "\x1f".join([str(seed), *keys])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
