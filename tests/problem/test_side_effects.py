"""What a solve leaves behind, and what autograd may pass through."""

import pytest
import torch

import invprior
from invprior.builders.problem import build
from invprior.builders.solver import select_solver
from invprior.errors import IncompatibleError
from invprior.memory.profiling import profile
from invprior.priors.tv import TV
from invprior.problem.functionals import Penalty


class Learnt(Penalty):
    """A prior with a parameter of its own."""

    def __init__(self, grad=None):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(2))
        self.scale.grad = grad

    def value(self, x):
        return self.scale.sum() * x.square().flatten(1).sum(1)


@pytest.mark.parametrize("solver", ["adam", "lbfgs", "auto"])
@pytest.mark.parametrize("own", [None, torch.full((2,), 3.0)])
def test_a_solve_leaves_no_gradient_in_a_prior(y, solver, own):
    own = None if own is None else own.clone()
    prior = Learnt(own)
    invprior.solve(y, prior=0.1 * prior, noise="gaussian:sigma=0.1", solver=solver, steps=3)
    assert prior.scale.requires_grad
    assert prior.scale.grad is own
    assert own is None or own.tolist() == [3.0, 3.0]


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_the_search_for_a_weight_leaves_no_gradient_in_a_prior(y, solver):
    prior = Learnt()
    found = invprior.solve(y, prior=prior, noise="gaussian:sigma=0.1", solver=solver, steps=3)
    assert found.weights is not None
    assert prior.scale.grad is None


def test_the_profile_of_a_run_leaves_no_gradient_in_a_prior():
    prior = Learnt()
    (problem,) = build(torch.rand(1, 1, 8, 8), prior=0.1 * prior, noise="gaussian:sigma=0.1")
    chosen = select_solver(problem, "adam")
    profile(chosen.objective, chosen.solver, problem.y)
    assert prior.scale.grad is None


def test_the_prox_of_tv_refuses_autograd():
    v = torch.rand((1, 1, 8, 8), requires_grad=True)
    with pytest.raises(IncompatibleError, match=r"prox of tv.*detach.*no_grad"):
        TV().prox(v, 0.1)
    assert not TV().prox(v.detach(), 0.1).requires_grad
    with torch.no_grad():
        assert torch.equal(TV().prox(v, 0.1), TV().prox(v.detach(), 0.1))
