"""Silence for the libraries that read files, in any number of threads."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

_LOCK = threading.Lock()
_inside = 0  # blocks that have begun, in all threads
_silence: AbstractContextManager[None] | None = None  # made by the first of them, ended by the last


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what the libraries say of metadata; a file that cannot be read raises an error all the same."""
    global _inside, _silence
    # Warning filters belong to the process. If each thread put them back, the last could put back another one's.
    with _LOCK:
        if not _inside:
            _silence = _silenced()
            _silence.__enter__()
        _inside += 1
    try:
        yield
    finally:
        with _LOCK:
            _inside -= 1
            if not _inside and _silence is not None:
                _silence.__exit__(None, None, None)


@contextmanager
def _silenced() -> Iterator[None]:
    # Not astropy's, which must be of a class that astropy sets; what it says are warnings.
    loggers = [logging.getLogger(name) for name in ("tifffile", "pydicom", "nibabel.global", "PIL")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for logger in loggers:
                logger.setLevel(logging.CRITICAL + 1)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
