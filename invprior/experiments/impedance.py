"""The impedance of a network: it fits an image quickly and noise slowly. The first experiment of the paper."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from invprior import registry
from invprior.builders.measurements import ImageLike
from invprior.builders.problem import all_of, build, prior_from
from invprior.builders.simulation import simulate
from invprior.errors import IncompatibleError
from invprior.experiments import plots
from invprior.experiments.common import Watch, callbacks_of, noise_from, single_image
from invprior.experiments.tables import write_table
from invprior.fidelities.gaussian import Gaussian
from invprior.io.montage import Shown, side_by_side
from invprior.io.save import save
from invprior.noises.base import Noise
from invprior.numerics.random import check_seed, derived_generator
from invprior.problem.functionals import Prior, Reparameterization
from invprior.problem.units import PHOTOGRAPH
from invprior.provenance import prior_text
from invprior.registry.spec import Spec
from invprior.runner.api import solve_problem
from invprior.solvers.adam import Adam
from invprior.stopping.max_steps import MaxSteps

# The paper's network with fewer channels. At its 2.2 million weights it fits any target of a size that two
# cores can handle within some hundred iterations, so the losses would differ in the first iterations only.
PRIOR = (
    "dip:preset=paper,net=skip(down=[32,64,64,64,64],padding=reflect,upsample=bilinear),"
    "input_noise=0"
)
# 25 / 255, clipped to the range of the output, so that every target can be reached.
NOISE = "gaussian:sigma=0.098,clip=true"
STEPS = 500
FILES = ("impedance.png", "impedance.svg", "impedance.csv", "targets.png")


@dataclass(frozen=True)
class ImpedanceResult:
    """The losses of four fits that differ only in their target.

    Attributes:
        targets: the targets by name, (1, C, H, W), in the paper's order: image, image + noise,
            shuffled, noise.
        losses: for each target, the mean squared error of f_theta(z) at every iteration, before its
            step, intensities in [0, 1].
        seconds: time of all four fits.
        provenance: for each target, every option, versions, seed and data hash.
        prior: the prior's spec, with all options filled in.
        noise: the noise's spec, with all options filled in.
        steps: iterations of each fit.
        seed: of the weights, of z, of both noises and of the shuffling.
    """

    targets: Mapping[str, Tensor]
    losses: Mapping[str, tuple[float, ...]]
    seconds: float
    provenance: Mapping[str, Mapping[str, Any]]
    prior: str
    noise: str
    steps: int
    seed: int

    def mean_log_loss(self) -> dict[str, float]:
        """Return the natural logarithm of the loss, averaged over the run; low where the network fits quickly."""
        logs = {name: torch.tensor(losses).log() for name, losses in self.losses.items()}
        return {name: float(log.mean()) for name, log in logs.items()}

    def steps_below(self, level: float) -> dict[str, int | None]:
        """Return the first iteration with a loss of at most `level`, or None if the loss never fell this low."""
        return {
            name: next((i for i, loss in enumerate(losses, start=1) if loss <= level), None)
            for name, losses in self.losses.items()
        }

    def write(self, folder: Path, *, overwrite: bool = False) -> list[Path]:
        """Write `FILES` into a folder, each atomically.

        Raises:
            MeasurementError: a file exists already, or the folder cannot be written to.
        """
        paths = [folder / name for name in FILES]
        plot, vector, table, montage = paths
        figure = plots.impedance(self.losses)
        for path in (plot, vector):
            plots.save(figure, path, overwrite=overwrite)
        rows = zip(range(1, self.steps + 1), *self.losses.values(), strict=True)
        write_table(table, ["iteration", *self.losses], rows, overwrite=overwrite)
        save(
            montage,
            side_by_side([Shown(name, x) for name, x in self.targets.items()]),
            overwrite=overwrite,
        )
        return paths

    def record(self) -> dict[str, Any]:
        """Return what is needed to repeat the experiment, and its results."""
        return {
            "experiment": "impedance",
            "prior": self.prior,
            "noise": self.noise,
            "steps": self.steps,
            "seed": self.seed,
            "seconds": self.seconds,
            "mean_log_loss": self.mean_log_loss(),
            "last_loss": {name: losses[-1] for name, losses in self.losses.items()},
            "provenance": dict(self.provenance),
        }


def impedance(
    truth: ImageLike,
    *,
    prior: str | Spec | Reparameterization | Prior = PRIOR,
    steps: int = STEPS,
    noise: str | Spec | Noise = NOISE,
    seed: int = 0,
    watch: Watch | None = None,
) -> ImpedanceResult:
    """Fit f_theta(z) to an image and to three targets with noise, by mean squared error.

    All four fits start from the same weights and the same z. Source: Ulyanov, Vedaldi and Lempitsky,
    "Deep Image Prior", IJCV 2020, section 2 and the figure of its learning curves.

    Args:
        truth: one image, in any form that `solve` accepts. One outside [0, 1] is mapped to it, see `single_image`.
        prior: a single prior that sets x = f_theta(z).
        steps: iterations of each fit, at least 1.
        noise: the noise added to the image for the second target.
        seed: of every random number.
        watch: called with each target's name and each iterate.

    Raises:
        InvpriorError: the input is wrong, before any step.
        DivergedError: a fit diverged.
    """
    # Together, so that one message lists every fault.
    x, terms, model, limit, _ = all_of(
        lambda: single_image(truth),
        lambda: _alone(prior_from(prior)),
        lambda: noise_from(noise),
        lambda: MaxSteps(steps=steps),
        lambda: check_seed(seed),
    )
    targets = targets_for(x, noise=model, seed=seed)
    # With sigma 1 the energy is half the sum of squares, so that 2 E / N is the mean squared error.
    problems = {
        name: build(
            y,
            operator="denoise",
            prior=terms,
            fidelity=Gaussian(sigma=1.0),
            data_range=PHOTOGRAPH,  # every target lies in [0, 1]
        )[0]
        for name, y in targets.items()
    }
    # The plain loss of the output is wanted: no running average and no back-projected residual.
    solver = Adam(average=0.0, back_projection=False)
    began = time.perf_counter()
    losses: dict[str, tuple[float, ...]] = {}
    provenance = {}
    for name, problem in problems.items():
        # One seed, so that all fits have the same weights and z, and only the target differs.
        solution = solve_problem(
            problem,
            solver,
            stop=limit,
            seed=seed,
            callbacks=callbacks_of(watch, name),
            record_every=1,
        )
        # record_every=1 above: the history has the energy of every iteration.
        losses[name] = tuple(2 * row["energy"] / x.numel() for row in solution.history)
        provenance[name] = solution.provenance
    seconds = time.perf_counter() - began
    return ImpedanceResult(
        targets=targets,
        losses=losses,
        seconds=seconds,
        provenance=provenance,
        prior=prior_text(terms),
        noise=str(registry.describe(model)),
        steps=steps,
        seed=seed,
    )


def targets_for(
    x: Tensor, *, noise: str | Spec | Noise = NOISE, seed: int = 0
) -> dict[str, Tensor]:
    """Return the four targets by name.

    Args:
        x: the image, (1, C, H, W).
        noise: the noise of the second target.
        seed: each target has its own random stream, derived from it.

    Returns:
        The image; the image with noise; its pixels in random order, with the channels of a pixel
        kept together; and uniform white noise in [0, 1], as in the paper.
    """
    noisy, _ = simulate(x, operator="denoise", noise=noise, seed=seed)
    # Both draws are on the CPU, so that a seed has the same targets on every device.
    order = torch.randperm(x[0, 0].numel(), generator=derived_generator(seed, "shuffle"))
    white = torch.rand(x.shape, generator=derived_generator(seed, "white noise"))
    return {
        "image": x,
        "image + noise": noisy,
        "shuffled": x.flatten(2)[..., order.to(x.device)].reshape(x.shape),
        "noise": white.to(x),
    }


def _alone(prior: Prior) -> Prior:
    if len(prior.terms) == 1 and isinstance(prior.terms[0].functional, Reparameterization):
        return prior
    raise IncompatibleError(
        "The prior of impedance must be a network alone, because the loss must be that of the fit; "
        f'got "{prior_text(prior)}". Use dip, with options if needed.'
    )
