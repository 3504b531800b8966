"""Faulty operators, each caught by the check that names its fault."""

import random

import numpy as np
import torch

from invprior.operators.base import LinearOperator, Operator
from invprior.testing import check
from tests.testing.planted import assert_caught, planted


class Doubling(LinearOperator):
    """2 x, without a fault."""

    def forward(self, x):
        return 2 * x

    def adjoint(self, y):
        return 2 * y

    def norm(self):
        return 2.0


class ScaledAdjoint(Doubling):
    def adjoint(self, y):
        return 4 * y


class NegativeAdjoint(Doubling):
    def adjoint(self, y):
        return -2 * y


class Columns(LinearOperator):
    """Each column times a matrix."""

    def forward(self, x):
        return self._matrix(x) @ x

    def _matrix(self, x):
        n = x.shape[-2]
        return torch.arange(n * n).view(n, n).to(x) / n**2

    def adjoint(self, y):
        return self._matrix(y) @ y


class Convolution(LinearOperator):
    """A circular convolution with a lopsided kernel, by the FFT."""

    def _spectrum(self, x):
        kernel = x.new_zeros(x.shape[-2:])
        kernel[0, 0], kernel[1, 0], kernel[0, 2] = 0.5, 0.3, 0.2
        return torch.fft.fft2(kernel)

    def forward(self, x):
        return torch.fft.ifft2(self._spectrum(x) * torch.fft.fft2(x)).real

    def adjoint(self, y):
        return torch.fft.ifft2(self._spectrum(y) * torch.fft.fft2(y)).real


class Fourier(LinearOperator):
    """Complex measurements; its adjoint transforms forwards."""

    def forward(self, x):
        return torch.fft.fft2(x, norm="ortho")

    def adjoint(self, y):
        return torch.fft.fft2(y, norm="ortho").real


class ShiftedAdjoint(Doubling):
    def adjoint(self, y):
        return 2 * y.roll((1, -2), (-2, -1))


class MirroredAdjoint(Doubling):
    def adjoint(self, y):
        return 2 * y.flip(-1)


class TurnedAdjoint(Doubling):
    def adjoint(self, y):
        return 2 * y.mT


class AnotherAdjoint(Doubling):
    def adjoint(self, y):
        return y + y.roll(5, -1)


class OffsetAdjoint(Doubling):
    def adjoint(self, y):
        return 2 * y + 1


class Offset(Doubling):
    def forward(self, x):
        return 2 * x + 0.1


class Square(Doubling):
    def forward(self, x):
        return x * x


class Centred(Doubling):
    def forward(self, x):
        return 2 * x - x.mean(0, keepdim=True)


class InPlace(Doubling):
    def forward(self, x):
        return x.mul_(2)


class ToTheCPU(Doubling):
    def forward(self, x):
        return (2 * x).cpu()


class StaysOnTheCPU(Doubling):
    def __init__(self, image_shape):
        super().__init__(image_shape)
        self.two = torch.full(image_shape, 2.0, dtype=torch.float64)

    def forward(self, x):
        return self.two.to(x.dtype) * x


class ToFloat32(Doubling):
    def forward(self, x):
        return 2 * x.float()


class OneRowLess(Doubling):
    def forward(self, x):
        return 2 * x[..., 1:, :]


class SmallNorm(Doubling):
    def norm(self):
        return 1.0


class HalfNormal(Doubling):
    def normal(self, x):
        return 2 * x


class DampedTwice(Doubling):
    def solve_damped(self, rhs, damping):
        return rhs / (4 + 2 * damping)


class UnfinishedSolve(Doubling):
    def solve_damped(self, rhs, damping):
        return rhs / (4 + damping) + 0.01 * rhs.roll(1, -1)


class SkewBackProjection(Doubling):
    back_projects = True

    def back_project(self, y, damping):
        return y + 0.1 * y.roll(1, -1)


class NegativeBackProjection(Doubling):
    back_projects = True

    def back_project(self, y, damping):
        return -y


class TorchNoise(Doubling):
    def forward(self, x):
        return 2 * x + 1e-3 * torch.rand_like(x)


class NumPyNoise(Doubling):
    def adjoint(self, y):
        return 2 * y * (1 + 1e-3 * np.random.rand())  # noqa: NPY002


class PythonNoise(Doubling):
    def normal(self, x):
        return 4 * x * (1 + 1e-3 * random.random())


class Drifting(Doubling):
    calls = 0

    def forward(self, x):
        self.calls += 1
        return (2 + 0.01 * self.calls) * x


class Detached(Doubling):
    def forward(self, x):
        return 2 * x.detach()


