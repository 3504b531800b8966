"""Text files that are read whole, such as records and configurations."""

from __future__ import annotations

from pathlib import Path

from invprior.errors import MeasurementError
from invprior.io import sources

LARGEST = 2**26  # bytes, far above any record or configuration


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises:
        MeasurementError: there is none, it is not UTF-8, it is larger than `LARGEST`, or it is no plain file.
    """
    try:
        size = sources.check_plain(path)
        if size > LARGEST:
            raise MeasurementError(
                f'Cannot read "{path}": it has {size:,} bytes, and such a file has at most {LARGEST:,}.'
            )
        return path.read_text(encoding="utf-8")
    except MeasurementError:
        raise
    except (OSError, ValueError) as error:
        # Only errors of the system have a strerror; that of a decoding error is its text.
        reason = getattr(error, "strerror", None) or str(error)
        raise MeasurementError(f'Cannot read "{path}": {reason}.') from None
