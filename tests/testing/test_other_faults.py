"""Faulty fidelities, noises, solvers, stopping rules and metrics, each caught by the check that names its fault."""

import threading
from dataclasses import dataclass, replace
from typing import Any

import torch

from invprior.fidelities.base import Fidelity, QuadraticFidelity
from invprior.fidelities.gaussian import Gaussian
from invprior.metrics.base import Metric
from invprior.metrics.psnr import PSNR
from invprior.noises.base import Noise
from invprior.noises.gaussian import GaussianNoise
from invprior.problem.objective import Objective
from invprior.problem.solution import Stop
from invprior.solvers.fista import FISTA, FISTAState
from invprior.stopping.base import StoppingRule
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


class Kept:
    """What the solver below keeps outside its state."""

    steps = 0


@dataclass(frozen=True, kw_only=True)
class StopsShort(FISTA):
    """Its step size shrinks too fast."""

    def step(self, objective, state):
        new = super().step(objective, state)
        return replace(new, step_size=0.5 * state.step_size)


@dataclass(frozen=True, kw_only=True)
class Remembers(FISTA):
    def step(self, objective, state):
        Kept.steps += 1
        new = super().step(objective, state)
        return replace(new, x=new.x * (1 + 1e-3 * Kept.steps))


@dataclass(frozen=True, kw_only=True)
class Jitters(FISTA):
    def step(self, objective, state):
        new = super().step(objective, state)
        return replace(new, x=new.x + 1e-6 * torch.randn_like(new.x))


@dataclass(frozen=True, kw_only=True)
class InPlace(FISTA):
    def step(self, objective, state):
        new = super().step(objective, state)
        return replace(new, x=state.x.copy_(new.x))


@dataclass(frozen=True, kw_only=True)
class IgnoresProxes(FISTA):
    def step(self, objective, state):
        return super().step(replace(objective, proximal=()), state)


@dataclass(frozen=True, kw_only=True)
class TakesAnything(FISTA):
    def route(self, problem):
        terms = tuple((t.weight, t.functional) for t in problem.prior.terms)
        return Objective(problem, problem.data, (), terms)


@dataclass(frozen=True, kw_only=True)
class KeepsTheGraph(FISTA):
    def step(self, objective, state):
        new = super().step(objective, state)
        return replace(new, x=new.x * torch.ones((), requires_grad=True))


@dataclass
class LockedState(FISTAState):
    lock: Any = None


@dataclass(frozen=True, kw_only=True)
class Unkept(FISTA):
    def init(self, objective, x0, generator):
        state = super().init(objective, x0, generator)
        return LockedState(**vars(state), lock=threading.Lock())

    def step(self, objective, state):
        return LockedState(**vars(super().step(objective, state)), lock=state.lock)


@dataclass(frozen=True, kw_only=True)
class Endless(FISTA):
    def default_stop(self, problem):
        return None


class Changeable(FISTA):
    def __setattr__(self, name, value):
        object.__setattr__(self, name, value)


@dataclass(frozen=True, kw_only=True)
class Rule(StoppingRule):
    after: int = 9

    def start(self, problem):
        return lambda iterate: Stop("rule", True, "done") if iterate.step >= self.after else None


class Counting(Rule):
    """Counts in the class, so that later runs stop too early."""

    seen = 0

    def start(self, problem):
        def watch(iterate):
            type(self).seen += 1
            return Stop("counting", True, "done") if self.seen == 12 else None

        return watch


class ForgetsInACheckpoint(Rule):
    def start(self, problem):
        seen = []

        def watch(iterate):
            seen.append(iterate.step)
            return Stop("forgets", True, "done") if len(seen) >= 12 else None

        return watch


class HappyWithNaN(Rule):
    def start(self, problem):
        return lambda iterate: (
            None if float(iterate.change) > 1e-9 else Stop("happy", True, "quiet")
        )


class Mute(Rule):
    def start(self, problem):
        return lambda iterate: Stop("", True, "")


class SaysTrue(Rule):
    def start(self, problem):
        return lambda iterate: iterate.step > 5


class DrawsGlobally(Rule):
    def prepare(self, problem, generator):
        return replace(problem, y=torch.rand_like(problem.y))


class AddsInPlace(Rule):
    def prepare(self, problem, generator):
        problem.y.add_(torch.randn(problem.y.shape, generator=generator).to(problem.y), alpha=1e-9)
        return problem


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
    (StopsShort, "minimum", r"it stops short of the minimiser by \de-0\d"),
    (Remembers, "state-is-all", "something is kept outside the state"),
    (Jitters, "deterministic", r"a run uses global random state \(torch's\)"),
    (InPlace, "inputs-untouched", "in place"),
    (IgnoresProxes, "refusal", "route accepts a prior with only a prox, but no step uses it"),
    (TakesAnything, "refusal", "route accepts a prior with only a value.*, but a step raises AttributeError"),
    (KeepsTheGraph, "image", "x holds the graph of the step"),
    (Unkept, "checkpoint", "a checkpoint cannot store the state's lock, a lock"),
    (Endless, "stops", "default_stop returns a NoneType"),
    (Changeable, "frozen", "attributes can be changed after construction"),
    (Counting, "own-state", "keep what the rule remembers in the watcher"),
    (ForgetsInACheckpoint, "checkpoint", "after a checkpoint it gives other answers"),
    (HappyWithNaN, "nan-is-no-end", "it treats an image of NaN as a good end"),
    (Mute, "answers", "must have a name and a message"),
    (SaysTrue, "answers", "returns a bool, should be None or a Stop"),
    (DrawsGlobally, "problem-kept", "prepare uses global random state"),
    (AddsInPlace, "problem-kept", "changes the measurement in place"),
    (Error, "direction", "higher_is_better is True, but an image with more noise scores higher"),
    (Error, "shapes-refused", "is scored against .* call invprior.metrics.base.check_shapes"),
    (OneScore, "shape", "one value for the whole batch"),
    (Relative, "batch-apart", "measure mixes the batch"),
)  # fmt: skip
def test_is_caught(obj, name, text):
    assert_caught(obj, name, text)
