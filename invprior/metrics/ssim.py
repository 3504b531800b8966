"""Structural similarity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from invprior.errors import IncompatibleError
from invprior.metrics.base import Metric, Range, check_range, check_shapes, range_of

WINDOW = 11  # pixels: a Gaussian of standard deviation 1.5, truncated at 3.5 standard deviations


@dataclass(frozen=True, kw_only=True)
class SSIM(Metric):
    """Structural similarity, the mean over pixels and channels; 1 for equal images.

    x is clipped to the range of the intensities first, as it would be in a file. Both images are
    then mapped from this range to [0, 1], because the formula expects intensities from 0.

    Args:
        data_range: lowest and highest intensity, such as [0, 255]. When absent, [0, 1] if the
            ground truth lies within it and spans a quarter of it or more, and else the ground
            truth's own minimum and maximum.

    Source: Wang, Bovik, Sheikh and Simoncelli, Image quality assessment: from error visibility to
    structural similarity, IEEE Trans. Image Process. 13 (2004), with its settings.
    """

    data_range: Range | None = None

    def __post_init__(self) -> None:
        check_range(self.data_range, "ssim")

    def measure(self, x: Tensor, truth: Tensor) -> Tensor:
        """Return the SSIM of each image, (B,), by scikit-image on the CPU."""
        from skimage import metrics  # slow to import, so not before it is needed

        similarity: Any = metrics.structural_similarity  # scikit-image has no type annotations

        check_shapes(x, truth)
        if min(x.shape[-2:]) < WINDOW:
            raise IncompatibleError(
                f"ssim compares windows of {WINDOW} x {WINDOW} pixels, but the image has "
                f"{x.shape[-2]} x {x.shape[-1]}. Use psnr."
            )
        x_64, truth_64 = (t.detach().cpu().double() for t in (x, truth))
        low, high = range_of(truth_64, self.data_range)
        scores = [
            # These settings are those of the paper; scikit-image's defaults use a uniform window.
            similarity(
                a,
                b,
                channel_axis=0,
                data_range=1.0,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
            )
            for a, b in zip(
                ((x_64.clamp(low, high) - low) / (high - low)).numpy(),
                ((truth_64 - low) / (high - low)).numpy(),
                strict=True,
            )
        ]
        return torch.tensor(scores, dtype=x.dtype, device=x.device)
