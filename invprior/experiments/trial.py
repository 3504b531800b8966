"""One network of the ablation: how it is set up, run and measured."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from invprior import registry
from invprior.builders.problem import build
from invprior.errors import DivergedError, InvpriorError
from invprior.experiments.common import Watch, watching
from invprior.fidelities.base import Fidelity
from invprior.metrics.psnr import PSNR
from invprior.metrics.ssim import SSIM
from invprior.networks.base import Network
from invprior.operators.base import Operator
from invprior.priors.dip import DIP
from invprior.problem.solution import Iterate, Solution
from invprior.registry.spec import Spec
from invprior.runner.api import solve_problem
from invprior.runner.history import Callback
from invprior.stopping.base import StoppingRule

EVERY = 10  # iterations between two looks at the PSNR


class Point(NamedTuple):
    """The running average at one iteration: time of the reconstruction alone, in seconds, and PSNR in dB."""

    step: int
    seconds: float
    psnr: float


@dataclass(frozen=True)
class Trial:
    """What one network reached, or why it did not.

    Attributes:
        network: the network's spec as given.
        label: a short name, unique in its ablation.
        ok: whether the run came to its end; if not, `end` says why.
        end: why the run ended, or what refused or broke it.
        x: the averaged output, (1, C, H, W); None without a run.
        parameters: how many the network has; None when it could not be built.
        steps: iterations.
        seconds: time of the reconstruction alone, without measuring it.
        psnr: of x, in dB.
        ssim: of x; None for images smaller than its window.
        curve: the PSNR along the run.
        provenance: every option with defaults filled in, versions, seed and data hash.
    """

    network: str
    label: str
    ok: bool
    end: str
    x: Tensor | None = None
    parameters: int | None = None
    steps: int | None = None
    seconds: float | None = None
    psnr: float | None = None
    ssim: float | None = None
    curve: tuple[Point, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def family(self) -> str:
        """The network's registered name."""
        return self.network.partition(":")[0].partition("(")[0].strip()

    @property
    def best(self) -> Point | None:
        """Where along the run the PSNR was highest."""
        return max(self.curve, key=lambda point: point.psnr, default=None)


@dataclass(frozen=True)
class Task:
    """What every network of an ablation is given.

    Attributes:
        truth: the image, (1, C, H, W).
        operator: the forward operator.
        y: the measurement, (1, *measurement_shape).
        fidelity: the noise's negative log-likelihood.
        stop: when each run ends.
        seed: of the weights, of z and of the noise on it.
        rates: Adam's step size by family; the network's own, or dip's, when absent.
    """

    truth: Tensor
    operator: Operator
    y: Tensor
    fidelity: Fidelity
    stop: StoppingRule
    seed: int
    rates: Mapping[str, float]

    def prior(self, spec: Spec) -> DIP:
        """Make dip with the network once, not several side by side, and the step size and noise that suit it.

        Raises:
            InvpriorError: the network is unknown, broken, or its options are wrong.
        """
        net: Network = registry.create("networks", spec)
        lr = self.rates.get(spec.name.rpartition("/")[2], net.natural_lr)
        wanted = {"lr": lr, "input_noise": net.natural_noise}
        options = {name: value for name, value in wanted.items() if value is not None}
        made: DIP = registry.create("priors", "dip", net=net, members=1, **options)
        return made

    def attempt(self, text: str, spec: Spec, label: str, watch: Watch | None) -> Trial:
        """Run one network; whatever refuses or breaks it becomes the trial's end."""
        parameters = None
        look = _Look(self.truth, watching(watch, label))
        try:
            prior = self.prior(spec)
            parameters = _parameters(prior, self.truth)
            problem = build(self.y, operator=self.operator, prior=prior, fidelity=self.fidelity)[0]
            solution = solve_problem(
                problem,
                stop=self.stop,
                seed=self.seed,
                callbacks=[look],
                record_every=0,
            )
        except DivergedError as error:
            if error.solution is None:
                return Trial(text, label, False, str(error), parameters=parameters)
            return self._measured(text, label, error.solution, parameters, look)
        except InvpriorError as error:
            return Trial(text, label, False, str(error), parameters=parameters)
        except Exception as error:  # a third party's network may fail in any way
            end = f"{type(error).__name__}: {error}"
            return Trial(text, label, False, end, parameters=parameters)
        return self._measured(text, label, solution, parameters, look)

    def _measured(
        self,
        text: str,
        label: str,
        solution: Solution,
        parameters: int | None,
        look: _Look,
    ) -> Trial:
        large = min(self.truth.shape[2:]) >= 11  # SSIM's window
        return Trial(
            network=text,
            label=label,
            ok=solution.stop.ok,
            end=solution.stop.message,
            x=solution.x,
            parameters=parameters,
            steps=solution.steps,
            seconds=look.seconds,
            psnr=float(PSNR().measure(solution.x, self.truth)),
            ssim=float(SSIM().measure(solution.x, self.truth)) if large else None,
            curve=look.points,
            provenance=solution.provenance,
        )


class _Look:
    """A callback that measures the estimate now and then, and takes its own time off the clock.

    Args:
        truth: what to measure against, (1, C, H, W).
        others: further callbacks, whose time does not count either.
    """

    def __init__(self, truth: Tensor, others: Sequence[Callback]) -> None:
        self.truth, self.others = truth, others
        self.spent = 0.0
        self.seconds = 0.0
        self.kept: list[tuple[int, float, Tensor]] = []
        self.last: Iterate | None = None

    def __call__(self, iterate: Iterate) -> None:
        began = time.perf_counter()
        self.seconds = iterate.seconds - self.spent
        self.last = iterate
        if iterate.step == 1 or iterate.step % EVERY == 0:
            self._keep(iterate)
        for other in self.others:
            other(iterate)
        self.spent += time.perf_counter() - began

    def _keep(self, iterate: Iterate) -> None:
        self.kept.append((iterate.step, self.seconds, PSNR().measure(iterate.x, self.truth)))

    @property
    def points(self) -> tuple[Point, ...]:
        """The curve, with the last iteration at its end."""
        if self.last is not None and self.kept[-1][0] != self.last.step:
            self._keep(self.last)
        return tuple(Point(step, seconds, float(psnr)) for step, seconds, psnr in self.kept)


def labels(specs: Sequence[Spec]) -> list[str]:
    """Name networks shortly: by family, and by depth or by their whole spec where a family occurs twice."""
    names = []
    for spec in specs:
        siblings = [other for other in specs if other.name == spec.name]
        depths = [_depth(other) for other in siblings]
        if len(siblings) == 1:
            names.append(spec.name)
        elif None not in depths and len(set(depths)) == len(depths):
            names.append(f"{spec.name}, depth {_depth(spec)}")
        else:
            names.append(str(spec))
    return names


def _depth(spec: Spec) -> int | None:
    try:
        depth = getattr(registry.create("networks", spec), "depth", None)
    except InvpriorError:
        return None
    return depth if isinstance(depth, int) else None


def _parameters(prior: DIP, like: Tensor) -> int:
    """Count the network's parameters, on one that is built for nothing else."""
    module = prior.build(torch.zeros_like(like), torch.Generator().manual_seed(0))
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