class WrongSlope(Operator):
    def forward(self, x):
        return x.detach() * x


class SeesTheUnseen(Doubling):
    @property
    def observation_mask(self):
        return torch.arange(self.image_shape[-1]) % 2 == 0


class FloatMask(Doubling):
    @property
    def observation_mask(self):
        return torch.ones(self.image_shape[-1])


class WrongSize(Doubling):
    @classmethod
    def image_shape_for(cls, measurement_shape, **options):
        return (*measurement_shape[:-1], measurement_shape[-1] + 1)


class ForgetsItsOption(Doubling):
    def __init__(self, image_shape, *, factor: float = 2.0):
        super().__init__(image_shape)


class Crashing(Doubling):
    def forward(self, x):
        raise KeyError("kernel")


@planted(
    (ScaledAdjoint, "adjoint", "^the adjoint is scaled by 2, should be 1$"),
    (NegativeAdjoint, "adjoint", "scaled by -1, should be 1"),
    (Columns, "adjoint", "looks transposed: it applies A itself"),
    (Convolution, "adjoint", "conjugate missing: the adjoint multiplies the spectrum as A does"),
    (Fourier, "adjoint", "conjugate missing in the adjoint"),
    (ShiftedAdjoint, "adjoint", "shifted, 1 pixels down and -2 to the right"),
    (MirroredAdjoint, "adjoint", "mirrored"),
    (TurnedAdjoint((1, 12, 12)), "adjoint", "rows and columns are exchanged"),
    (AnotherAdjoint, "adjoint", "another operator's: <Ax, y> is .* and <x, A.H y> is"),
    (OffsetAdjoint, "adjoint", "adds a constant"),
    (ScaledAdjoint, "autograd-is-adjoint", "scaled by 0.5, should be 1"),
    (Offset, "linearity", r"A\(0\) is up to 0.1, should be 0"),
    (Square, "linearity", r"A\(3 x\) is 9 times A\(x\)"),
    (Centred, "batch-apart", "forward mixes the batch"),
    (InPlace, "input-untouched", "forward changes its input in place"),
    (ToTheCPU, "device", "forward returns a tensor on the CPU"),
    (StaysOnTheCPU((1, 6, 5)), "device", "forward mixes devices: .* register tensors as buffers"),
    (ToFloat32, "dtype", "forward returns float32 for float64"),
    (OneRowLess, "shape", r"forward returns the shape \(2, 3, 15, 15\), should be \(2, 3, 16, 15\)"),
    (SmallNorm, "norm", r"norm\(\) is 1, but A stretches an image by 2"),
    (HalfNormal, "normal", "scaled by 0.5, should be 1"),
    (DampedTwice, "solve-damped", "a damping of 4 instead of 2"),
    (UnfinishedSolve, "solve-damped", "its residual is .* of the right-hand side"),
    (SkewBackProjection, "back-project", "<v, P u> is .*, but <P v, u> is"),
    (NegativeBackProjection, "back-project", "<v, B A v> is negative"),
    (TorchNoise, "repeatable", r"forward uses global random state \(torch's\)"),
    (NumPyNoise, "repeatable", r"adjoint uses global random state \(NumPy's\)"),
    (PythonNoise, "repeatable", r"normal uses global random state \(Python's\)"),
    (Drifting, "repeatable", "gives another result when called again"),
    (Detached, "differentiable", "autograd does not pass through forward"),
    (WrongSlope, "differentiable", "autograd's derivative of forward is .*, but A changes by"),
    (SeesTheUnseen, "observation-mask", r"A\(x\) is not 0 where observation_mask is False"),
    (FloatMask, "observation-mask", "observation_mask is float32, should be bool"),
    (WrongSize, "sizes-agree", "whose measurements are"),
    (ForgetsItsOption, "options-kept", "the option factor is not stored"),
    (Crashing, "shape", r"raised KeyError: 'kernel' \(test_faulty_operators.py, line \d+\)"),
)  # fmt: skip
def test_is_caught(obj, name, text):
    assert_caught(obj, name, text)


def test_an_operator_without_a_fault_passes():
    assert check(Doubling).ok
    assert check(Doubling((1, 5, 4))).ok


def test_a_fault_of_the_adjoint_fails_no_check_of_the_forward_alone():
    """Checks that need A alone still pass, so that the author sees what to fix."""
    failures = set(check(ScaledAdjoint).failures)
    assert "adjoint" in failures
    assert not failures & {
        "shape",
        "dtype",
        "device",
        "batch-apart",
        "linearity",
        "differentiable",
        "observation-mask",
        "norm",
    }
