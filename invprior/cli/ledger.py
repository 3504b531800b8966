"""The result files that a run has written itself, which it may replace when it is resumed; others stay."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from invprior.errors import InvpriorError, MeasurementError


class Ledger:
    """The names of the files and the hashes of what the run has written into them.

    Args:
        kept: `own` of the process that the run began in.
    """

    def __init__(self, kept: Mapping[str, str | None] | None = None) -> None:
        # None while a file is being written: a kill then leaves the old file or the new one.
        self.own: dict[str, str | None] = dict(kept or {})

    def check(self, paths: Iterable[Path], remedy: str) -> None:
        """Refuse to go on where files exist that the run has not written, or that somebody has changed since.

        Args:
            paths: the result files.
            remedy: the end of the message.

        Raises:
            MeasurementError: there are some.
        """
        for path in paths:
            if path.exists() and not self._wrote(path):
                raise MeasurementError(
                    f'"{path}" exists already, and this run did not write what it holds. {remedy}'
                )

    @contextmanager
    def writing(self, path: Path, keep: Callable[[], None]) -> Iterator[bool]:
        """Note that a file is being written; yields whether it is the run's own, which may be replaced.

        Args:
            path: the file.
            keep: writes the ledger to disk.
        """
        before = dict(self.own)
        self.own[path.name] = None
        keep()
        try:
            yield path.name in before
        except InvpriorError:  # the file is as it was
            self.own = before
            keep()
            raise
        self.own[path.name] = _digest(path)

    def _wrote(self, path: Path) -> bool:
        if path.name not in self.own:
            return False
        return self.own[path.name] in (None, _digest(path))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
