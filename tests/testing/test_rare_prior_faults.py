"""Priors, denoisers and networks that are nearly right, or wrong in some cases only."""

import torch
from torch import nn

from invprior.denoisers.base import Denoiser
from invprior.problem.functionals import Penalty, Proximable
from invprior.testing import check
from tests.testing.planted import assert_caught, planted
from tests.testing.test_faulty_priors import Denoising, Free, Fresh, Net, Ridge


class Absolute(Penalty, Proximable):
    """||x||_1, without a fault."""

    degree = 1.0

    def value(self, x):
        return x.abs().flatten(1).sum(1)

    def prox(self, v, tau):
        return v.sign() * (v.abs() - tau).clamp_min(0)


class Threshold(Proximable):
    """The prox of ||x||_1 alone, without a fault."""

    def prox(self, v, tau):
        return Absolute.prox(self, v, tau)


class Box(Proximable):
    """The projection on [0, 1], without a fault."""

    def prox(self, v, tau):
        return v.clamp(0, 1)


class TenPerCentOff(Ridge):
    def prox(self, v, tau):
        return v / (1 + 1.1 * tau)


class TenPerCentBrighter(Ridge):
    def prox(self, v, tau):
        return 1.1 * v / (1 + tau)


class ThresholdOff(Absolute):
    def prox(self, v, tau):
        return super().prox(v, 0.9 * tau)


class SkipsSmallSteps(Ridge):
    def prox(self, v, tau):
        return v if tau <= 1e-3 else v / (1 + tau)


class Stronger(Absolute):
    def prox(self, v, tau):
        return super().prox(v, max(tau, 1e-3))


class TwiceTheThreshold(Threshold):
    """Its result times 2; it claims nothing about convexity."""

    convex = False

    def prox(self, v, tau):
        return 2 * super().prox(v, tau)


class TwiceTheBox(Box):
    def prox(self, v, tau):
        return 2 * v.clamp(0, 1)


class TauSquared(Threshold):
    def prox(self, v, tau):
        return super().prox(v, tau**2)


class RootOfTau(Threshold):
    def prox(self, v, tau):
        return super().prox(v, tau**0.5)


class RidgeByTheRoot(Proximable):
    def prox(self, v, tau):
        return v / (1 + tau**0.5)


class FixedThreshold(Threshold):
    def prox(self, v, tau):
        return super().prox(v, 0.1)


class Swapped(Ridge):
    """The gradient step, which is the prox only for small tau."""

    def prox(self, v, tau):
        return v - tau * v


class FirstOrder(Absolute):
    """A step along the sign, which passes over 0."""

    def prox(self, v, tau):
        return v - tau * v.sign()


class ChannelsApart(Ridge):
    """Only the first channel counts in the value."""

    def value(self, x):
        return 0.5 * x[:, :1].square().flatten(1).sum(1)


class InPlaceProx(Ridge):
    def prox(self, v, tau):
        return v.float().div_(1 + tau).to(v.dtype)


class MixesThree(Ridge):
    def prox(self, v, tau):
        return super().prox(v - v.mean(0) * (len(v) > 2), tau)


class SetsThreads(Ridge):
    def value(self, x):
        torch.set_num_threads(1 + torch.get_num_threads())
        return super().value(x)


class Shifting(Ridge):
    offset_invariant = True


class WithoutDegree(Ridge):
    degree = 0.0


class WrongDegree(Absolute):
    degree = 2.0


class InfiniteWeight(Ridge):
    default_weight = float("inf")


class OneAlone(Ridge):
    def value(self, x):
        return 0.5 * x.square().flatten(1).mean(1, keepdim=True)


class AnotherDtype(Ridge):
    def prox(self, v, tau):
        return (v / (1 + tau)).float()


class Takes255(Denoising):
    def denoise(self, x, sigma):
        return super().denoise(x, sigma / 255)


class TakesTheVariance(Denoising):
    def denoise(self, x, sigma):
        return super().denoise(x, sigma**2)


class Scales255(Denoiser):
    """A soft threshold of the differences from the mean that takes sigma times 255."""

    def denoise(self, x, sigma):
        mean = nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        return mean + (x - mean).sign() * ((x - mean).abs() - 255 * sigma).clamp_min(0)


class FixedLevel(Denoising):
    def denoise(self, x, sigma):
        return super().denoise(x, 0.1)


class Clips(Denoising):
    """It cuts off at 0 and 1, which noisy images exceed."""

    def denoise(self, x, sigma):
        return super().denoise(x, sigma).clamp(0, 1)


