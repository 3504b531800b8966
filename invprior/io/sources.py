"""Which files may be opened for reading."""

from __future__ import annotations

import stat
from pathlib import Path

from invprior.errors import MeasurementError
from invprior.io import files


def check_plain(path: Path) -> int:
    """Return the size of a file in bytes, after checking that it is one.

    Whoever reads a file that others have made calls this first: a pipe would never answer, and a device such as
    /dev/zero never end.

    Raises:
        MeasurementError: there is no such file, it is a folder, or it is no plain file.
    """
    files.check_name(path)
    try:
        about = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise MeasurementError(
            f'There is no file "{path}". Check the name and the folder.'
        ) from None
    except (OSError, ValueError) as error:  # a null character in a name is a ValueError
        reason = getattr(error, "strerror", None) or str(error)
        raise MeasurementError(f'Cannot read "{path}": {reason}.') from None
    if stat.S_ISDIR(about.st_mode):
        raise MeasurementError(f'"{path}" is a folder; name a file inside it.')
    if not stat.S_ISREG(about.st_mode):
        raise MeasurementError(
            f'Cannot read "{path}": it is no plain file, but a pipe, a device or a socket. '
            "Save its content in a file."
        )
    return about.st_size
