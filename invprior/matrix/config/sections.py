"""The sections of a matrix's file: [protocol], [limits] and [tuning]."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from invprior.errors import InvpriorError
from invprior.matrix.config import specs
from invprior.matrix.config.toml_table import TomlTable

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How names of images become true images and measurements.

    Attributes:
        truth: file or sample of the true image; {image} stands for the image's name.
        measurement: file of the measurement; "" simulates it from the truth.
        masked: for the operator inpaint, a file that equals the truth at known pixels. The mask is read off it, so
            it is exactly the published one.
        resample: Pillow's filter that makes the measurement in place of the operator, "lanczos" or "bicubic".
        multiple: the truth is cropped around its centre to sides that are multiples of this.
        border: pixels that metrics leave out, [before, after] in height and width.
        rounded: whether restorations are rounded to 8 bits before scoring, as in a file.
        missing: whether every metric is also computed over the missing pixels alone.
        tell_noise: whether the methods get the noise's spec; else they estimate the noise.
    """

    truth: str = "{image}"
    measurement: str = ""
    masked: str = ""
    resample: str = ""
    multiple: int = 1
    border: tuple[int, int] = (0, 0)
    rounded: bool = False
    missing: bool = False
    tell_noise: bool = True

    @staticmethod
    def read(table: TomlTable) -> Protocol:
        """Read [protocol]; faults are added to the table's."""
        border = table.take("border")
        # Not isinstance: true is an int in Python, and no number of pixels.
        pair = isinstance(border, list) and len(border) == 2 and all(type(n) is int for n in border)
        valid = pair and min(border) >= 0
        if border is not None and not valid:
            table.fault("border", "two integers >= 0", border)
        protocol = Protocol(
            truth=table.text("truth", "{image}"),
            measurement=table.text("measurement"),
            masked=table.text("masked"),
            resample=table.choice("resample", ("lanczos", "bicubic"), ""),
            multiple=table.integer("multiple", 1, least=1),
            border=(border[0], border[1]) if valid else (0, 0),
            rounded=table.switch("rounded", False),
            missing=table.switch("missing", False),
            tell_noise=table.switch("tell_noise", True),
        )
        table.finish()
        # Each of them makes the measurement by itself, so a second one would be ignored.
        sources = [n for n in ("measurement", "masked", "resample") if getattr(protocol, n)]
        if len(sources) > 1:
            table.faults.append(f"[protocol] must have at most one of {' and '.join(sources)}.")
        return protocol


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of a cell: wall-clock time in seconds, and memory beyond Python's own, such as "4GB"."""

    seconds: float = 3600.0
    memory: str = "8GB"

    @property
    def bytes(self) -> int:
        """The memory in bytes."""
        return specs.size_in_bytes(self.memory)

    @staticmethod
    def read(table: TomlTable) -> Limits:
        """Read [limits]; faults are added to the table's."""
        default = Limits()
        limits = Limits(
            seconds=table.positive("seconds", default.seconds),
            memory=table.text("memory", default.memory),
        )
        table.finish()
        try:
            limits.bytes  # noqa: B018  # raises if the text is no size
        except InvpriorError:
            table.fault("memory", 'a size such as "4GB"', limits.memory)
        return limits


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """How weights are tuned: on which images, none of them tested, and reconstructions of each."""

    images: tuple[str, ...] = ()
    budget: int = 7

    @staticmethod
    def read(table: TomlTable) -> Tuning:
        """Read [tuning]; faults are added to the table's."""
        images = table.items("images", (str,), "strings") or []
        # Two, as the factors are spaced between two ends.
        tuning = Tuning(images=tuple(images), budget=table.integer("budget", 7, least=2))
        table.finish()
        return tuning


def kept(read: Callable[[TomlTable], T], default: Any, table: TomlTable, key: str) -> T:
    """Read a dataclass back that JSON has kept, with the checks of a configuration.

    Args:
        read: its reader; faults are added to the table's.
        default: one with all defaults, whose values a configuration does not name.
        table: holds the object.
        key: of the object.
    """
    values = table.take(key)
    if not isinstance(values, dict):
        table.fault(key, "an object", values)
        values = {}
    usual = json.loads(json.dumps(asdict(default)))
    given = {k: v for k, v in values.items() if k not in usual or v != usual[k]}
    return read(table.inner(given, f"its {key}"))
