"""The parts of deepinv that are used, or an error that says how to install it."""

from __future__ import annotations

try:
    from deepinv import models as models
    from deepinv import physics as physics
except ImportError as error:
    raise ImportError(
        f"deepinv cannot be imported ({error}). Install it with the torchvision build for your torch: "
        "pip install 'invprior-deepinv[deepinv]'"
    ) from error
