"""What each solver costs to the same energy, for tomography or another operator without a closed form.

    python benchmarks/solver_cost.py --size 96 --angles 30 --noise 0.1 1
    python benchmarks/solver_cost.py --size 96 --operator blur:boundary=valid --noise 0.01

A row holds the steps, the applications of A and A^H, the proxes and the processor's seconds until the energy E + R is
within a thousandth of the lowest, and which solver `auto` takes.
"""

from __future__ import annotations

import argparse
import math
import time
from itertools import islice

import torch
from common import counted
from torch import Tensor

import invprior
from invprior import samples
from invprior.builders.problem import build
from invprior.builders.solver import select_solver
from invprior.operators.base import LinearOperator
from invprior.priors.tv import TV
from invprior.registry.options import plain_name

GAP = 1e-3


class Beams(LinearOperator):
    """Parallel beams, by linear interpolation."""

    def __init__(self, side: int, angles: int) -> None:
        rays = int(1.5 * side)
        super().__init__((1, side, side), (1, angles, rays))
        at, turn = torch.arange(side) - (side - 1) / 2, torch.arange(angles) * torch.pi / angles
        place = turn.cos()[:, None, None] * at + turn.sin()[:, None, None] * at[:, None] + rays / 2
        place = place.flatten(1)
        ray = place.floor()
        # Each pixel meets two rays of each angle.
        self.rays = (ray + torch.arange(angles)[:, None] * rays).long()
        self.share = place - ray

    def forward(self, x: Tensor) -> Tensor:
        """Apply A."""
        y = x.new_zeros(len(x), math.prod(self.measurement_shape) + 1)
        for ray, share in ((self.rays, 1 - self.share), (self.rays + 1, self.share)):
            y.index_add_(1, ray.flatten(), (share * x.flatten(1)[:, None]).flatten(1))
        return y[:, :-1].view(-1, *self.measurement_shape)

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply A^H."""
        y = torch.cat([y.flatten(1), y.new_zeros(len(y), 1)], 1)
        x = (1 - self.share) * y[:, self.rays] + self.share * y[:, self.rays + 1]
        return x.sum(1).view(-1, *self.image_shape)


class CountedTV(TV):
    """Total variation that counts its proxes."""

    proxes = 0

    def prox(self, v: Tensor, tau: float) -> Tensor:
        """Count, and return the prox."""
        CountedTV.proxes += 1
        return super().prox(v, tau)


def main() -> None:
    options = arguments()
    torch.set_num_threads(1)
    truth = samples.load(options.image, options.size).x
    for noise in options.noise:
        beams = Beams(options.size, options.angles)
        y, made = invprior.simulate(
            truth, operator=options.operator or beams, noise=f"gaussian:sigma={noise}", seed=0
        )
        prior = CountedTV() * options.weight
        (problem,) = build(
            y, operator=made, prior=prior, noise=f"gaussian:sigma={noise}", data_range=(0, 1)
        )
        chosen = plain_name(type(select_solver(problem, "auto").solver))
        curves = {s: curve(problem, s, options.steps) for s in options.solvers}
        least = min(energy for found in curves.values() for energy, *_ in found)
        for solver, found in curves.items():
            near = (n for n, (energy, *_) in enumerate(found, 1) if energy <= least + GAP * least)
            steps = next(near, None)
            mark = " (auto)" if solver == chosen else ""
            cells = (
                "not reached"
                if steps is None
                else "{} steps, {:.0f} applications, {} proxes, {:.2f} s".format(
                    steps, *found[steps - 1][1:]
                )
            )
            print(f"noise {noise:g}, {solver}{mark}: {cells}", flush=True)


def curve(
    problem: invprior.Problem, solver: str, steps: int
) -> list[tuple[float, float, int, float]]:
    """Return energy, applications, proxes and seconds after each step."""
    found, spent, CountedTV.proxes = [], 0.0, 0
    operator = problem.operator
    with counted(type(operator), math.prod(operator.image_shape)) as count:
        began = time.process_time()
        for now in islice(invprior.iterate(problem, solver=solver), steps):
            spent += time.process_time() - began
            applied = count[0]
            found.append((float(now.objective.energy(now.x)), applied, CountedTV.proxes, spent))
            count[0] = applied  # the energy is not part of the run
            began = time.process_time()
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image", default="camera")
    parser.add_argument("--operator", help="its spec; tomography when absent")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--angles", type=int, default=30)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.1, 1.0])
    parser.add_argument("--weight", type=float, default=10.0)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--solvers", nargs="+", default=["fista", "admm", "pdhg"])
    return parser.parse_args()


if __name__ == "__main__":
    main()
