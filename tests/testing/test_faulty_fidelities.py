"""Faulty fidelities, noises and metrics, each caught by the check that names its fault."""

from dataclasses import dataclass

import torch

from invprior.fidelities.base import Fidelity, QuadraticFidelity
from invprior.fidelities.gaussian import Gaussian
from invprior.metrics.base import Metric
from invprior.metrics.psnr import PSNR
from invprior.noises.base import Noise
from invprior.noises.gaussian import GaussianNoise
from tests.testing.planted import assert_caught, planted


class Mean(Gaussian):
    def value(self, prediction, y):
        return super().value(prediction, y) / prediction[0].numel()


class OneValue(Gaussian):
    def value(self, prediction, y):
        return super().value(prediction, y).sum()


class DoubleGradient(Gaussian):
    def gradient(self, prediction, y):
        return 2 * super().gradient(prediction, y)


class SmallLipschitz(Gaussian):
    def lipschitz(self):
        return 0.5 * super().lipschitz()


class HalfProx(Gaussian):
    def prox(self, v, y, tau):
        return super().prox(v, y, tau / 2)


class NotQuadratic(QuadraticFidelity):
    precision = 50.0

    def value(self, prediction, y):
        return 50.0 * (prediction - y).square().flatten(1).sum(1)

    def prox(self, v, y, tau):
        return (v + 100.0 * tau * y) / (1.0 + 100.0 * tau)


class SetsItself(Gaussian):
    def with_noise_level(self, sigma):
        self.sigma = sigma
        return self


class Logarithm(Fidelity):
    def value(self, prediction, y):
        return (prediction - y * prediction.log()).flatten(1).sum(1)


class Indifferent(Fidelity):
    def value(self, prediction, y):
        return (0.0 * (prediction - y)).square().flatten(1).sum(1)


@dataclass(frozen=True, kw_only=True)
class GlobalNoise(GaussianNoise):
    def sample(self, clean, generator):
        return clean + 0.1 * torch.randn_like(clean)


@dataclass(frozen=True, kw_only=True)
class FixedNoise(GaussianNoise):
    def sample(self, clean, generator):
        return super().sample(clean, torch.Generator().manual_seed(0))


@dataclass(frozen=True, kw_only=True)
class CommonNoise(GaussianNoise):
    def sample(self, clean, generator):
        return clean + (super().sample(clean[:1], generator) - clean[:1])


@dataclass(frozen=True, kw_only=True)
class RoughNoise(GaussianNoise):
    def sample(self, clean, generator):
        return clean + 0.1 * torch.randn(clean.shape, generator=generator, dtype=clean.dtype)


@dataclass(frozen=True, kw_only=True)
class Biased(GaussianNoise):
    def sample(self, clean, generator):
        return super().sample(clean, generator) + 0.5


@dataclass(frozen=True, kw_only=True)
class Mislabelled(GaussianNoise):
    def fidelity(self):
        return Gaussian(sigma=0.5)


class ChangeableNoise(Noise):
    def sample(self, clean, generator):
        return GaussianNoise().sample(clean, generator)

    def fidelity(self):
        return Gaussian()


@dataclass(frozen=True, kw_only=True)
class Error(Metric):
    """Root mean square error: lower is better, but higher_is_better is left at True."""

    def measure(self, x, truth):
        return (x - truth).square().flatten(1).mean(1).sqrt()


class OneScore(PSNR):
    def measure(self, x, truth):
        return super().measure(x, truth).mean()


class Relative(PSNR):
    def measure(self, x, truth):
        scores = super().measure(x, truth)
        return scores - scores.mean()


@planted(
    (Mean(sigma=0.1), "total", "it is the mean over measurements, should be the sum"),
    (OneValue(sigma=0.1), "shape", "one value for the whole batch"),
    (DoubleGradient(sigma=0.1), "gradient", "scaled by 2, should be 1"),
    (OneValue, "noise-level", "with_noise_level returns another class, Gaussian"),
    (SmallLipschitz(sigma=0.1), "lipschitz", r"lipschitz\(\) is .*, but the gradient changes by"),
    (HalfProx(sigma=0.1), "prox", "the prox uses 0.5 tau instead of tau"),
    (NotQuadratic, "quadratic", "scaled by 2, should be 1"),
    (SetsItself, "noise-level", "changes the fidelity itself"),
    (Logarithm, "finite", "value is not finite on black predictions"),
    (Indifferent, "explains", "does not grow with the distance"),
    (GlobalNoise, "seeded-alone", r"sample uses global random state \(torch's\)"),
    (FixedNoise, "seeded-alone", "the same result for every seed: it does not draw from the generator"),
    (FixedNoise, "independent", "two draws from one generator are the same"),
    (CommonNoise, "independent", "both images of a batch get the same noise"),
    (RoughNoise, "both-precisions", "float32 images get other noise"),
    (Biased, "its-fidelity", "not least at the truth"),
    (Mislabelled(sigma=0.1), "its-fidelity", "its scale is not that of this noise"),
    (ChangeableNoise, "frozen", "attributes can be changed after construction"),
    (Error, "direction", "higher_is_better is True, but an image with more noise scores higher"),
    (Error, "shapes-refused", "is scored against .* call invprior.metrics.base.check_shapes"),
    (OneScore, "shape", "one value for the whole batch"),
    (Relative, "batch-apart", "measure mixes the batch"),
)  # fmt: skip
def test_is_caught(obj, name, text):
    assert_caught(obj, name, text)
