"""One network of the ablation: its set-up, its run and its scores."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from invprior import registry
from invprior.builders.problem import build
from invprior.errors import InvpriorError
from invprior.experiments.common import Watch, callbacks_of
from invprior.fidelities.base import Fidelity
from invprior.metrics.psnr import PSNR
from invprior.metrics.ssim import SSIM, WINDOW
from invprior.networks.base import Network
from invprior.operators.base import Operator
from invprior.priors.dip import DIP
from invprior.problem.solution import DivergedError, Iterate, Solution
from invprior.problem.units import PHOTOGRAPH
from invprior.registry.spec import Spec
from invprior.runner.api import solve_problem
from invprior.runner.history import Callback
from invprior.stopping.base import StoppingRule

EVERY = 10  # iterations between two measurements of the PSNR


class Point(NamedTuple):
    """The running average at one iteration: seconds of the reconstruction alone, and PSNR in dB."""

    step: int
    seconds: float
    psnr: float


@dataclass(frozen=True)
class Trial:
    """The result of one network, or the reason why there is none.

    Attributes:
        network: the network's spec, as given.
        label: a short name, unique in its ablation.
        ok: whether the run ended as planned; if not, `end` is the reason.
        end: why the run ended, or the error that prevented or broke it.
        x: the averaged output, (1, C, H, W); None without a run.
        parameters: number of the network's parameters; None when it could not be built.
        steps: iterations done.
        seconds: time of the reconstruction alone, without the measurements along it.
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
        """The point of the curve with the highest PSNR."""
        return max(self.curve, key=lambda point: point.psnr, default=None)


@dataclass(frozen=True)
class Task:
    """The task that every network of an ablation gets.

    Attributes:
        truth: the image, (1, C, H, W), intensities in [0, 1].
        operator: the forward operator.
        y: the measurement, (1, *measurement_shape).
        fidelity: the noise's negative log-likelihood.
        stop: when each run ends.
        seed: of the weights, of z and of the noise on it.
        rates: Adam's step size by family; where absent, the network's own or dip's default.
    """

    truth: Tensor
    operator: Operator
    y: Tensor
    fidelity: Fidelity
    stop: StoppingRule
    seed: int
    rates: Mapping[str, float]

    def prior(self, spec: Spec) -> DIP:
        """Return dip with a single network instead of an ensemble, at the step size and input noise of the network.

        Raises:
            InvpriorError: the network is unknown, broken, or its options are wrong.
        """
        net: Network = registry.create("networks", spec)
        # A spec may name the package too, as in package/name.
        lr = self.rates.get(spec.name.rpartition("/")[2], net.natural_lr)
        wanted = {"lr": lr, "input_noise": net.natural_noise}
        options = {name: value for name, value in wanted.items() if value is not None}
        # dip's default of two networks would double the weights and the time of every row.
        made: DIP = registry.create("priors", "dip", net=net, members=1, **options)
        return made

    def attempt(self, text: str, spec: Spec, label: str, watch: Watch | None) -> Trial:
        """Run one network. An error that prevents or breaks the run becomes the trial's `end`."""
        parameters = None
        curve = _Curve(self.truth, callbacks_of(watch, label))
        try:
            prior = self.prior(spec)
            parameters = _parameters(prior, self.truth)
            (problem,) = build(
                self.y,
                operator=self.operator,
                prior=prior,
                fidelity=self.fidelity,
                data_range=PHOTOGRAPH,  # the same output range for every network
            )
            solution = solve_problem(
                problem,
                stop=self.stop,
                seed=self.seed,
                callbacks=[curve],
                record_every=0,  # the callback records the curve
            )
        # Before InvpriorError, its base class: a diverged run has an earlier iterate to score.
        except DivergedError as error:
            if error.solution is None:
                return Trial(text, label, False, str(error), parameters=parameters)
            return self._measured(text, label, error.solution, parameters, curve)
        except InvpriorError as error:
            return Trial(text, label, False, str(error), parameters=parameters)
        except Exception as error:  # a third party's network may fail in any way
            end = f"{type(error).__name__}: {error}"
            return Trial(text, label, False, end, parameters=parameters)
        return self._measured(text, label, solution, parameters, curve)

    def _measured(
        self,
        text: str,
        label: str,
        solution: Solution,
        parameters: int | None,
        curve: _Curve,
    ) -> Trial:
        large = min(self.truth.shape[2:]) >= WINDOW
        return Trial(
            network=text,
            label=label,
            ok=solution.stop.ok,
            end=solution.stop.message,
            x=solution.x,
            parameters=parameters,
            steps=solution.steps,
            seconds=curve.seconds,
            psnr=float(PSNR().measure(solution.x, self.truth)),
            ssim=float(SSIM().measure(solution.x, self.truth)) if large else None,
            curve=curve.points,
            provenance=solution.provenance,
        )


class _Curve:
    """A callback that measures the PSNR every few iterations, and subtracts its own time from the clock.

    Args:
        truth: the ground truth, (1, C, H, W).
        others: further callbacks, whose time is subtracted too.
    """

    def __init__(self, truth: Tensor, others: Sequence[Callback]) -> None:
        self.truth, self.others = truth, others
        self.spent = 0.0
        self.seconds = 0.0
        self.kept: list[tuple[int, float, Tensor]] = []
        self.last: Iterate | None = None

    def __call__(self, iterate: Iterate) -> None:
        began = time.perf_counter()
        # The clock of the run includes the earlier calls of this callback.
        self.seconds = iterate.seconds - self.spent
        self.last = iterate
        if iterate.step == 1 or iterate.step % EVERY == 0:
            self._keep(iterate)
        for other in self.others:
            other(iterate)
        self.spent += time.perf_counter() - began

    def _keep(self, iterate: Iterate) -> None:
        # Kept as a tensor: converting it to a number would wait for the GPU in the middle of the run.
        self.kept.append((iterate.step, self.seconds, PSNR().measure(iterate.x, self.truth)))

    @property
    def points(self) -> tuple[Point, ...]:
        """The points measured, the last iteration included."""
        if self.last is not None and self.kept[-1][0] != self.last.step:
            self._keep(self.last)
        return tuple(Point(step, seconds, float(psnr)) for step, seconds, psnr in self.kept)


def labels(specs: Sequence[Spec]) -> list[str]:
    """Return short names of networks: the family, with the depth or as a whole spec where a family occurs twice."""
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
    """Count the parameters of the network, on a copy built for this purpose."""
    module = prior.build(torch.zeros_like(like), torch.Generator().manual_seed(0))
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
