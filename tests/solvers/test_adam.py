"""Adam: what the prior fills in, and the back-projected residual."""

import itertools

import pytest
import torch

import invprior
from invprior import build, iterate, samples, simulate
from invprior.builders.solver import select_solver
from invprior.fidelities.gaussian import Gaussian
from invprior.metrics.psnr import PSNR
from invprior.priors.none import NoPrior
from invprior.problem.functionals import Prior, Reparameterization
from invprior.problem.objective import Pixels
from invprior.solvers.adam import Adam
from invprior.stopping.holdout import Holdout
from invprior.stopping.max_steps import MaxSteps


class Free(Reparameterization):
    """x itself as the "network"."""

    default_solver = "adam:lr=0.05,average=0.5,langevin=1.5"

    def build(self, x0, generator):
        return Pixels(torch.full_like(x0, 0.5))


def blurred(prior, **options):
    truth = samples.load("camera", 32).x.double()
    noise, double = "gaussian:sigma=0.001", {"dtype": torch.float64}
    y, operator = simulate(truth, operator="blur:sigma=1.2", noise=noise, **double)
    (problem,) = build(y, operator=operator, prior=prior, noise=noise, **double, **options)
    return problem


def last(problem, solver, steps):
    *_, now = itertools.islice(iterate(problem, solver), steps)
    return now


def test_the_prior_fills_in_what_is_not_given():
    problem = blurred(Free())
    filled = Adam(lr=0.05, average=0.5, back_projection=True, langevin=1.5, rollback=True)
    assert select_solver(problem, "adam").solver == filled
    assert select_solver(problem, "auto").solver == filled
    given = Adam(lr=0.1, average=0.0, back_projection=False, langevin=0.0, rollback=False)
    assert select_solver(problem, given).solver == given
    pixels = blurred(NoPrior())
    plain = Adam(lr=0.01, average=0.0, back_projection=False, langevin=0.0, rollback=False)
    assert select_solver(pixels, "adam").solver == plain


@pytest.mark.parametrize(
    ("prior", "size", "sigma", "stop"),
    [
        ("dip:steps=7", 64, 0.1, Holdout(fraction=0.1, refit=0.4, limit=7) | MaxSteps(steps=7)),
        ("dip:steps=7,input=uniform", 64, 0.1, Holdout(refit=0.6, limit=7) | MaxSteps(steps=7)),
        (
            "dip:preset=fast,steps=7 + tv:weight=1",
            64,
            0.1,
            Holdout(refit=0.6, limit=7) | MaxSteps(steps=7),
        ),
        (
            "dip:net=unet,steps=7",
            64,
            0.1,
            Holdout(fraction=0.1, refit=0.4, limit=7) | MaxSteps(steps=7),
        ),
        ("dip:preset=fast,net=unet,steps=7", 64, 0.1, Holdout(limit=7) | MaxSteps(steps=7)),
        ("dip:preset=paper", 64, 0.1, MaxSteps(steps=3000)),
        ("dip:steps=7", 32, 0.1, MaxSteps(steps=7)),
        ("dip:steps=7", 64, 0.001, MaxSteps(steps=7)),
        (Free(), 64, 0.1, MaxSteps(steps=1000)),
    ],
)
def test_invpriors_own_networks_end_by_what_is_kept_out(prior, size, sigma, stop):
    noise = f"gaussian:sigma={sigma}"
    (problem,) = build(samples.load("camera", size).x, prior=prior, noise=noise)
    found = Adam().default_stop(problem)
    assert (type(found), vars(found)) == (type(stop), vars(stop))


@pytest.mark.parametrize(
    ("prior", "options"),
    [
        ("dip:preset=paper", {}),
        (Free(), {"fidelity": "poisson"}),
    ],
    ids=["the authors' setting", "not Gaussian"],
)
def test_back_projection_is_off_where_it_would_change_the_problem(prior, options):
    problem = blurred(prior, **options)
    assert select_solver(problem, "adam").solver.back_projection is False


def test_back_projection_stays_on_beside_another_term():
    problem = blurred(Free() + 0.1 * NoPrior())
    assert select_solver(problem, "adam").solver.back_projection is True


@pytest.mark.parametrize(
    "blur", ["blur", "blur:kernel=motion,length=9,angle=30"], ids=["closed form", "none"]
)
def test_back_projection_restores_far_sooner(blur):
    truth = samples.load("astronaut", 256).x[..., 24:56, 96:128]  # the face
    noise = "gaussian:sigma=0.01"
    y, operator = simulate(truth, operator=blur, noise=noise)
    # With the measurement as the input, the plain residual gets far, too.
    prior = "dip:net=skip(down=[16,32],up=[16,32],skip=4),members=1,input=uniform,lr=0.01"
    (problem,) = build(y, operator=operator, prior=prior, noise=noise, data_range=(0, 1))

    def psnr(solver):
        return float(PSNR().measure(last(problem, solver, 100).x, truth))

    assert psnr("adam") > psnr("adam:back_projection=false") + 1.0


def test_the_gradient_is_the_damped_inverse_of_the_residual():
    problem = blurred(Free())
    solver = Adam(back_projection=True)
    objective = solver.route(problem)
    state = solver.init(objective, problem.initial_estimate(), torch.Generator())
    x = state.variable().detach().clone()
    state = solver.step(objective, state)
    a = problem.operator
    back = state.variable.x.grad
    damping = 30 * 0.001**2
    expected = (1 + damping) * a.adjoint(a(x) - problem.y) / 0.001**2
    torch.testing.assert_close(a.normal(back) + damping * back, expected, rtol=1e-6, atol=1e-3)
    assert float(state.energy) == pytest.approx(float(problem.fidelity.value(a(x), problem.y)))


def test_for_the_identity_it_changes_nothing():
    y = torch.rand(1, 1, 6, 5, dtype=torch.float64)
    (problem,) = build(y, prior=Free(), fidelity=Gaussian(sigma=0.1), dtype=torch.float64)
    torch.testing.assert_close(
        last(problem, "adam", 20).x, last(problem, "adam:back_projection=false", 20).x
    )


def test_it_is_refused_where_it_has_no_meaning():
    problem = blurred(Prior(()), fidelity="poisson")
    with pytest.raises(
        invprior.IncompatibleError, match=r"back_projection of adam needs .* Gaussian"
    ):
        Adam(back_projection=True).route(problem)
