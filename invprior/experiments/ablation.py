"""The ablation: network families and depths on one task, to see which part of an architecture is the prior."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from invprior import registry
from invprior.builders.measurements import ImageLike
from invprior.builders.problem import all_of
from invprior.builders.simulation import simulate
from invprior.errors import OptionError, PluginError
from invprior.experiments import plots
from invprior.experiments.common import Watch, noise_from, single_image
from invprior.experiments.tables import write_table
from invprior.experiments.trial import Task, Trial, labels
from invprior.io.display import window_of
from invprior.io.montage import Shown, side_by_side
from invprior.io.save import save
from invprior.metrics.psnr import PSNR
from invprior.noises.base import Noise
from invprior.numerics.random import check_seed
from invprior.operators.base import Operator, Recipe
from invprior.registry.spec import Spec, parse
from invprior.stopping.base import StoppingRule
from invprior.stopping.max_steps import MaxSteps
from invprior.stopping.time_limit import TimeLimit

# With nine tenths of the pixels missing, a network with a small receptive field cannot fill the gaps.
# The astronaut at 128 x 128: 13.0 dB at depth 1, 17.7 dB at depth 2, 18.3 dB at depth 5.
OPERATOR = "inpaint:keep=0.1"
NOISE = "gaussian:sigma=0.01"
STEPS = 500
_WIDTHS = (16, 32, 64, 128, 128)  # those of dip's default network, the finest scale first
NETWORKS = (
    *(f"skip:down={list(_WIDTHS[:depth])}".replace(" ", "") for depth in range(1, 6)),
    "unet",
    "resnet",
    "texture",
    # The smaller one of its paper: the default has more weights than a small image has values.
    "deep-decoder:channels=[64,64,64,64,64,64]",
    "conv-decoder",
    "siren",
)
FILES = ("ablation.png", "ablation.svg", "images.png", "ablation.csv", "curves.csv")
COLUMNS = 4  # of the grid of images


@dataclass(frozen=True)
class AblationResult:
    """The networks' results on one measurement.

    Attributes:
        trials: one for each network, in the order given; after an interruption, those that had finished.
        truth: the image, (1, C, H, W).
        y: the measurement, (1, *measurement_shape).
        operator: the operator's spec, with its options filled in.
        noise: the noise's spec, with its options filled in.
        steps: limit of iterations for each network.
        time_limit: limit of seconds for each network; None for no limit.
        seed: of every random number.
        interrupted: whether Ctrl-C ended the experiment.
    """

    trials: tuple[Trial, ...]
    truth: Tensor
    y: Tensor
    operator: str
    noise: str
    steps: int
    time_limit: float | None
    seed: int
    interrupted: bool = False

    @property
    def measured(self) -> tuple[Trial, ...]:
        """The trials with a result."""
        return tuple(trial for trial in self.trials if trial.x is not None)

    @property
    def start(self) -> float | None:
        """PSNR of the measurement in dB; None where it has another shape than the image."""
        same = self.y.shape == self.truth.shape
        return float(PSNR().measure(self.y, self.truth)) if same else None

    def write(self, folder: Path, *, overwrite: bool = False) -> list[Path]:
        """Write `FILES` into a folder, each atomically.

        Raises:
            MeasurementError: a file exists already, or the folder cannot be written to.
        """
        paths = [folder / name for name in FILES]
        plot, vector, montage, table, curves = paths
        figure = plots.ablation([_curve(trial) for trial in self.measured], start=self.start)
        for path in (plot, vector):
            plots.save(figure, path, overwrite=overwrite)
        save(montage, side_by_side(self._shown(), columns=COLUMNS), overwrite=overwrite)
        rows = [list(row.values()) for row in map(_row, self.trials)]
        write_table(table, list(_row(self.trials[0])), rows, overwrite=overwrite)
        points = [(trial.label, *point) for trial in self.trials for point in trial.curve]
        header = ["label", "iteration", "seconds", "psnr_db"]
        write_table(curves, header, points, overwrite=overwrite)
        return paths

    def record(self) -> dict[str, Any]:
        """Return what is needed to repeat the experiment, and its results."""
        return {
            "experiment": "ablation",
            "operator": self.operator,
            "noise": self.noise,
            "steps": self.steps,
            "time_limit": self.time_limit,
            "seed": self.seed,
            "interrupted": self.interrupted,
            "measurement_psnr_db": self.start,
            "trials": [{**_row(t), "provenance": dict(t.provenance)} for t in self.trials],
        }

    def _shown(self) -> list[Shown]:
        window = window_of(self.truth)
        before = "measurement" if self.start is None else f"measurement  {self.start:.1f} dB"
        return [
            Shown("truth", self.truth, window),
            Shown(before, self.y, window.for_measurement(self.y)),
            *(
                Shown(f"{t.label}  {t.psnr:.1f} dB", t.x, window)
                for t in self.trials
                if t.x is not None
            ),
        ]


def ablation(
    truth: ImageLike,
    *,
    operator: str | Spec | Recipe | Operator = OPERATOR,
    noise: str | Spec | Noise = NOISE,
    networks: Sequence[str] = NETWORKS,
    steps: int = STEPS,
    time_limit: float | None = None,
    rates: Mapping[str, float] | None = None,
    seed: int = 0,
    watch: Watch | None = None,
) -> AblationResult:
    """Restore one measurement by dip with one network after another.

    Each network is fitted alone (members=1), at its own step size and input noise; the other options
    are dip's defaults. A network that is refused or fails becomes a trial with the reason. Ctrl-C
    ends the experiment and keeps the networks that have finished.

    Args:
        truth: one image, in any form that `solve` accepts. One outside [0, 1] is mapped to it, see `single_image`.
        operator: the forward operator.
        noise: the noise of the measurement.
        networks: the networks' specs, at least one.
        steps: iterations of each network, at least 1.
        time_limit: seconds for each network, above 0; no limit when absent.
        rates: Adam's step size by family, above 0; where absent, the network's own or dip's default.
        seed: of every random number.
        watch: called with each network's label and each iterate.

    Raises:
        InvpriorError: the input is wrong, before any step; or no network has a result.
        KeyboardInterrupt: Ctrl-C before the first network has finished.
    """
    x, model, stop, specs, given, _ = all_of(
        lambda: single_image(truth),
        lambda: noise_from(noise),
        lambda: _stop(steps, time_limit),
        lambda: _specs(networks),
        lambda: _rates(rates or {}),
        lambda: check_seed(seed),
    )
    y, forward = simulate(x, operator=operator, noise=model, seed=seed)
    task = Task(x, forward, y, model.fidelity(), stop, seed, given)
    trials: list[Trial] = []
    interrupted = False
    try:
        for text, spec, label in zip(networks, specs, labels(specs), strict=True):
            trials.append(task.attempt(text, spec, label, watch))
    except KeyboardInterrupt:  # finished networks are kept; without any there is nothing to report
        if not trials:
            raise
        interrupted = True
    result = AblationResult(
        trials=tuple(trials),
        truth=x,
        y=y,
        operator=str(registry.describe(forward)),
        noise=str(registry.describe(model)),
        steps=steps,
        time_limit=time_limit,
        seed=seed,
        interrupted=interrupted,
    )
    if not result.measured:
        reasons = "\n".join(f"{trial.label}: {trial.end}" for trial in trials)
        raise PluginError(f"No network gave an image.\n{reasons}")
    return result


def _stop(steps: int, time_limit: float | None) -> StoppingRule:
    limit = MaxSteps(steps=steps)
    return limit if time_limit is None else limit | TimeLimit(seconds=time_limit)


def _specs(networks: Sequence[str]) -> list[Spec]:
    if not networks:
        raise OptionError(
            "The networks of ablation must be at least one; got none. Name at least one."
        )
    return list(all_of(*((lambda text=text: parse(text)) for text in networks)))


def _rates(rates: Mapping[str, float]) -> Mapping[str, float]:
    for family, rate in rates.items():
        if not 0 < rate < float("inf"):
            raise OptionError(
                f"The lr of {family} must be a finite number > 0; got {rate}. Try {family}=0.001."
            )
    return rates


def _row(trial: Trial) -> dict[str, object]:
    """Return one row of the table, keyed by column."""
    best = trial.best
    return {
        "network": trial.network,
        "label": trial.label,
        "parameters": trial.parameters,
        "steps": trial.steps,
        "seconds": trial.seconds,
        "psnr_db": trial.psnr,
        "ssim": trial.ssim,
        "best_psnr_db": None if best is None else best.psnr,
        "best_step": None if best is None else best.step,
        "end": trial.end,
    }


def _curve(trial: Trial) -> plots.Curve:
    # Only trials with an image are drawn, and these have both.
    assert trial.seconds is not None
    assert trial.psnr is not None
    steps, _, psnrs = zip(*trial.curve, strict=True)
    return plots.Curve(trial.label, trial.family, trial.seconds, trial.psnr, steps, psnrs)
