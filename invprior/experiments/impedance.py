"""How willingly a network fits an image, and how unwillingly noise: the paper's first experiment."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from invprior import registry
from invprior.builders.problem import ImageLike, all_of, build, check_seed, prior_from
from invprior.builders.simulation import derived_generator, simulate
from invprior.errors import IncompatibleError
from invprior.experiments import plots
from invprior.experiments.common import Watch, noise_from, single, watching
from invprior.experiments.tables import write_table
from invprior.fidelities.gaussian import Gaussian
from invprior.io import images
from invprior.io.montage import side_by_side
from invprior.noises.base import Noise
from invprior.problem.functionals import Prior, Reparameterization
from invprior.provenance import prior_text
from invprior.registry.spec import Spec
from invprior.runner.api import solve_problem
from invprior.solvers.adam import Adam
from invprior.stopping.max_steps import MaxSteps

# The paper's network, thinner: with its 2.2 million weights it soon fits any target of a size that two
# cores manage, and the targets would be told apart for the first iterations alone.
PRIOR = (
    "dip:preset=paper,net=skip(down=[32,64,64,64,64],padding=reflect,upsample=bilinear),"
    "input_noise=0"
)
NOISE = "gaussian:sigma=0.098,clip=true"  # 25 of 255; clipped, so that every target can be reached
STEPS = 500
FILES = ("impedance.png", "impedance.svg", "impedance.csv", "targets.png")


@dataclass(frozen=True)
class ImpedanceResult:
    """The loss of four fits that differ in nothing but their target.

    Attributes:
        targets: the targets by name, (1, C, H, W), in the paper's order: image, image + noise,
            shuffled, noise.
        losses: for each target the mean squared error of f_theta(z) at every iteration, before its
            step, intensities in [0, 1].
        seconds: time of all four fits.
        provenance: for each target every option, versions, seed and data hash.
        prior: the prior's text, all options filled in.
        noise: the noise's text, all options filled in.
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
        """Natural logarithm of the loss, averaged over the run: low where the network gives way."""
        logs = {name: torch.tensor(losses).log() for name, losses in self.losses.items()}
        return {name: float(log.mean()) for name, log in logs.items()}

    def steps_below(self, level: float) -> dict[str, int | None]:
        """First iteration with a loss of at most `level`; None where there is none."""
        return {
            name: next((i for i, loss in enumerate(losses, start=1) if loss <= level), None)
            for name, losses in self.losses.items()
        }

    def write(self, folder: Path, *, overwrite: bool = False) -> list[Path]:
        """Write `FILES` into a folder, each whole or not at all.

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
        images.save(montage, side_by_side(list(self.targets.items())), overwrite=overwrite)
        return paths

    def record(self) -> dict[str, Any]:
        """What somebody else needs to do it again, and the outcome in figures."""
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
    """Fit f_theta(z), by plain mean squared error, to an image and to three noisy relatives of it.

    All four fits begin at the same weights and the same z. Source: Ulyanov, Vedaldi and Lempitsky,
    "Deep Image Prior", IJCV 2020, section 2 and the figure of its learning curves.

    Args:
        truth: one image, intensities in [0, 1], in any form that `solve` takes.
        prior: what makes x = f_theta(z), alone.
        steps: iterations of each fit, at least 1.
        noise: what is added to the image for the second target.
        seed: of every random number.
        watch: is called with each target's name and each iterate.

    Raises:
        InvpriorError: bad input, before any step.
        DivergedError: a fit exploded.
    """
    x, terms, model, limit, _ = all_of(
        lambda: single(truth),
        lambda: _alone(prior_from(prior)),
        lambda: noise_from(noise),
        lambda: MaxSteps(steps=steps),
        lambda: check_seed(seed),
    )
    targets = targets_for(x, noise=model, seed=seed)
    # With sigma 1 the energy is half the sum of squares: the mean squared error up to a constant.
    problems = {
        name: build(y, operator="denoise", prior=terms, fidelity=Gaussian(sigma=1.0))[0]
        for name, y in targets.items()
    }
    solver = Adam(average=0.0, back_projection=False)
    began = time.perf_counter()
    losses: dict[str, tuple[float, ...]] = {}
    provenance = {}
    for name, problem in problems.items():
        solution = solve_problem(
            problem, solver, stop=limit, seed=seed, callbacks=watching(watch, name), record_every=1
        )
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
    """Make the four targets.

    Args:
        x: the image, (1, C, H, W).
        noise: of the second target.
        seed: each target has a random stream of its own.

    Returns:
        The image; with noise; with its pixels in random order, the channels of a pixel together;
        and uniform white noise in [0, 1], as in the paper.
    """
    noisy, _ = simulate(x, operator="denoise", noise=noise, seed=seed)
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
        "The prior of impedance must be a network alone, as the loss is to be that of the fit; "
        f'got "{prior_text(prior)}". Use dip, with options if need be.'
    )
