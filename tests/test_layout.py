"""The house: few modules at the root, short chains of imports, and classes that mypy and people can read."""

import ast
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import torch

import invprior
from invprior import samples
from invprior.priors.tv import TV
from invprior.registry import create

PACKAGE = Path(invprior.__file__).parent


def test_few_modules_stand_at_the_root():
    assert len(list(PACKAGE.glob("*.py"))) <= 12


def test_the_longest_chain_of_imports_between_folders_is_short():
    rooms: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).with_suffix("").parts[0]
        found = rooms.setdefault(room, set())
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [f"{node.module}.{a.name}" for a in node.names]
            elif isinstance(node, ast.Import):
                names = [a.name for a in node.names]
            parts = [n.split(".") for n in names if n.startswith("invprior.")]
            found |= {p[1] for p in parts if p[1] != room}
    del rooms["__init__"]  # the face of the package, which no room imports

    @cache
    def floor(room: str) -> int:
        return 1 + max((floor(r) for r in rooms[room] if r in rooms), default=0)

    assert max(map(floor, rooms)) <= 14


def test_objects_print_their_options_in_a_line_or_two():
    y, blur = invprior.simulate(
        samples.load("camera", 16).x, operator="blur:sigma=1.2", noise="gaussian:sigma=0.1"
    )
    prior = 2 * TV() + create("priors", "tikhonov")
    (problem,) = invprior.build(y, operator=blur, prior=prior)
    solution = invprior.solve(y, operator=blur, prior="tv:weight=1", steps=2)
    kernel = invprior.simulate(
        y, operator=create("operators", "blur:kernel=uniform")((1, 16, 16)), noise="gaussian"
    )[1]
    assert repr(blur) == "Blur((1, 16, 16), kernel='gaussian', sigma=1.2, boundary='reflect')"
    assert repr(kernel) == "Blur((1, 16, 16), kernel='uniform', size=9, boundary='reflect')"
    assert repr(prior) == "2 * TV(kind='vectorial', gap=0.0001) + Tikhonov(order=1)"
    assert repr(problem).startswith(f"Problem({blur!r}, Gaussian(sigma=")
    now = next(invprior.iterate(problem, "adam:lr=0.01"))
    image = samples.load("camera", 16)
    others = (now, image, invprior.Stop("x", True, "done", x=now.x), create("priors", "dip"))
    assert repr(image) == "Image(1x1x16x16, uint8)"
    assert repr(now).startswith("Iterate(step 1, 1x1x16x16, ")
    for shown in map(repr, (blur, prior, problem, solution, *others)):
        assert "tensor(" not in shown
        assert "\n" not in shown
        assert len(shown) < 400
    known = torch.rand(16, 16) > 0.5
    assert "mask=Tensor(16, 16)" in repr(create("operators", "inpaint", mask=known)((1, 16, 16)))


PATTERNS = '''
from dataclasses import dataclass

import torch
from torch import Tensor

from invprior import LinearOperator, Objective, Problem, Solver, State
from invprior.operators.base import Shape
from invprior.problem.objective import route


class Repeat(LinearOperator):
    """y repeats x."""

    def __init__(self, image_shape: Shape, *, count: int = 2) -> None:
        channels, height, width = image_shape
        super().__init__(image_shape, (count * channels, height, width))
        self.count = count

    @classmethod
    def image_shape_for(cls, measurement_shape: Shape, *, count: int = 2) -> Shape:
        channels, height, width = measurement_shape
        return (channels // count, height, width)

    def forward(self, x: Tensor) -> Tensor:
        return x.repeat(1, self.count, 1, 1)


@dataclass
class Mine(State):
    speed: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Descent(Solver):
    """Gradient descent."""

    def route(self, problem: Problem) -> Objective:
        return route(problem, "descent", network=False, prox="no", linear=True)

    def init(self, objective: Objective, x0: Tensor, generator: torch.Generator) -> Mine:
        return Mine(x0, speed=1.0 / objective.lipschitz())

    def step(self, objective: Objective, state: Mine) -> Mine:
        return Mine(state.x - state.speed * objective.gradient(state.x), speed=state.speed)


def shape_of(operator: LinearOperator, x: Tensor) -> int:
    y = operator(x)
    reveal_type(y)
    return y.shape[0]
'''


@pytest.mark.slow
def test_what_the_docs_teach_passes_mypy_strictly(tmp_path):
    pytest.importorskip("mypy")
    file = tmp_path / "downstream.py"
    file.write_text(PATTERNS)
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports", "silent", str(file)]
    where = {**os.environ, "MYPYPATH": str(PACKAGE.parent)}
    found = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=where, check=False
    )
    assert 'Revealed type is "torch._tensor.Tensor"' in found.stdout, found.stdout
    assert "Success" in found.stdout, found.stdout
