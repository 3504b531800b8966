"""Faulty priors, denoisers and networks, each caught by the check that names its fault."""

import threading
from dataclasses import dataclass

import torch
from torch import nn

from invprior.denoisers.base import Denoiser
from invprior.networks.base import Network
from invprior.problem.functionals import Penalty, Proximable, Reparameterization
from invprior.testing import check
from tests.testing.planted import assert_caught, planted


class Ridge(Penalty, Proximable):
    """1/2 ||x||^2, without a fault."""

    degree = 2.0

    def value(self, x):
        return 0.5 * x.square().flatten(1).sum(1)

    def prox(self, v, tau):
        return v / (1 + tau)

    def lipschitz(self):
        return 1.0


class TakesTauTwice(Ridge):
    def prox(self, v, tau):
        return v / (1 + 2 * tau)


class SquaresComplexNumbers(Ridge):
    takes_complex = True


class LosesAPart(Proximable):
    takes_complex = True

    def prox(self, v, tau):
        return v / (1 + tau) if not v.is_complex() else v.real / (1 + tau) + 0j * v


class StopsShort(Penalty, Proximable):
    """TV by a few subgradient steps."""

    def value(self, x):
        return x.diff(dim=-1).abs().flatten(1).sum(1)

    def prox(self, v, tau):
        x = v
        for _ in range(2):
            x = x - 0.1 * (tau * self.gradient(x) + x - v)
        return x


class Expands(Proximable):
    def prox(self, v, tau):
        return 1.2 * v


class Reflects(Proximable):
    def prox(self, v, tau):
        return -v


class DoubleGradient(Ridge):
    def gradient(self, x):
        return 2 * x


class SmallLipschitz(Ridge):
    def lipschitz(self):
        return 0.5


class DetachedValue(Ridge):
    def value(self, x):
        return 0.5 * x.detach().square().flatten(1).sum(1)


class OneValue(Ridge):
    def value(self, x):
        return 0.5 * x.square().sum()


class MeanOfTheBatch(Ridge):
    def value(self, x):
        return 0.5 * (x - x.mean(0)).square().flatten(1).sum(1)


class EdgeLength(Penalty):
    """The square root has no derivative at 0."""

    degree = 1.0

    def value(self, x):
        return (
            (x.diff(dim=-1)[..., :-1, :].square() + x.diff(dim=-2)[..., :-1].square())
            .sqrt()
            .flatten(1)
            .sum(1)
        )


class ThreeChannels(Ridge):
    def value(self, x):
        return (x * torch.ones(3, 1, 1).to(x)).square().view(len(x), 3, -1).sum((1, 2))


class NegativeWeight(Ridge):
    default_weight = -1.0


class ExpectsTooMuch(Ridge):
    expected_failures = {"prox": "it was thought to be inexact"}


class Free(nn.Module):
    def __init__(self, start):
        super().__init__()
        self.theta = nn.Parameter(start)

    def forward(self):
        return self.theta


class Fresh(Reparameterization):
    """One free parameter per pixel, without a fault."""

    default_solver = "adam:lr=0.05"

    def build(self, x0, generator):
        return Free(torch.rand(x0.shape, generator=generator).to(x0))


class Shared(Fresh):
    """Every image gets the network of the first one."""

    def __init__(self):
        super().__init__()
        self.made = {}

    def build(self, x0, generator):
        if x0.shape not in self.made:
            self.made[x0.shape] = super().build(x0, generator)
        return self.made[x0.shape]


class Unseeded(Fresh):
    def build(self, x0, generator):
        return Free(torch.rand_like(x0))


class SameWeights(Fresh):
    def build(self, x0, generator):
        return super().build(x0, torch.Generator().manual_seed(1))


class Stuck(Fresh):
    def build(self, x0, generator):
        return super().build(x0, generator).requires_grad_(False)


class Unkept(Fresh):
    def build(self, x0, generator):
        module = super().build(x0, generator)
        module.lock = threading.Lock()
        return module


class AnotherSize(Fresh):
    def build(self, x0, generator):
        return super().build(x0[..., 1:], generator)


class SlowestOfAll(Fresh):
    default_solver = "adam:lr=0.0"


class Denoising(Denoiser):
    """The mean with the neighbours where they differ little, without a fault."""

    def denoise(self, x, sigma):
        near = nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        return torch.where((near - x).abs() < 2 * sigma, near, x)


class Nothing(Denoiser):
    def denoise(self, x, sigma):
        return x


class LosesTheImaginaryPart(Denoising):
    takes_complex = True

    def denoise(self, x, sigma):
        return super().denoise(x.real, sigma) + 0j


class AlwaysBlurs(Denoiser):
    def denoise(self, x, sigma):
        return nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


