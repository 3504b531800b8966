"""Structural similarity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from invprior.errors import IncompatibleError
from invprior.metrics.base import Metric, check_shapes

WINDOW = 11  # pixels: a Gaussian of standard deviation 1.5, cut at 3.5 of them


@dataclass(frozen=True, kw_only=True)
class SSIM(Metric):
    """Structural similarity, the mean over pixels and channels; 1 for equal images.

    x is clipped to [0, 1] first, as it would be in a file.

    Source: Wang, Bovik, Sheikh and Simoncelli, Image quality assessment: from error visibility to
    structural similarity, IEEE Trans. Image Process. 13 (2004), with its settings.
    """

    def measure(self, x: Tensor, truth: Tensor) -> Tensor:
        """Score each image, (B,), by scikit-image's implementation, on the CPU."""
        from skimage import metrics

        similarity: Any = metrics.structural_similarity  # it carries no types

        check_shapes(x, truth)
        if min(x.shape[-2:]) < WINDOW:
            raise IncompatibleError(
                f"ssim compares windows of {WINDOW} x {WINDOW} pixels, and the image has "
                f"{x.shape[-2]} x {x.shape[-1]}; score it by psnr."
            )
        scores = [
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
                x.detach().clamp(0, 1).double().cpu().numpy(),
                truth.detach().double().cpu().numpy(),
                strict=True,
            )
        ]
        return torch.tensor(scores, dtype=x.dtype, device=x.device)
