"""Random streams that depend only on a seed and on their purpose."""

from __future__ import annotations

import hashlib

import torch

from invprior.errors import OptionError


def derived_seed(seed: int, *keys: str) -> int:
    """Return a seed for one purpose, from 0 to 2^63 - 1.

    The keys name the purpose. A new draw under new keys therefore changes no other stream.
    """
    # The separator keeps ("ab", "c") and ("a", "bc") apart.
    text = "\x1f".join([str(seed), *keys])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def derived_generator(seed: int, *keys: str) -> torch.Generator:
    """Make a generator on the CPU, seeded by `derived_seed`."""
    return torch.Generator().manual_seed(derived_seed(seed, *keys))


def child_generator(parent: torch.Generator, device: torch.device) -> torch.Generator:
    """Make a generator on a device, seeded by one draw from its parent.

    Args:
        parent: a generator on the CPU; it advances by one draw.
        device: where the child draws.
    """
    child = torch.Generator(device)
    child.manual_seed(int(torch.randint(2**62, (), generator=parent)))
    return child


def check_seed(seed: object) -> None:
    """Refuse a seed that torch's generators cannot take.

    Raises:
        OptionError: it is not an integer of 64 bits, signed or unsigned.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not -(2**63) <= seed < 2**64:
        raise OptionError(f'The option "seed" must be an integer of 64 bits; got {seed!r}.')
