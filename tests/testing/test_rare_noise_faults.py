"""Noises, fidelities and metrics that are nearly right, or wrong in some cases only."""

from dataclasses import dataclass

import torch

from invprior.fidelities.base import Fidelity
from invprior.fidelities.gaussian import Gaussian
from invprior.fidelities.huber import Huber
from invprior.fidelities.laplace import Laplace
from invprior.fidelities.poisson import Poisson
from invprior.metrics.base import Metric, check_shapes
from invprior.metrics.psnr import PSNR
from invprior.noises.gaussian import GaussianNoise
from invprior.noises.poisson import PoissonNoise
from invprior.noises.salt_and_pepper import SaltAndPepperNoise
from invprior.testing import check
from tests.testing.planted import assert_caught, planted


@dataclass(frozen=True, kw_only=True)
class Blurred(GaussianNoise):
    """Neighbours share a part of their noise."""

    def sample(self, clean, generator):
        noise = super().sample(clean, generator) - clean
        return clean + (noise + 0.5 * noise.roll(1, -1)) / 1.25**0.5


@dataclass(frozen=True, kw_only=True)
class Striped(GaussianNoise):
    """A part of the noise is one number for each column."""

    def sample(self, clean, generator):
        noise = super().sample(clean, generator) - clean
        part = noise[..., :1, :].expand_as(noise) if clean.dim() > 2 else noise
        return clean + 0.3**0.5 * part + 0.7**0.5 * noise


@dataclass(frozen=True, kw_only=True)
class GreyNoise(GaussianNoise):
    """All channels get the same noise."""

    def sample(self, clean, generator):
        return clean + (super().sample(clean, generator) - clean)[:, :1]


@dataclass(frozen=True, kw_only=True)
class Clipped(GaussianNoise):
    def sample(self, clean, generator):
        return super().sample(clean, generator).clamp(0, 1)


@dataclass(frozen=True, kw_only=True)
class Folded(GaussianNoise):
    """The absolute value, which is never negative."""

    def sample(self, clean, generator):
        return super().sample(clean, generator).abs()


@dataclass(frozen=True, kw_only=True)
class Stronger(GaussianNoise):
    """30 % more than it says."""

    def sample(self, clean, generator):
        return clean + 1.3 * (super().sample(clean, generator) - clean)


@dataclass(frozen=True, kw_only=True)
class Weaker(GaussianNoise):
    """Its sigma is taken for the width of a uniform distribution."""

    def sample(self, clean, generator):
        drawn = torch.rand(clean.shape, generator=generator, dtype=torch.float64) - 0.5
        return clean + (self._sigma * drawn).to(clean)


@dataclass(frozen=True, kw_only=True)
class Multiplies(GaussianNoise):
    """Noise in proportion to the intensity."""

    def sample(self, clean, generator):
        return clean + 2 * clean * (super().sample(clean, generator) - clean)


@dataclass(frozen=True, kw_only=True)
class Shifted(GaussianNoise):
    """A bias of a tenth of the noise."""

    def sample(self, clean, generator):
        return super().sample(clean, generator) + 0.01


@dataclass(frozen=True, kw_only=True)
class HalfThePhotons(PoissonNoise):
    """Counts at half the peak."""

    def sample(self, clean, generator):
        rate = 0.5 * self._peak * clean.double().clamp_min(0)
        return (torch.poisson(rate, generator) / (0.5 * self._peak)).to(clean)


@dataclass(frozen=True, kw_only=True)
class ForgetsToDivide(PoissonNoise):
    def sample(self, clean, generator):
        return super().sample(clean, generator) * self._peak


@dataclass(frozen=True, kw_only=True)
class OnlySalt(SaltAndPepperNoise):
    def sample(self, clean, generator):
        return super().sample(clean, generator).maximum(clean)


@dataclass(frozen=True, kw_only=True)
class AnotherFidelity(SaltAndPepperNoise):
    """The scale of a Laplace distribution is not its standard deviation."""

    def fidelity(self):
        return Laplace(scale=self.fraction**0.5 / 2)


