"""Checks of every method that takes tensors, whatever the plugin's kind: shape, dtype, device, batch, repeatability."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from invprior.numerics.tensor_diff import distance
from invprior.testing.global_state import global_state_restored, global_state_unused
from invprior.testing.method_calls import MethodCall
from invprior.testing.rebuilding import twins
from invprior.testing.report import Check, Fault, Skip, checks_for
from invprior.testing.second_device import CannotSimulate, MixedDevices, second_device

Calls = Callable[[Any], Sequence[MethodCall]]

_SINGLE = 1e-2  # relative distance allowed between float32 and float64
_ALONE = 1e-4  # the same for an image alone and in a batch: torch may sum in another order for another batch size
# Which of the two images a batch holds. With five of them a method that treats two apart cannot hide.
_BATCH = (0, 1, 1, 0, 1)
_REMEMBERS = "remembers earlier calls: after a call with other images it gives another result"


def tensor_method_checks(
    form: type | tuple[type, ...], calls: Calls, *, batch: bool = True
) -> tuple[Check, ...]:
    """Return the checks that hold for every method that takes tensors.

    Args:
        form: the base class, or classes, of the objects.
        calls: returns an object's method calls.
        batch: whether the methods treat each image of a batch independently.
    """

    def shape(obj: Any) -> None:
        """Every method returns the documented shape, for a batch and for one image."""
        for call in calls(obj):
            _require_shape(call, call(), call.shape)
            if batch:
                _require_shape(call, call.one()(), call.one().shape)

    def dtype(obj: Any) -> None:
        """Float32 in gives float32 out, float64 gives float64, and the values agree."""
        for call in calls(obj):
            exact = call()
            _require_dtype(call, exact, torch.float64)
            single = call.to(torch.float32)
            rough = single()
            _require_dtype(single, rough, torch.float32)
            apart = distance(rough.to(exact), exact)
            # Methods that draw random numbers (batch=False) are exempt from agreement.
            if batch and not apart <= _SINGLE and bool(exact.isfinite().all()):
                raise Fault(
                    f"{call.name} in float32 differs from float64 by {apart:.0e} (relative)"
                )

    def device(obj: Any) -> None:
        """Results are on the device of the images."""
        for call in map(MethodCall.one, calls(obj)):
            try:
                with second_device() as move:
                    plugin, tensors = move(call.plugin), [move(t) for t in call.tensors]
                    found = call.call(plugin, *tensors)
            except MixedDevices as error:
                raise Fault(
                    f"{call.name} mixes devices: {error}; "
                    "register tensors as buffers, and create new ones on the device of x"
                ) from None
            except CannotSimulate as error:
                raise Skip(f"this check needs a GPU: {error}") from None
            if found.device != tensors[0].device:
                raise Fault(f"{call.name} returns a tensor on the {found.device.type.upper()}")

    def batch_apart(obj: Any) -> None:
        """No image of a batch influences another."""
        for call in calls(obj):
            alone = [call.one(index)() for index in (0, 1)]
            both = call.of(*(t[list(_BATCH)] for t in call.tensors))
            if both.shape[0] != len(_BATCH):
                raise Fault(f"{call.name} of {len(_BATCH)} images returns {both.shape[0]}")
            for place, index in enumerate(_BATCH):
                one = both[place : place + 1]
                apart = distance(one, alone[index])
                # The distance is NaN for infinite values, which may still be equal.
                if apart <= _ALONE or _same(one, alone[index]):
                    continue
                if not _same(call.one(index)(), alone[index]):
                    raise Fault(f"{call.name} {_REMEMBERS}")
                raise Fault(
                    f"{call.name} mixes the batch: an image alone gives another result "
                    f"(relative difference {apart:.0e})"
                )

    def input_untouched(obj: Any) -> None:
        """No method changes its input tensors."""
        for exact in map(MethodCall.one, calls(obj)):
            # In both precisions: a conversion copies the one and returns the other itself.
            for call in (exact, exact.to(torch.float32)):
                given = [t.clone() for t in call.tensors]
                call.of(*given)
                if not all(map(torch.equal, given, call.tensors)):
                    where = "" if call is exact else " in float32"
                    raise Fault(f"{call.name} changes its input in place{where}")

    def repeatable(obj: Any) -> None:
        """The same call returns the same bits, and leaves global random state and settings alone."""
        with global_state_restored():  # making the calls may apply a method that changes a setting
            made = calls(obj)
        for call in map(MethodCall.one, made):
            one = copy.deepcopy(call.plugin)
            with torch.no_grad(), global_state_unused(call.name):
                first, second = (call.call(one, *call.tensors).detach() for _ in range(2))
            if not _same(second, first):
                raise Fault(
                    f"{call.name} gives another result when called again "
                    f"(relative difference {distance(second, first):.0e})"
                )
            other = copy.deepcopy(call.plugin)
            call.by(other, *_changed(call.tensors))
            after = call.by(other, *call.tensors)
            if not _same(after, first):
                raise Fault(
                    f"{call.name} {_REMEMBERS} (relative difference {distance(after, first):.0e})"
                )

    def rebuilt(obj: Any) -> None:
        """The same options make the same object, and global random state has no part in it."""
        with global_state_unused("its constructor"):
            made = twins(obj)
        if made is None:
            raise Skip("its options alone do not make it")
        for one, other in zip(*map(calls, made), strict=True):
            if not _same(other.one()(), one.one()()):
                raise Fault(
                    f"{one.name} gives another result when the object is built again from the same options: "
                    "a part of it is random without a seed"
                )

    # The functions' names become those of the checks, which users write in `expected_failures`.
    found = checks_for(
        form, shape, dtype, device, batch_apart, input_untouched, repeatable, rebuilt
    )
    return tuple(c for c in found if batch or c.run is not batch_apart)


def require_finite(calls: Sequence[MethodCall], inputs: Mapping[str, tuple[Tensor, ...]]) -> None:
    """Call every method on every input.

    Args:
        calls: the methods.
        inputs: the tensors to call them with, keyed by what they show.

    Raises:
        Fault: a result is infinite or NaN.
    """
    for name, tensors in inputs.items():
        for call in calls:
            if not bool(call.of(*tensors).isfinite().all()):
                raise Fault(f"{call.name} is not finite on {name}")


def _changed(tensors: tuple[Tensor, ...]) -> list[Tensor]:
    """Return other images of the same shape, darker ones, so that their largest value differs too."""
    return [0.7 * t.flip(0, -1) for t in tensors]


def _same(found: Tensor, expected: Tensor) -> bool:
    # NaN never equals NaN, but the same NaN twice is repeatable.
    if found.is_complex() and expected.is_complex():  # torch knows no nan_to_num of these
        found, expected = torch.view_as_real(found), torch.view_as_real(expected)
    return torch.equal(found.nan_to_num(), expected.nan_to_num())


def dtype_name(dtype: torch.dtype) -> str:
    """Name a dtype without its module: float32."""
    return str(dtype).removeprefix("torch.")


def _require_shape(call: MethodCall, found: Tensor, expected: tuple[int, ...]) -> None:
    if not isinstance(found, Tensor):
        raise Fault(f"{call.name} returns a {type(found).__name__}, should be a tensor")
    if tuple(found.shape) == expected:
        return
    hint = ""
    if len(expected) == 1 and found.dim() == 0:
        hint = ": one value for the whole batch, should be one per image"
    raise Fault(f"{call.name} returns the shape {tuple(found.shape)}, should be {expected}{hint}")


def _require_dtype(call: MethodCall, found: Tensor, expected: torch.dtype) -> None:
    # Measurements may be complex, in the precision of the images.
    complex_dtype = torch.complex64 if expected == torch.float32 else torch.complex128
    if found.dtype not in (expected, complex_dtype):
        raise Fault(
            f"{call.name} returns {dtype_name(found.dtype)} for {dtype_name(expected)} images"
        )