class Darkens(Denoising):
    def denoise(self, x, sigma):
        return super().denoise(x, sigma) * (1 - sigma)


class Divides(Denoising):
    def denoise(self, x, sigma):
        return super().denoise(x, sigma) * (x / x)


@dataclass(frozen=True, kw_only=True)
class Net(Network):
    """One layer, without a fault."""

    def build(self, in_channels, out_channels, generator):
        layer = nn.utils.skip_init(nn.Conv2d, in_channels, out_channels, 3, padding=1)
        with torch.no_grad():
            for weight in layer.parameters():
                weight.copy_(0.3 * torch.randn(weight.shape, generator=generator))
        return self.around(layer)

    def around(self, layer):
        return nn.Sequential(layer)


class Untouched(Net):
    """Weights as torch draws them, from global random state."""

    def build(self, in_channels, out_channels, generator):
        return nn.Conv2d(in_channels, out_channels, 3, padding=1)


class DropsOut(Net):
    def around(self, layer):
        return nn.Sequential(layer, nn.BatchNorm2d(layer.out_channels))


class TooSmall(Net):
    def around(self, layer):
        return nn.Sequential(layer, nn.AvgPool2d(2))


class Idle(nn.Sequential):
    def forward(self, z):
        return self[0](z)


class HasAnIdleLayer(Net):
    def around(self, layer):
        return Idle(layer, nn.utils.skip_init(nn.Conv2d, 3, 3, 1))


@dataclass(kw_only=True)
class Mutable(Network):
    width: int = 3

    def build(self, in_channels, out_channels, generator):
        return Net().build(in_channels, out_channels, generator)


@planted(
    (TakesTauTwice, "prox", "the prox uses 2 tau instead of tau"),
    (StopsShort, "prox", r"the prox stops short of the minimiser by \de-0\d"),
    (Expands, "firm", "it expands distances.* by at most 1.2"),
    (Reflects, "firm", "it is not firmly non-expansive"),
    (DoubleGradient, "gradient", "scaled by 2, should be 1"),
    (DoubleGradient, "autograd", "scaled by 2, should be 1"),
    (SmallLipschitz, "lipschitz", r"lipschitz\(\) is 0.5, but the gradient changes by 1 times"),
    (DetachedValue, "autograd", "raised RuntimeError|autograd does not pass through value"),
    (OneValue, "shape", "one value for the whole batch, should be one per image"),
    (MeanOfTheBatch, "batch-apart", "value mixes the batch"),
    (EdgeLength, "finite", "gradient is not finite on flat images"),
    (ThreeChannels, "any-size", "raised RuntimeError"),
    (NegativeWeight, "weight", "default_weight is -1.0, should be a finite number >= 0"),
    (SquaresComplexNumbers, "complex-images", "its value of complex images is complex, should be real"),
    (LosesAPart, "complex-images", "as tau goes to 0 its prox of complex images is"),
    (ExpectsTooMuch, "prox", "expected to fail, but passes; the reason given was: it was thought"),
    (Shared, "fresh", "other weights for the same seed|the second image would start from the first one's weights"),
    (Unseeded, "fresh", r"build uses global random state \(torch's\)"),
    (SameWeights, "fresh", "the same weights at every call: it does not draw from the generator"),
    (Stuck, "trainable", "no parameters that can be fitted"),
    (Unkept, "checkpoint", "a checkpoint cannot store its lock"),
    (AnotherSize, "any-size", r"for an image of \(1, 1, 5, 17\) it returns \(1, 1, 5, 16\)"),
    (SlowestOfAll, "defaults", "its default_solver cannot be made: The option \"lr\" of adam must be greater than 0"),
    (Nothing, "noise-removed", "it leaves 1 times the error"),
    (LosesTheImaginaryPart, "complex-images", "it leaves .* times that of the imaginary part"),
    (AlwaysBlurs, "clean-untouched", "with almost no noise .* it changes pixels by up to"),
    (Darkens, "flat-kept", "it changes a flat image of 0.3 by up to 0.03"),
    (Divides, "finite", "denoise is not finite on black images"),
    (Untouched, "fresh", "build uses global random state"),
    (DropsOut, "same-in-evaluation", "evaluation mode gives another image"),
    (TooSmall, "covers-the-image", "its output is"),
    (HasAnIdleLayer, "trainable", r"no gradient reaches the weight 1\.weight"),
    (Mutable, "frozen", r"decorate the class with @dataclass\(frozen=True"),
)  # fmt: skip
def test_is_caught(obj, name, text):
    assert_caught(obj, name, text)


def test_those_without_a_fault_pass():
    for faultless in (Ridge, Fresh, Denoising, Net):
        report = check(faultless)
        assert report.ok, str(report)
