"""deepinv itself, or what to do without it."""

from __future__ import annotations

try:
    from deepinv import models as models
    from deepinv import physics as physics
except ImportError as error:
    raise ImportError(
        f"deepinv cannot be imported ({error}); install it with the torchvision that belongs to your torch: "
        "pip install 'invprior-deepinv[deepinv]'"
    ) from error