class HalfTheVariance(Poisson):
    def noise_variance(self, y):
        return 0.5 * super().noise_variance(y)


@dataclass(frozen=True, kw_only=True)
class AnotherVariance(PoissonNoise):
    def fidelity(self):
        return HalfTheVariance(peak=self._peak)


class OneVarianceEach(Gaussian):
    """One variance for each image, which does not broadcast."""

    def noise_variance(self, y):
        return torch.full((len(y),), self.sigma**2)


class NegativeVariance(Poisson):
    def noise_variance(self, y):
        return (y - 0.5) / self.peak


@dataclass(frozen=True, kw_only=True)
class FillsInAnother(GaussianNoise):
    def filled_in(self):
        return GaussianNoise(sigma=0.05)


@dataclass(frozen=True, kw_only=True)
class OneChannel(GaussianNoise):
    def sample(self, clean, generator):
        _, channels, _, _ = clean.shape
        return super().sample(clean, generator) + 0 * channels


@dataclass(frozen=True, kw_only=True)
class AddsInPlace(GaussianNoise):
    def sample(self, clean, generator):
        return clean.add_(super().sample(clean, generator) - clean)


class BiasedFit(Gaussian):
    """Least squares against y + 0.05, with all else to match."""

    def value(self, prediction, y):
        return super().value(prediction, y + 0.05)

    def gradient(self, prediction, y):
        return super().gradient(prediction, y + 0.05)

    def prox(self, v, y, tau):
        return super().prox(v, y + 0.05, tau)


class ThreeQuarters(Gaussian):
    """It expects 3/4 of the prediction."""

    def value(self, prediction, y):
        return super().value(0.75 * prediction, y)


class TenPerCentOff(Gaussian):
    def prox(self, v, y, tau):
        return super().prox(v, y, 1.1 * tau)


class SkipsSmallSteps(Laplace):
    def prox(self, v, y, tau):
        return v if tau < 1e-3 else super().prox(v, y, tau)


class ReadsTheVariance(Gaussian):
    """with_noise_level takes sigma for the variance."""

    def with_noise_level(self, sigma):
        return self if self.sigma is not None else type(self)(sigma=sigma**0.5)


class SetsAgain(Gaussian):
    def with_noise_level(self, sigma):
        return type(self)(sigma=sigma)


class KeepsItsUnit(Huber):
    """Its threshold does not follow the unit."""

    def rescaled(self, scale):
        return Huber(sigma=self.sigma, delta=self.delta)


class ClaimsNoOrigin(Poisson):
    offset_invariant = True


class MixesThree(Gaussian):
    def value(self, prediction, y):
        value = super().value(prediction, y)
        return value if len(value) < 3 else value + 0.01 * value.flip(0)


class NegativeGradient(Fidelity):
    def value(self, prediction, y):
        return (prediction - y).square().flatten(1).sum(1)

    def gradient(self, prediction, y):
        return 2 * (y - prediction)


class SetsNumPy(PSNR):
    def measure(self, x, truth):
        import numpy as np

        np.seterr(all="raise")
        return super().measure(x, truth)


@dataclass(frozen=True, kw_only=True)
class MeanOnly(Metric):
    """It compares mean intensities, so noise does not count."""

    def measure(self, x, truth):
        check_shapes(x, truth)
        return -(x.mean((1, 2, 3)) - truth.mean((1, 2, 3))).abs().round(decimals=1)


@dataclass(frozen=True, kw_only=True)
class Reversed(PSNR):
    higher_is_better = False


class CentresInPlace(PSNR):
    def measure(self, x, truth):
        return super().measure(x.float().clamp_(0.2, 0.8).to(x.dtype), truth)


