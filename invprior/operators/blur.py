"""Convolution with a known kernel."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt, Le
from scipy.fft import next_fast_len
from torch import Tensor
from torch.nn import functional

from invprior.errors import (
    IncompatibleError,
    MeasurementError,
    OptionError,
    did_you_mean,
    refuse_complex,
)
from invprior.io.arrays import read_plane
from invprior.numerics.boundary import Boundary
from invprior.numerics.box import Box
from invprior.numerics.filtering import Axis, Filter
from invprior.numerics.linalg import perron_norm, spectral_norm
from invprior.numerics.spectral import Diagonal
from invprior.numerics.tensors import apply_linear
from invprior.operators.base import LinearOperator, LocalOperator, Shape
from invprior.operators.kernels import KERNELS


class Blur(LinearOperator, LocalOperator):
    """Convolution with a kernel that sums to 1, the same in every channel.

    The default boundary is `reflect`. Real scenes do not wrap around, so `circular` leaves ripples
    along the border of a real image. Mirrored borders also have a closed-form solution for symmetric
    kernels. Use `valid` when the restoration may extend beyond the measurement's border. It makes no
    assumption.

    Args:
        kernel: gaussian, motion, uniform, disk, or the path of a .npy, .npz or image file, whose
            values are scaled to sum to 1. In Python also a 2-D tensor, which is not scaled. The
            centre is at index size // 2, wherever the kernel's centre of mass is. A signal, an
            image of one row, is blurred by the kernel's profile, the sum of its rows; its kernel
            may also be a vector, in a .npy, .npz or text file or a 1-D tensor.
        sigma: standard deviation of gaussian, in pixels; 1.6 when absent.
        length: length of motion, in pixels; 15 when absent.
        angle: direction of motion, in degrees counter-clockwise from the horizontal; 0 when absent.
        size: side of uniform, in pixels; 9 when absent.
        radius: radius of disk, in pixels; 4 when absent.
        index: the kernel's name in an .npz file that holds several arrays.
        boundary: values beyond the border. reflect mirrors the image and repeats its border pixels.
            circular repeats the image. valid leaves them unknown, and y is smaller than x by the
            kernel's size minus 1.
    """

    def __init__(
        self,
        image_shape: Shape,
        *,
        kernel: str | Path | Tensor = "gaussian",
        sigma: Annotated[float, Gt(0), Le(100)] | None = None,
        length: Annotated[float, Gt(0), Le(500)] | None = None,
        angle: Annotated[float, Ge(-360), Le(360)] | None = None,
        size: Annotated[int, Ge(1), Le(500)] | None = None,
        radius: Annotated[float, Gt(0), Le(100)] | None = None,
        index: str | None = None,
        boundary: Boundary = "reflect",
    ) -> None:
        given = {"sigma": sigma, "length": length, "angle": angle, "size": size, "radius": radius}
        used, weights = _kernel(kernel, {**given, "index": index}, image_shape[-2:])
        image, taps = image_shape[-2:], tuple(weights.shape)
        if boundary == "valid" and (taps[0] > image[0] or taps[1] > image[1]):
            raise OptionError(
                "The kernel of blur must be no larger than the image when boundary=valid; got a "
                f"kernel of {_by(taps)} and an image of {_by(image)}. Use boundary=reflect, "
                "or a smaller kernel."
            )
        # Convolution is correlation with the flipped kernel, centred at (taps - 1) // 2.
        rows, columns = (
            Axis(n, k, *((0, 0) if boundary == "valid" else ((k - 1) // 2, k // 2)))
            for n, k in zip(image, taps, strict=True)
        )
        super().__init__(image_shape, (*image_shape[:-2], rows.windows, columns.windows))
        self.kernel, self.boundary, self.index = kernel, boundary, index
        self.sigma, self.size, self.radius = (used.get(n) for n in ("sigma", "size", "radius"))
        self.length, self.angle = used.get("length"), used.get("angle")
        # Not a buffer: the weights stay in float64 on the CPU, and `Filter` makes copies of them.
        self.weights = weights
        self._filter = Filter(weights.flip(0, 1), rows, columns, boundary)

    @classmethod
    def image_shape_for(cls, measurement_shape: Shape, **options: Any) -> Shape:
        """The measurement's shape; with boundary=valid larger by the kernel's size minus 1."""
        if options.get("boundary") != "valid":
            return measurement_shape
        own = {name: value for name, value in options.items() if name not in ("kernel", "boundary")}
        *channels, height, width = measurement_shape
        rows, columns = _kernel(options.get("kernel", "gaussian"), own, (height, width))[1].shape
        return (*channels, height + rows - 1, width + columns - 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the blurred images."""
        return apply_linear(self._filter.forward, self._filter.adjoint, x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Correlate y with the kernel, with the exact adjoint of the border."""
        return apply_linear(self._filter.adjoint, self._filter.forward, y)

    @property
    def direct(self) -> bool:
        """Whether a transform diagonalises the blur, by its boundary and its kernel's symmetry."""
        return self._diagonal is not None

    def solve_damped(self, rhs: Tensor, damping: float) -> Tensor:
        """Solve exactly by Fourier (circular) or cosine transforms (reflect, symmetric kernel).

        The boundary valid, and other kernels with reflect, take conjugate gradients.
        """
        if self._diagonal is not None:
            return self._diagonal.solve_damped(rhs, damping)
        return super().solve_damped(rhs, damping)

    @property
    def back_projects(self) -> bool:
        """Always true."""
        return True

    def back_project(self, y: Tensor, damping: float) -> Tensor:
        """Apply A^H M; exact when a transform diagonalises the blur, else with M of an infinite plane."""
        if self.direct:
            return super().back_project(y, damping)
        (height, width), plane = y.shape[-2:], self._plane
        beyond = (0, plane.size[1] - width, 0, plane.size[0] - height)
        # Restricting M's input and output to the measurement keeps it symmetric. To the left of A^H,
        # an approximate inverse would not be symmetric, and fits of networks diverge with it.
        weighed = plane.solve_damped(functional.pad(y, beyond), damping)
        return self.adjoint(weighed[..., :height, :width])

    def norm(self) -> float:
        """Return the largest eigenvalue when it is known, else an upper bound by iteration."""
        return self._norm

    @property
    def halo(self) -> int:
        """Half of the kernel's longer side; 0 for valid, which does not extend the image."""
        return 0 if self.boundary == "valid" else max(self.weights.shape) // 2

    def restrict(self, box: Box) -> tuple[Blur, Box]:
        """Return the operator with the same kernel, mirrored at the box's border."""
        if self.boundary == "circular":
            raise IncompatibleError(
                "blur with boundary=circular joins opposite borders and does not act locally."
            )
        shape = (*self.image_shape[:-2], box.height, box.width)
        # The weights instead of the name, so that no file is read again.
        part = Blur(shape, kernel=self.weights, boundary=self.boundary)
        height, width = part.measurement_shape[-2:]
        return part, Box(box.top, box.left, height, width)

    @cached_property
    def _norm(self) -> float:
        if self._diagonal is not None:
            return float(self._diagonal.eigenvalues.abs().max()) * (1.0 + 1e-6)
        like = self.weights.new_zeros(1, 1, *self.image_shape[-2:])
        # The certain bound needs weights >= 0; others take the estimate.
        bound = perron_norm if bool((self.weights >= 0).all()) else spectral_norm
        return bound(self.normal, like)

    @cached_property
    def _diagonal(self) -> Diagonal | None:
        if not Diagonal.diagonalises(self.weights, self.boundary):
            return None
        return Diagonal(self.weights, (self.image_shape[-2], self.image_shape[-1]), self.boundary)

    @cached_property
    def _plane(self) -> Diagonal:
        """The blur of a circular image so large that opposite borders do not interact."""
        sides = zip(self.measurement_shape[-2:], self.weights.shape, strict=True)
        rows, columns = (next_fast_len(n + taps, real=True) for n, taps in sides)
        return Diagonal(self.weights, (rows, columns), "circular")


def _kernel(
    kernel: str | Path | Tensor, given: dict[str, Any], size: tuple[int, ...]
) -> tuple[dict[str, Any], Tensor]:
    """Return the options that the kernel uses, with defaults filled in, and its weights for an image of this size."""
    used, weights = _plane(kernel, given, vectors=size[0] == 1)
    for axis in (0, 1):
        # What such an axis repeats beyond its pixel is the pixel itself: of a signal's blur only the profile is left.
        if size[axis] == 1:
            weights = weights.sum(axis, keepdim=True)
    return used, weights


def _plane(
    kernel: str | Path | Tensor, given: dict[str, Any], *, vectors: bool
) -> tuple[dict[str, Any], Tensor]:
    """Return the kernel as it is given, as a plane; of a signal, which has one row, it may be a vector."""
    given = {name: value for name, value in given.items() if value is not None}
    if isinstance(kernel, Tensor):
        _refuse(given, (), "a tensor")
        refuse_complex(kernel.dtype, "The kernel of blur")
        kernel = kernel[None] if vectors and kernel.dim() == 1 else kernel
        if kernel.dim() != 2 or kernel.numel() == 0 or not bool(kernel.isfinite().all()):
            raise OptionError(
                "The kernel of blur must be a finite 2-D tensor, or 1-D for a signal; "
                f"got the shape {tuple(kernel.shape)}."
            )
        return {}, kernel.detach().to("cpu", torch.float64)
    if kernel in KERNELS:
        make, defaults = KERNELS[str(kernel)]
        _refuse(given, tuple(defaults), str(kernel))
        used = {**defaults, **given}
        return used, make(**used)
    if not Path(kernel).suffix:
        known = ", ".join(KERNELS)
        raise OptionError(
            f"The kernel of blur must be {known} or the path of a .npy, .npz or image file; got "
            f'"{kernel}"{did_you_mean(str(kernel), KERNELS)}.'
        )
    _refuse(given, ("index",), "a file")
    weights = read_plane(kernel, "kernel", given.get("index"), vectors=vectors)
    total = float(weights.sum())
    # A kernel with a sum near 0, such as a derivative, cannot be scaled to sum to 1.
    if total <= 1e-6 * float(weights.abs().sum()):
        raise MeasurementError(f"The kernel in {kernel} must have a positive sum; it is {total:g}.")
    return {}, weights / total


def _refuse(given: dict[str, Any], allowed: tuple[str, ...], kernel: str) -> None:
    """Raise for options that belong to another kernel, all of them at once."""
    owners = {name: kind for kind, (_, defaults) in KERNELS.items() for name in defaults}
    faults = [
        f'The option "{name}" of blur belongs to kernel {owners.get(name, "an .npz file")}; '
        f"got it with kernel {kernel}. Leave it out."
        for name in given
        if name not in allowed
    ]
    if faults:
        raise OptionError("\n".join(faults))


def _by(size: tuple[int, ...]) -> str:
    return "x".join(map(str, size))
