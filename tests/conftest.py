"""Parts that several tests share: a small image, and priors of the user's own, unregistered."""

import os
import sys

import pytest

# Before torch is imported: tests run side by side, on images too small to share among threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.pop("COLUMNS", None)  # pytest-xdist sets it, and a console made with it keeps that width
import torch

from invprior.operators.base import LinearOperator
from invprior.problem.functionals import Penalty, Proximable, Reparameterization
from tests.packages import Packages


class Quadratic(Penalty):
    """R(x) = ||x||^2 / 2: smooth, with a known curvature."""

    def value(self, x):
        return 0.5 * x.square().flatten(1).sum(1)

    def lipschitz(self):
        return 1.0


class Sparse(Proximable):
    """The l1 norm by its prox alone."""

    def prox(self, v, tau):
        return v.sign() * (v.abs() - tau).clamp_min(0)


class Drawn(Reparameterization):
    """x = a network's only weights, drawn from the generator."""

    default_solver = "adam:lr=0.05"
    steps = 20

    def build(self, x0, generator):
        return Weights(torch.rand(x0.shape, generator=generator, dtype=x0.dtype))


class Weights(torch.nn.Module):
    def __init__(self, start):
        super().__init__()
        self.theta = torch.nn.Parameter(start)

    def forward(self):
        return self.theta.sigmoid()


class Doubled(LinearOperator):
    """y = 2 x, with nothing but `forward`."""

    def forward(self, x):
        return 2.0 * x


@pytest.fixture
def quadratic():
    return Quadratic()


@pytest.fixture
def sparse():
    return Sparse()


@pytest.fixture
def drawn():
    return Drawn()


@pytest.fixture
def doubled():
    return Doubled((2, 6, 5))


@pytest.fixture
def y():
    """A measurement of (1, 2, 6, 5)."""
    return torch.rand((1, 2, 6, 5), generator=torch.Generator().manual_seed(3))


@pytest.fixture
def packages(tmp_path_factory, monkeypatch):
    """A folder on sys.path to put fake installed packages in; what was imported from it is forgotten."""
    before, folder = set(sys.modules), tmp_path_factory.mktemp("packages")
    monkeypatch.syspath_prepend(folder)
    yield Packages(folder)
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(folder)):
            del sys.modules[name]
