"""Checks of everything that takes images to tensors, whatever its kind."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from invprior.numerics.tensor_diff import distance
from invprior.testing.method_calls import Use, complex_of
from invprior.testing.report import Check, Fault, Skip, checks_for
from invprior.testing.second_device import MixedDevices, Unknown, elsewhere

Uses = Callable[[Any], Sequence[Use]]


def map_checks(
    form: type | tuple[type, ...], uses: Uses, *, batch: bool = True
) -> tuple[Check, ...]:
    """The checks that hold for every map, of objects of a type.

    Args:
        form: the type, or several.
        uses: the object's uses.
        batch: whether the maps take each image of a batch by itself.
    """

    def shape(obj: Any) -> None:
        """Every method returns the shape that it promises, for a batch and for one image."""
        for use in uses(obj):
            _same_shape(use, use(), use.shape)
            if batch:
                _same_shape(use, use.of(*(t[:1] for t in use.tensors)), (1, *use.shape[1:]))

    def dtype(obj: Any) -> None:
        """Float32 stays float32, float64 stays float64, and both give the same numbers."""
        for use in uses(obj):
            exact = use()
            _same_dtype(use, exact, torch.float64)
            single = use.to(torch.float32)
            rough = single()
            _same_dtype(single, rough, torch.float32)
            apart = distance(rough.to(exact), exact)
            if batch and not apart <= 1e-2 and bool(exact.isfinite().all()):
                raise Fault(f"{use.name} in float32 is off by {apart:.0e} of its size")

    def device(obj: Any) -> None:
        """What it returns is where the images are."""
        for use in uses(obj):
            try:
                with elsewhere() as move:
                    plugin, tensors = move(use.plugin), [move(t) for t in use.tensors]
                    found = use.call(plugin, *tensors)
            except MixedDevices as error:
                raise Fault(
                    f"{use.name} mixes devices: {error}; keep tensors as buffers, and make new ones on x's device"
                ) from None
            except Unknown as error:
                raise Skip(f"cannot be told without a GPU: {error}") from None
            if found.device != tensors[0].device:
                raise Fault(f"{use.name} returns the {found.device.type.upper()}'s tensors")

    def batch_apart(obj: Any) -> None:
        """No image of a batch influences another."""
        for use in uses(obj):
            both = use()
            for index in (0, 1):
                alone = use.of(*(t[index : index + 1] for t in use.tensors))
                apart = distance(both[index : index + 1], alone)
                if not (apart <= 1e-4 or torch.equal(both[index : index + 1], alone)):
                    raise Fault(
                        f"{use.name} mixes the batch: an image alone gives another result, "
                        f"{apart:.0e} of its size away"
                    )

    def input_untouched(obj: Any) -> None:
        """The tensors that it is given are not changed."""
        for use in uses(obj):
            given = [t.clone() for t in use.tensors]
            use.call(use.plugin, *given)
            if not all(map(torch.equal, given, use.tensors)):
                raise Fault(f"{use.name} changes its input in place")

    def repeatable(obj: Any) -> None:
        """The same call gives the same bits, and leaves global random state alone."""
        for use in uses(obj):
            with global_state_watched(use.name):
                first, second = use(), use()
            if not torch.equal(first.nan_to_num(), second.nan_to_num()):
                apart = distance(second, first)
                raise Fault(
                    f"{use.name} gives another result when called again, {apart:.0e} of its size away"
                )

    found = checks_for(form, shape, dtype, device, batch_apart, input_untouched, repeatable)
    return tuple(c for c in found if batch or c.run is not batch_apart)


@contextmanager
def global_state_watched(name: str) -> Iterator[None]:
    """Fail when what happens inside draws from, or seeds, a global random source; what it changed is put back.

    Args:
        name: what happens inside, for the message.
    """
    before = (torch.get_rng_state(), np.random.get_state(), random.getstate())  # noqa: NPY002
    try:
        yield
        after = (torch.get_rng_state(), np.random.get_state(), random.getstate())  # noqa: NPY002
        same = (
            torch.equal(before[0], after[0]),
            _legacy(before[1]) == _legacy(after[1]),
            before[2] == after[2],
        )
        guilty = [
            n for n, kept in zip(("torch's", "NumPy's", "Python's"), same, strict=True) if not kept
        ]
        if guilty:
            raise Fault(
                f"{name} uses global random state ({' and '.join(guilty)}); "
                "draw from the generator, or from one of its own"
            )
    finally:
        torch.set_rng_state(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
        random.setstate(before[2])


def _legacy(state: Any) -> tuple[Any, ...]:
    return tuple(part.tobytes() if isinstance(part, np.ndarray) else part for part in state)


def _same_shape(use: Use, found: Tensor, expected: tuple[int, ...]) -> None:
    if not isinstance(found, Tensor):
        raise Fault(f"{use.name} returns a {type(found).__name__}, should be a tensor")
    if tuple(found.shape) == expected:
        return
    hint = ""
    if len(expected) == 1 and found.dim() == 0:
        hint = ": one figure for the whole batch, should be one for each image"
    raise Fault(f"{use.name} returns the shape {tuple(found.shape)}, should be {expected}{hint}")


def _same_dtype(use: Use, found: Tensor, expected: torch.dtype) -> None:
    if found.dtype not in (expected, complex_of(expected)):
        raise Fault(f"{use.name} returns {_plain(found.dtype)} for {_plain(expected)} images")


def _plain(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
