"""Compute a run of `solve` again from its record, and compare the results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from invprior.cli.outputs import Place
from invprior.cli.session import directory
from invprior.cli.several import opened
from invprior.cli.solve_options import Options
from invprior.errors import InvpriorError, MeasurementError
from invprior.io import small_files, strict_json


@dataclass(frozen=True)
class Again:
    """The outcome of a second run.

    Attributes:
        differences: in scores, steps and the result, a sentence each; empty if the result is the same to the last bit.
        causes: what has changed since and may explain them, a sentence each.
    """

    differences: tuple[str, ...]
    causes: tuple[str, ...]


def is_run(path: Path) -> bool:
    """Return whether a file is the record of a run of `solve`, and not that of a cell of a matrix.

    Raises:
        MeasurementError: it cannot be read.
    """
    return isinstance(values := _values(path), dict) and "command" in values


def reproduce_run(path: Path, folder: Path, data: Path | None, *, quiet: bool) -> Again:
    """Run `solve` again with the options of a record.

    Args:
        path: of the record.
        folder: an empty one, for the new results.
        data: the folder that its files are named relative to, if it has moved.
        quiet: whether to show no progress.

    Raises:
        MeasurementError: the record cannot be read, or was written by an earlier release.
        InvpriorError: what its options name is gone.
    """
    then = _values(path)
    options = _options(path, then)
    home, command = str(data or then.get("directory", ".")), list(map(str, then["command"]))
    try:
        with directory(home):
            session = opened(options, command, Place(folder.absolute(), "again"))
            solution: Any = session.run(quiet=quiet)
            now = _as_kept(session.write(solution))
    except InvpriorError as error:
        raise type(error)(f"{path}: this run cannot be made again. {error}") from error
    try:
        return _compared(then, now)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise MeasurementError(f"{path}: this record is damaged ({error!r}).") from None


def _values(path: Path) -> Any:
    try:
        return strict_json.loads(small_files.read_text(path))
    except ValueError as error:
        if isinstance(error, InvpriorError):
            raise
        raise MeasurementError(f'"{path}" is no record: {error}.') from None


def _options(path: Path, record: Mapping[str, Any]) -> Options:
    if "options" not in record:
        raise MeasurementError(
            f'"{path}" is of an earlier release, whose records do not hold the options. Its command was: '
            f"invprior {' '.join(map(str, record['command']))}"
        )
    try:
        options, end = Options.restored(record["options"]), record["stop"]["name"]
        threads = options.threads or _threads(record)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise MeasurementError(
            f'"{path}" is damaged, or has options that this release does not know: {error}.'
        ) from None
    if end == "interrupted":
        raise MeasurementError(
            f'"{path}" is of a run that was interrupted, which cannot be repeated.'
        )
    # A second run is compared and thrown away.
    return replace(
        options,
        output=None,
        overwrite=False,
        checkpoint=False,
        weight_curve=False,
        movie=None,
        threads=threads,
    )


def _threads(record: Mapping[str, Any]) -> int | None:
    """Return the number of threads of the run, on which its last bits depend; None if the record holds none."""
    first = (record.get("pages") or [record])[0]
    threads = first.get("provenance", {}).get("threads")
    return threads if isinstance(threads, int) else None


def _as_kept(record: Mapping[str, Any]) -> Any:
    """Return a record as a file has it: lists for tuples, texts for paths."""
    return strict_json.loads(strict_json.dumps(record))


def _compared(then: Mapping[str, Any], now: Mapping[str, Any]) -> Again:
    """Compare two records: page by page for a stack."""
    pages = list(zip(then.get("pages", [then]), now.get("pages", [now]), strict=True))
    differences, causes = [], []
    for number, (old, new) in enumerate(pages, 1):
        of = f"page {number}: " if len(pages) > 1 else ""
        differences += [of + text for text in _differences(old, new)]
        causes += _causes(old["provenance"], new["provenance"])
    if then["stop"]["name"] == "time-limit":
        causes.append(
            "it was ended by its time limit, so its steps depend on the speed of the machine"
        )
    return Again(tuple(differences), tuple(dict.fromkeys(causes)))


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    found = []
    if old["stop"]["name"] != new["stop"]["name"]:
        found.append(f"it was ended by {old['stop']['name']} and is ended by {new['stop']['name']}")
    if old["steps"] != new["steps"]:
        found.append(f"it took {old['steps']} steps and now takes {new['steps']}")
    before, after = (r["scores"].get("restoration", {}) for r in (old, new))
    found += [
        f"{name} was {before[name]:.6g} and is {after[name]:.6g}"
        for name in before.keys() & after.keys()
        if before[name] != after[name]
    ]
    # Scores may agree although the restorations differ, and are unknown without a truth.
    if not found and old["result_sha256"] != new["result_sha256"]:
        found.append("the restoration differs in its last bits")
    return found


def _causes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    found = []
    if old.get("measurement_sha256") != new.get("measurement_sha256"):
        found.append("the measurement has other values")
    for name in ("device", "threads"):  # both change the order in which numbers are added up
        if old.get(name) != new.get(name):
            found.append(f"{name} was {old.get(name)} and is {new.get(name)}")
    then, now = ({**r.get("versions", {}), **r.get("plugins", {})} for r in (old, new))
    found += [
        f"{name} was {then.get(name, 'absent')} and is {now.get(name, 'absent')}"
        for name in sorted(then.keys() | now.keys())
        if then.get(name) != now.get(name)
    ]
    return found
