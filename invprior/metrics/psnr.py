"""Peak signal-to-noise ratio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge
from torch import Tensor

from invprior.errors import OptionError
from invprior.metrics.base import Metric, Range, check_range, check_shapes, range_of


@dataclass(frozen=True, kw_only=True)
class PSNR(Metric):
    """Peak signal-to-noise ratio, -10 log10 of the mean squared error over all channels.

    x is clipped to the range of the intensities first, as it would be in a file. The peak is the
    width of this range. Equal images score infinity.

    Args:
        data_range: lowest and highest intensity, such as [0, 255]. When absent, [0, 1] if the
            ground truth lies within it and spans a quarter of it or more, and else the ground
            truth's own minimum and maximum.
        crop: width of the border that is left out, in pixels.
        luma: compare only the luma of colour images (ITU-R BT.601, 8-bit range 16 to 235), as
            the super-resolution literature does. Grey images are compared as they are.
    """

    unit: ClassVar[str] = "dB"

    data_range: Range | None = None
    crop: Annotated[int, Ge(0)] = 0
    luma: bool = False

    def __post_init__(self) -> None:
        check_range(self.data_range, "psnr")

    def measure(self, x: Tensor, truth: Tensor) -> Tensor:
        """Return the PSNR of each image, (B,), in decibels."""
        check_shapes(x, truth)
        height, width = x.shape[-2:]
        if 2 * self.crop >= min(height, width):
            raise OptionError(
                f"The crop of psnr must be below half of the image, {height} x {width}; "
                f"got {self.crop}. Take a smaller crop."
            )
        low, high = range_of(truth, self.data_range)
        error = (x.clamp(low, high) - truth) / (high - low)
        if self.luma and x.shape[1] == 3:
            # Luma is linear and its offset of 16 cancels in a difference, so the error itself is weighted.
            weights = error.new_tensor([65.481, 128.553, 24.966]).view(3, 1, 1) / 255
            error = (error * weights).sum(1, keepdim=True)
        error = error[..., self.crop : height - self.crop, self.crop : width - self.crop]
        return -10 * error.square().flatten(1).mean(1).log10()
