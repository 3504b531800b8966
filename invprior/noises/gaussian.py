"""Gaussian noise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge
from torch import Tensor

from invprior.errors import IncompatibleError
from invprior.fidelities.gaussian import Gaussian
from invprior.noises.base import Noise


@dataclass(frozen=True, kw_only=True)
class GaussianNoise(Noise):
    """White Gaussian noise, added to every measurement.

    Args:
        sigma: standard deviation, in units of the data. If it is absent, it is estimated from y; a simulation
            uses 25 / 255. With 0 a simulation adds no noise. A restoration then estimates sigma from y, with a note.
            Complex noise is circular: sigma is that of its real part and that of its imaginary part, so the root mean
            square of its magnitude is sqrt(2) sigma.
        clip: limit the result to [0, 1], as a camera does.
        quantise: limit the result to [0, 1] and round it to 8 bits, as an 8-bit file does.
    """

    takes_complex: ClassVar[bool] = True

    sigma: Annotated[float, Ge(0)] | None = None
    clip: bool = False
    quantise: bool = False

    @property
    def expected_failures(self) -> dict[str, str]:
        """What the conformance kit finds in a camera's noise."""
        camera = self.clip or self.quantise
        return {"its-fidelity": "least squares ignores clipping and rounding"} if camera else {}

    def sample(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        """Add noise. It is drawn in float64 on the CPU, so that every dtype and device gets the same.

        Raises:
            IncompatibleError: `clip` or `quantise` for complex measurements, which have no limits.
        """
        if clean.is_complex():
            if self.clip or self.quantise:
                raise IncompatibleError(
                    "The options clip and quantise of gaussian are for the real values of a camera; the measurement "
                    "is complex. Leave them out."
                )
            noise = torch.randn((*clean.shape, 2), generator=generator, dtype=torch.float64)
            noise = torch.view_as_complex(noise)
        else:
            noise = torch.randn(clean.shape, generator=generator, dtype=torch.float64)
        noisy = clean + self._sigma * noise.to(clean)
        if self.quantise:
            return (noisy.clamp(0, 1) * 255).round() / 255
        return noisy.clamp(0, 1) if self.clip else noisy

    def filled_in(self) -> GaussianNoise:
        """Set an open sigma to 25 / 255, the middle level of denoising benchmarks."""
        return replace(self, sigma=self._sigma)

    @property
    def _sigma(self) -> float:
        return 25 / 255 if self.sigma is None else self.sigma

    def fidelity(self) -> Gaussian:
        """Return least squares with this sigma, or with an estimated one if it is open or 0.

        Clipping and rounding are ignored.
        """
        # With sigma 0 least squares would have an infinite weight, so the level is estimated.
        return Gaussian(sigma=self.sigma or None)
