"""The size of an image behind a measurement that does not show it."""

from __future__ import annotations

import math
from collections.abc import Callable

from invprior.errors import OptionError


def square_side(near: float, fits: Callable[[int], bool]) -> int | None:
    """Return the side, close to a value, of the square image that fits; None if there is none."""
    sides = range(max(math.floor(near) - 1, 1), math.ceil(near) + 2)
    return next((side for side in sorted(sides, key=lambda n: abs(n - near)) if fits(side)), None)


def check_size(name: str, size: tuple[int, int] | None, found: tuple[int, ...]) -> None:
    """Refuse an image of another size than the option `size` says.

    Raises:
        OptionError: they differ.
    """
    if size is not None and tuple(size) != tuple(found):
        raise OptionError(
            f"The size of {name} must be that of the image, {list(found)}; got {list(size)}. Leave it out: only a "
            "measurement of an image that is not square needs it."
        )


def size_needed(name: str, measured: str) -> OptionError:
    """Return the error for a measurement that no square image has."""
    return OptionError(
        f"The size of {name} must be given for a measurement of {measured}, which no square image has. Give height and "
        f"width, as in {name}:size=[64,48], or [1,1000] for a signal of 1000 samples, and check the other options."
    )
