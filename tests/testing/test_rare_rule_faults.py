"""Weight rules, and stopping rules and solvers that are wrong in some cases only."""

from dataclasses import dataclass, replace

import torch

from invprior.problem.solution import Stop
from invprior.solvers.fista import FISTA
from invprior.testing import check
from invprior.weights.base import Trial, WeightRule
from invprior.weights.discrepancy import Discrepancy
from invprior.weights.holdout import Holdout
from invprior.weights.sure import SURE
from tests.testing.planted import assert_caught, planted
from tests.testing.test_faulty_solvers import Rule


@dataclass(frozen=True, kw_only=True)
class Changed(Discrepancy):
    """The criterion of discrepancy, changed; without a fault as it is."""

    def start(self, problem, generator):
        trial = super().start(problem, generator)
        return replace(trial, criterion=lambda p, x: self.changed(trial.criterion(p, x), x))

    def changed(self, value, images):
        return value


class WrongSign(Changed):
    def changed(self, value, images):
        return -value


class ReturnsATensor(Changed):
    def changed(self, value, images):
        return torch.tensor(value)


class LikesNaN(Changed):
    def changed(self, value, images):
        return -1e9 if value != value else value


class Scales(Changed):
    """It scales the restoration in place."""

    def changed(self, value, images):
        images[0].mul_(0.9)
        return value


class RoundsBadly(Changed):
    """It prefers flat images by far."""

    def changed(self, value, images):
        return value + 100 * float(images[0].std())


class Seen:
    calls = 0


class CountsCalls(Changed):
    def changed(self, value, images):
        Seen.calls += 1
        return value + Seen.calls


class NeverFinite(Changed):
    def changed(self, value, images):
        return float("inf")


class NoTrial(SURE):
    def start(self, problem, generator):
        return super().start(problem, generator).views


class NegativeSlack(SURE):
    def start(self, problem, generator):
        return replace(super().start(problem, generator), slack=-1.0)


class DrawsGlobally(SURE):
    def start(self, problem, generator):
        return super().start(problem, torch.Generator().manual_seed(int(torch.randint(99, ()))))


class CentresY(SURE):
    def start(self, problem, generator):
        problem.y.sub_(problem.y.mean())
        return super().start(problem, generator)


class AnotherProbe(Holdout):
    def start(self, problem, generator):
        source = torch.Generator()
        source.seed()
        return super().start(problem, source)


class MutableRule(WeightRule):
    def start(self, problem, generator):
        return Trial((), lambda weighted, images: 0.0)


class WritesToX(Rule):
    def start(self, problem):
        return lambda iterate: _clip(iterate.x)


class WritesToTheLatest(Rule):
    def start(self, problem):
        return lambda iterate: _clip(iterate.latest)


class WritesToTheSolver(Rule):
    def start(self, problem):
        return lambda iterate: _clip(iterate.mutable_state()[0])


class WritesToY(Rule):
    def start(self, problem):
        return lambda iterate: _clip(problem.y)


class CentresYAtTheStart(Rule):
    def start(self, problem):
        problem.y.sub_(problem.y.mean())
        return super().start(problem)


def _clip(tensor):
    tensor.data.clamp_(0.4, 0.5)


class WithoutAName(Rule):
    def start(self, problem):
        return lambda iterate: Stop("rule", None, "done")


class NaNImage(Rule):
    def start(self, problem):
        return lambda iterate: Stop("rule", True, "done", x=iterate.x * float("nan"))


class SetsTheDtype(Rule):
    def start(self, problem):
        return lambda iterate: torch.set_default_dtype(torch.float64)


class CropsTheProblem(Rule):
    def prepare(self, problem, generator):
        return problem.y


@dataclass(frozen=True, kw_only=True)
class DoublesTheWeight(FISTA):
    def route(self, problem):
        objective = super().route(problem)
        return replace(
            objective,
            smooth=tuple((2 * w, f) for w, f in objective.smooth),
            proximal=tuple((2 * w, f) for w, f in objective.proximal),
        )


@dataclass(frozen=True, kw_only=True)
class WritesToTheStart(FISTA):
    def init(self, objective, x0, generator):
        return super().init(objective, x0.mul_(0.5), generator)


@dataclass(frozen=True, kw_only=True)
class InFloat32(FISTA):
    def step(self, objective, state):
        new = super().step(objective, state)
        return replace(new, x=new.x.float())


@dataclass(frozen=True, kw_only=True)
class TwoImages(FISTA):
    def step(self, objective, state):
        new = super().step(objective, state)
        return replace(new, x=new.x.repeat(2, 1, 1, 1))


@dataclass(frozen=True, kw_only=True)
class SeedsTorch(FISTA):
    def init(self, objective, x0, generator):
        torch.manual_seed(0)
        return super().init(objective, x0, generator)


@dataclass(frozen=True, kw_only=True)
class OneThread(FISTA):
    def init(self, objective, x0, generator):
        torch.set_num_threads(torch.get_num_threads() + 1)
        return super().init(objective, x0, generator)


@planted(
    (WrongSign, "chooses", "times the least error"),
    (RoundsBadly, "chooses", "it takes 100 times the default, with .* times the least error"),
    (ReturnsATensor, "criterion", "the criterion is a Tensor, should be a float"),
    (LikesNaN, "criterion", "the criterion of an image of NaN is -1e.09, the best of all"),
    (Scales, "criterion", "changes a restoration in place"),
    (CountsCalls, "criterion", "another value when it is called again: it keeps state"),
    (NeverFinite, "criterion", "is finite at no weight"),
    (NoTrial, "criterion", "start returns a tuple, should be a Trial or None"),
    (NegativeSlack, "criterion", "slack is -1.0, should be a finite number >= 0"),
    (DrawsGlobally, "problem-kept", r"start uses global random state \(torch's\)"),
    (CentresY, "problem-kept", "start changes the measurement in place"),
    (AnotherProbe, "problem-kept", "start gives another view for the same seed|differs for the same seed"),
    (MutableRule, "frozen", "attributes can be changed after construction"),
    (WritesToX, "inputs-untouched", "it changes the iterate's x in place"),
    (WritesToTheLatest, "inputs-untouched", "it changes the iterate's (x|latest) in place"),
    (WritesToTheSolver, "inputs-untouched", "it changes the iterate's mutable_state in place"),
    (WritesToY, "inputs-untouched", "it changes the measurement in place"),
    (CentresYAtTheStart, "inputs-untouched", "it changes the measurement in place"),
    (WithoutAName, "answers", "its Stop's ok is None, should be True or False"),
    (NaNImage, "answers", "its Stop's x must be a finite image"),
    (SetsTheDtype, "own-state", "a watcher changes torch's default dtype"),
    (CropsTheProblem, "problem-kept", "prepare returns a Tensor, should be a Problem"),
    (DoublesTheWeight, "minimum", "it stops short of the minimiser by"),
    (WritesToTheStart, "inputs-untouched", "it changes the measurement or the initial estimate in place"),
    (InFloat32, "image", "x is .*float32.*; should be"),
    (TwoImages, "image", r"x is \(2, 1, 4, 3\)"),
    (SeedsTorch, "deterministic", r"a run uses global random state \(torch's\)"),
    (OneThread, "deterministic", "a run changes torch's number of threads"),
)  # fmt: skip
def test_is_caught(obj, name, text):
    assert_caught(obj, name, text)


def test_a_rule_without_a_fault_passes():
    report = check(Changed)
    assert report.ok, str(report)
