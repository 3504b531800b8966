"""BM3D and CBM3D of the package `bm3d` as a denoiser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import bm3d
import numpy as np
import torch
from annotated_types import Ge
from numpy.typing import NDArray
from torch import Tensor

from invprior import Denoiser
from invprior.numerics.opponent import from_opponent, to_opponent

_LEAST = 16  # pixels a side; the package's library crashes on images that barely hold a block
_BLOCK = 8  # pixels a side of the package's smallest blocks


@dataclass(frozen=True, kw_only=True)
class BM3D(Denoiser):
    """Block matching and 3-D filtering, with all channels of a colour image together (CBM3D).

    Similar blocks are stacked, and each stack is filtered in a transform domain, first by a threshold, then by a Wiener
    filter. In images of three channels, blocks are matched by brightness; other numbers of channels are filtered one by
    one. The filter runs on the CPU, whatever the device of the image.

    The licence of the package `bm3d` excludes commercial use.

    Args:
        profile: speed and quality: `np` is the authors' normal profile, `lc` is fast, `high` is slow, and `vn` is for
            strong noise.
        threads: number of CPU threads; 0 uses all. With more than one, the last digits vary from run to run.

    Source: Dabov, Foi, Katkovnik and Egiazarian, "Image denoising by sparse 3-D transform-domain collaborative
    filtering", IEEE Transactions on Image Processing 2007; the authors' own package.
    """

    profile: Literal["np", "lc", "high", "vn"] = "np"
    threads: Annotated[int, Ge(0)] = 1

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        """Remove noise of standard deviation sigma. An image that is not finite becomes NaN.

        Raises:
            MemoryError: the package runs out of memory.
        """
        axes = to_opponent(x.detach().to("cpu", torch.float64))
        cleaned = np.stack([self._one(image, sigma) for image in axes.numpy()])
        return from_opponent(torch.from_numpy(cleaned)).to(device=x.device, dtype=x.dtype)

    def _one(self, image: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
        """Filter one image, (C, H, W), whose first of three channels is the brightness."""
        if not np.isfinite(image).all():
            return np.full_like(image, np.nan)
        channels, height, width = image.shape
        missing = [(0, max(0, _LEAST - side)) for side in (height, width)]
        planes = np.pad(image, [(0, 0), *missing], mode="symmetric").transpose(1, 2, 0)
        profile = self._profile(max(planes.shape))
        if channels == 3 and np.ptp(planes[..., 0]) > 0:
            cleaned = bm3d.bm3d(planes, [sigma] * 3, profile)
        else:  # a flat first channel has no blocks to match
            each = [bm3d.bm3d(planes[..., c], sigma, profile) for c in range(channels)]
            cleaned = np.stack(each, -1)
        # The package returns zeros when memory runs out, and raises nothing.
        if planes.any() and not cleaned.any():
            raise MemoryError("bm3d returned an empty image: too little memory for this image size")
        return np.ascontiguousarray(cleaned[:height, :width].transpose(2, 0, 1))

    def _profile(self, side: int) -> Any:
        """Return the package's settings, with search windows no larger than the image."""
        kinds = {
            "np": bm3d.BM3DProfile,
            "lc": bm3d.BM3DProfileLC,
            "high": bm3d.BM3DProfileHigh,
            "vn": bm3d.BM3DProfileVN,
        }
        profile = kinds[self.profile]()
        profile.num_threads = self.threads
        # On a small image the package would spend most of its time beyond the border.
        profile.search_window_ht = min(profile.search_window_ht, 2 * (side - _BLOCK) + 1)
        profile.search_window_wiener = min(profile.search_window_wiener, 2 * (side - _BLOCK) + 1)
        return profile