class Normalises(Denoising):
    """It scales by the batch's largest value."""

    def denoise(self, x, sigma):
        return super().denoise(x / x.abs().max(), sigma) * x.abs().max()


class EvenSides(Denoising):
    def denoise(self, x, sigma):
        return super().denoise(x[..., : x.shape[-2] // 2 * 2, : x.shape[-1] // 2 * 2], sigma)


class DrawsAtCalls(nn.Module):
    def __init__(self, start):
        super().__init__()
        self.theta = nn.Parameter(start)

    def forward(self):
        return self.theta + 1e-3 * torch.randn_like(self.theta)


class Dithers(Fresh):
    def build(self, x0, generator):
        return DrawsAtCalls(Free(torch.rand(x0.shape, generator=generator).to(x0)).theta.detach())


class FlatStart(Fresh):
    """Every seed starts at one image."""

    def build(self, x0, generator):
        return Free(torch.full_like(x0, 0.5))


class NoSteps(Fresh):
    steps = 0


class Detaches(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.first, self.second = layer, nn.Identity()

    def forward(self, z):
        return self.first(z).detach() + 0 * self.first.bias.sum()


class Cut(Net):
    def around(self, layer):
        return Detaches(layer)


class Drops(Net):
    def around(self, layer):
        return nn.Sequential(layer, nn.Dropout(0.5))


class FixedSides(Net):
    def around(self, layer):
        return nn.Sequential(layer, nn.Upsample((12, 15)))


@planted(
    (TenPerCentOff, "prox", "the prox uses 1.1 tau instead of tau"),
    (TenPerCentBrighter, "prox", "leave its own result alone, but that is scaled by|stops short of the minimiser"),
    (ThresholdOff, "prox", "the prox uses 0.9 tau instead of tau"),
    (SkipsSmallSteps, "prox", "the prox stops short of the minimiser by .* at tau 0.0001"),
    (Stronger, "prox", "the prox stops short of the minimiser by 9e-04 .* at tau 0.0001"),
    (TwiceTheThreshold, "prox", "as tau goes to 0 it should leave its own result alone, but that is scaled by 2"),
    (TwiceTheBox, "prox", "as tau goes to 0 it should leave its own result alone"),
    (TauSquared, "firm", "not a constant, its square or its root"),
    (RootOfTau, "firm", "not a constant, its square or its root"),
    (RidgeByTheRoot, "firm", "not a constant, its square or its root"),
    (FixedThreshold, "prox", "as tau goes to 0 it should leave its own result alone"),
    (Swapped, "prox", "the prox stops short of the minimiser by .* at tau 1"),
    (FirstOrder, "firm", "it expands distances|not firmly"),
    (ChannelsApart, "prox", "the prox stops short of the minimiser"),
    (InPlaceProx, "input-untouched", "prox changes its input in place in float32"),
    (MixesThree, "batch-apart", "prox mixes the batch"),
    (SetsThreads, "repeatable", "value changes torch's number of threads"),
    (Shifting, "units", "offset_invariant is True, but"),
    (WithoutDegree, "units", "but degree is 0: set degree = 2"),
    (WrongDegree, "units", "but degree is 2: set degree = 1"),
    (InfiniteWeight, "weight", "default_weight is inf"),
    (OneAlone, "shape", r"value returns the shape \(2, 1\), should be \(2,\)"),
    (AnotherDtype, "dtype", "prox returns float32 for float64"),
    (Takes255, "noise-removed", "sigma times 255 .* it takes sigma in 0..255"),
    (TakesTheVariance, "noise-removed", "it takes the variance"),
    (Scales255, "clean-untouched", "with almost no noise"),
    (FixedLevel, "clean-untouched", "with almost no noise"),
    (Clips, "flat-kept", "it changes a flat image of 1.3 by up to 0.3"),
    (Normalises, "batch-apart", "denoise mixes the batch"),
    (EvenSides, "shape", r"denoise returns the shape \(2, 3, 16, 14\)"),
    (Dithers, "seeded-throughout", "return different images"),
    (FlatStart, "fresh", "the same weights at every call"),
    (NoSteps, "defaults", "its steps is 0, out of range"),
    (Cut, "trainable", "the gradient of the weight first.weight is 0|no gradient reaches|raised RuntimeError"),
    (Drops, "repeatable", "the network uses global random state"),
    (FixedSides, "covers-the-image", "for an image of 5 x 17 its output is"),
)  # fmt: skip
def test_is_caught(obj, name, text):
    assert_caught(obj, name, text)


def test_those_without_a_fault_pass():
    for faultless in (Absolute, Threshold, Box):
        report = check(faultless)
        assert report.ok, str(report)