@planted(
    (Blurred, "its-fidelity", "of the one beside are correlated by 0.4"),
    (Striped, "its-fidelity", "of the one below are correlated by 0.3"),
    (GreyNoise, "its-fidelity", "in another channel are correlated by 1"),
    (Clipped, "its-fidelity", "another mean than its fidelity assumes, as one that is cut off"),
    (Folded, "its-fidelity", "another mean than its fidelity assumes, as one that is cut off"),
    (Stronger, "its-fidelity", "the noise is stronger than its fidelity assumes: .* is 1.3 times"),
    (Stronger(sigma=0.02), "its-fidelity", "stronger than its fidelity assumes: .* is 1.3 times"),
    (Weaker(sigma=0.1), "its-fidelity", "its scale is not that|weaker than its fidelity assumes: .* is 0.29 times"),
    (Multiplies, "its-fidelity", "weaker than its fidelity assumes: at intensity 0.0"),
    (Shifted(sigma=0.1), "its-fidelity", "has another mean than its fidelity assumes"),
    (HalfThePhotons, "its-fidelity", "stronger than its fidelity assumes: .* is 1.4 times"),
    (ForgetsToDivide, "its-fidelity", "is not least at the truth"),
    (OnlySalt, "its-fidelity", "has another mean than its fidelity assumes"),
    (AnotherFidelity, "its-fidelity", "weaker than its fidelity assumes"),
    (AnotherVariance, "its-fidelity", "noise_variance of its fidelity is .* on average where"),
    (OneVarianceEach(sigma=0.1), "noise-variance", r"has shape \(2,\), should be \(\) or"),
    (NegativeVariance(peak=10), "noise-variance", "negative or non-finite values"),
    (FillsInAnother, "its-fidelity", r"filled_in\(\) is another noise"),
    (OneChannel, "any-shape", "raised ValueError"),
    (AddsInPlace, "input-untouched", "sample changes its input in place"),
    (BiasedFit(sigma=0.1), "explains", r"it is biased: y \+0.06 costs less than y itself"),
    (ThreeQuarters(sigma=0.1), "explains", "it does not grow with the distance"),
    (TenPerCentOff(sigma=0.1), "prox", "the prox uses 1.1 tau instead of tau"),
    (SkipsSmallSteps(scale=0.1), "prox", "the prox stops short of the minimiser by .* at tau 0.0001"),
    (ReadsTheVariance, "noise-level", r"with_noise_level\(0.1\) gives a noise_level of 0.3"),
    (SetsAgain(sigma=0.1), "noise-level", "changes a level that is already set|returns another"),
    (KeepsItsUnit(sigma=0.1), "units", r"rescaled\(4\), of prediction and y in that unit, is off by"),
    (ClaimsNoOrigin(peak=100), "units", "offset_invariant is True, but"),
    (MixesThree(sigma=0.1), "batch-apart", "value mixes the batch"),
    (NegativeGradient, "gradient", "scaled by -1, should be 1"),
    (SetsNumPy, "repeatable", "measure changes NumPy's handling of errors"),
    (MeanOnly, "direction", "an image with more noise scores"),
    (Reversed, "direction", "higher_is_better is False, but an image with more noise scores"),
    (CentresInPlace, "input-untouched", "measure changes its input in place in float32"),
)  # fmt: skip
def test_is_caught(obj, name, text):
    assert_caught(obj, name, text)


def test_options_of_a_correct_noise_make_it_no_fault():
    for noise in (
        GaussianNoise(sigma=20.0), GaussianNoise(sigma=0.002, quantise=True),
        GaussianNoise(clip=True), GaussianNoise(sigma=0),
        PoissonNoise(peak=0.5), PoissonNoise(gain=0.01, offset=0.1), PoissonNoise(gain=2, offset=100),
        SaltAndPepperNoise(fraction=0.01), SaltAndPepperNoise(fraction=0.5, salt=255),
    ):  # fmt: skip
        verdict = check(noise)["its-fidelity"]
        assert verdict.outcome != "fail", f"{noise}: {verdict.text}"
