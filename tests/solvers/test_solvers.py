"""Every solver against a known minimiser, against the others, and against what it must refuse."""

import itertools
from dataclasses import replace

import pytest
import torch

import invprior
from invprior import Penalty, Proximable, registry, samples
from invprior.builders.solver import select_solver
from invprior.fidelities.base import Fidelity
from invprior.fidelities.gaussian import Gaussian
from invprior.fidelities.poisson import Poisson
from invprior.metrics.psnr import PSNR
from invprior.numerics.linalg import negative_laplacian
from invprior.operators.base import LinearOperator, Operator
from invprior.operators.blur import Blur
from invprior.operators.kernels import KERNELS
from invprior.priors.tikhonov import Tikhonov
from invprior.priors.tv import TV
from invprior.problem.functionals import as_prior
from invprior.problem.problem import Problem
from invprior.runner.api import iterate, solve_problem
from invprior.solvers.admm import ADMM
from invprior.solvers.fista import FISTA
from invprior.solvers.hqs import HQS
from invprior.stopping.max_steps import MaxSteps
from invprior.testing import parametrize_checks
from invprior.tuning.sweep import scaled

SHAPE = (2, 4, 3)
CONVERGENT = [
    "adam:lr=0.02",
    "lbfgs",
    "fista",
    "fista:momentum=false",
    "admm",
    "admm:balance=false,rho=60",
    "pdhg",
]


class Ridge(Penalty, Proximable):
    """1/2 ||x||^2."""

    def value(self, x):
        return 0.5 * x.square().flatten(1).sum(1)

    def prox(self, v, tau):
        return v / (1 + tau)

    def lipschitz(self):
        return 1.0


class Sparse(Penalty, Proximable):
    """||x||_1."""

    def value(self, x):
        return x.abs().flatten(1).sum(1)

    def prox(self, v, tau):
        return v.sign() * (v.abs() - tau).clamp_min(0)


class Threshold(Proximable):
    """A prox without a value."""

    def prox(self, v, tau):
        return v.sign() * (v.abs() - tau).clamp_min(0)


class Denoising(Threshold):
    """A denoiser in a prox's place."""

    convex = False


class Rough(Penalty):
    """A value without a Lipschitz constant of its gradient, and no prox."""

    def value(self, x):
        return (x - 0.3).abs().flatten(1).sum(1)


class Mixing(LinearOperator):
    """A well-conditioned dense matrix."""

    def __init__(self, image_shape=SHAPE):
        super().__init__(image_shape)
        n = torch.Size(image_shape).numel()
        generator = torch.Generator().manual_seed(1)
        matrix = torch.eye(n) + 0.4 * torch.randn(n, n, generator=generator) / n**0.5
        self.register_buffer("matrix", matrix.double())

    def forward(self, x):
        return (x.flatten(1) @ self.matrix.T).view(-1, *self.image_shape)


class Vandermonde(Mixing):
    """An ill-conditioned dense matrix."""

    def __init__(self):
        super().__init__()
        points = torch.linspace(0, 1, len(self.matrix), dtype=torch.float64)
        self.matrix = points[:, None] ** torch.arange(len(points))


class Squaring(Operator):
    """A non-linear operator."""

    def forward(self, x):
        return x.square()


def problem(*priors, operator=None, fidelity=None):
    operator = operator or Mixing()
    generator = torch.Generator().manual_seed(2)
    truth = torch.rand(1, *operator.image_shape, generator=generator, dtype=torch.float64)
    y = operator(truth) + 0.05 * torch.randn(truth.shape, generator=generator, dtype=torch.float64)
    prior = invprior.Prior(tuple(t for p in priors for t in as_prior(p).terms))
    return Problem(operator=operator, y=y, prior=prior, fidelity=fidelity or Gaussian(sigma=0.2))


def run(which, solver, steps=3000):
    for now in itertools.islice(iterate(which, solver), steps):
        if float(now.change) < 1e-10:
            break
    return now.x


@pytest.mark.parametrize("solver", CONVERGENT)
def test_reaches_the_closed_form_of_ridge_regression(solver):
    case = problem(7.0 * Ridge())
    a, precision = case.operator.matrix, 1 / 0.2**2
    n = len(a)
    expected = torch.linalg.solve(
        precision * a.T @ a + 7.0 * torch.eye(n).double(), precision * a.T @ case.y.flatten()
    )
    steps = 1500 if solver.startswith("adam") else 800
    torch.testing.assert_close(run(case, solver, steps).flatten(), expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize("solver", [s for s in CONVERGENT if s[:4] in ("fist", "admm", "pdhg")])
@pytest.mark.parametrize(
    "priors", [(4.0 * Sparse(),), (4.0 * Sparse(), 3.0 * Ridge())], ids=["l1", "elastic"]
)
def test_meets_the_optimality_conditions_of_l1(solver, priors):
    case = problem(*priors)
    x = run(case, solver, 2000)
    ridge = 3.0 if len(priors) == 2 else 0.0
    slope = case.operator.adjoint(case.operator(x) - case.y) / 0.2**2 + ridge * x
    small = x.abs() < 1e-4
    assert small.any()
    assert (~small).any()
    torch.testing.assert_close(slope[~small], -4.0 * x[~small].sign(), atol=1e-2, rtol=0)
    assert slope[small].abs().max() <= 4.0 + 1e-2


@pytest.mark.parametrize("solver", ["admm", "pdhg"])
@pytest.mark.parametrize(
    "priors", [(2.0 * Sparse(), 1.0 * Threshold(), 3.0 * Ridge())], ids=["three terms"]
)
def test_any_number_of_terms(solver, priors):
    merged = problem(3.0 * Sparse(), 3.0 * Ridge())
    torch.testing.assert_close(
        run(problem(*priors), solver), run(merged, "fista"), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("solver", ["admm", "pdhg:ratio=0.1"])
def test_fidelities_other_than_least_squares(solver):
    case = problem(4.0 * Ridge(), fidelity=Poisson(peak=40.0))
    torch.testing.assert_close(run(case, solver, 4000), run(case, "lbfgs", 300), atol=1e-4, rtol=0)


def test_admm_needs_far_fewer_steps_with_balancing():
    case = problem(0.5 * Ridge())
    goal = run(case, "lbfgs", 300)
    bad_rho = 1e4

    def steps_until(solver):
        for now in iterate(case, solver):
            if float((now.x - goal).abs().max()) < 1e-3 or now.step == 2000:
                return now.step
        raise AssertionError

    assert steps_until(ADMM(rho=bad_rho)) * 4 < steps_until(ADMM(rho=bad_rho, balance=False))


def test_hqs_follows_its_schedule_to_the_noise_level():
    strengths = []

    class Spy(Proximable):
        def prox(self, v, tau):
            strengths.append(tau**0.5)
            return v

    class Doubled(LinearOperator):
        def forward(self, x):
            return 2 * x

    # The noise of 0.2 is one of 0.1 in the image.
    case = problem(0.3 * Spy(), operator=Doubled(SHAPE))
    solution = solve_problem(case, HQS(steps=4, start=0.8))
    assert solution.steps == 4
    assert strengths == pytest.approx([0.8, 0.4, 0.2, 0.1], rel=1e-3)


@parametrize_checks(*(registry.create("solvers", s) for s in CONVERGENT if ":" in s))
def test_conformance_with_options(check):
    check()


def test_fista_refuses_a_step_that_cannot_converge_unless_forced():
    case = problem(7.0 * Ridge())
    limit = 1 / FISTA().route(case).lipschitz()
    FISTA(step_size=0.99 * limit).route(case)
    FISTA(step_size=1.9 * limit, momentum=False).route(case)
    with pytest.raises(
        invprior.IncompatibleError, match=r"step_size of fista must be at most .*force=true"
    ):
        FISTA(step_size=1.1 * limit).route(case)
    with pytest.raises(invprior.IncompatibleError, match="step_size"):
        FISTA(step_size=2.1 * limit, momentum=False).route(case)
    FISTA(step_size=9 * limit, force=True).route(case)


class Absolute(Fidelity):
    """A fidelity without a prox or a Lipschitz constant of its gradient."""

    def value(self, prediction, y):
        return (prediction - y).abs().flatten(1).sum(1)


REFUSALS = [
    ("fista", (2.0 * Sparse(), 2.0 * Sparse()), {}, "one term through its prox.*Use .*admm"),
    ("fista", (Rough(),), {}, "neither.*Use adam or lbfgs"),
    ("adam", (Threshold(),), {}, "only a prox.*Use .*fista"),
    ("lbfgs", (Threshold(),), {}, "only a prox"),
    ("admm", (Rough(),), {}, "admm needs a prox, and rough"),
    ("pdhg", (Rough(),), {}, "neither"),
    ("fista", (Ridge(),), {"fidelity": Poisson()}, "Lipschitz constant, and poisson has none"),
    ("admm", (Ridge(),), {"fidelity": Absolute()}, "fidelity with a prox"),
    ("pdhg", (Ridge(),), {"fidelity": Absolute()}, "fidelity with a prox"),
    ("hqs", (Ridge(),), {"fidelity": Poisson()}, "Gaussian"),
    ("fista", (Ridge(),), {"operator": Squaring(SHAPE)}, "linear operator"),
    ("admm", (Ridge(),), {"operator": Squaring(SHAPE)}, "linear operator"),
]


@pytest.mark.parametrize(("solver", "priors", "parts", "message"), REFUSALS)
def test_refuses_before_any_step_and_names_the_remedy(solver, priors, parts, message):
    with pytest.raises(invprior.IncompatibleError, match=f"(?s){message}"):
        solve_problem(problem(*priors, **parts), solver, stop=MaxSteps(steps=1))


AUTO = [
    ((Ridge(),), {}, "FISTA"),
    ((Sparse(),), {}, "FISTA"),
    ((Sparse(),), {"fidelity": Gaussian(sigma=1e-3)}, "PDHG"),  # ill-conditioned
    ((Sparse(), Threshold()), {}, "PDHG"),
    ((Sparse(),), {"operator": Blur((1, 8, 8))}, "ADMM"),
    ((Sparse(), Denoising()), {}, "HQS"),
    ((Rough(),), {}, "LBFGS"),
    ((Rough(), Sparse()), {}, "LBFGS"),
    ((Ridge(),), {"fidelity": Poisson()}, "ADMM"),
    ((Denoising(),), {"fidelity": Poisson()}, "ADMM"),
    ((Ridge(),), {"operator": Squaring(SHAPE)}, "Adam"),
    ((Ridge(),), {"fidelity": Absolute()}, "LBFGS"),
]


@pytest.mark.parametrize(("priors", "parts", "expected"), AUTO)
def test_auto_picks_a_solver_that_fits_and_says_why(priors, parts, expected):
    case = problem(*priors, **parts)
    selection = select_solver(case, "auto")
    assert type(selection.solver).__name__ == expected
    assert selection.why
    assert selection.on(case) is selection


def test_auto_says_why_nothing_fits():
    with pytest.raises(invprior.IncompatibleError, match=r"(?s)No solver fits.*adam: .*lbfgs: "):
        select_solver(problem(Threshold(), operator=Squaring(SHAPE)), "auto")


@pytest.mark.parametrize("solver", ["adam", "lbfgs", "admm:inner=3", "hqs:inner=3"])
@pytest.mark.parametrize("operator", ["denoise", "blur"])
def test_every_solver_that_offers_itself_for_a_network_fits_it(solver, operator):
    y = torch.rand(1, 1, 20, 20, generator=torch.Generator().manual_seed(0))
    prior = "dip:net=skip(down=[4],up=[4]),input_noise=0"
    (case,) = invprior.build(y, operator=operator, prior=prior, noise="gaussian:sigma=0.1")
    energies = [float(now.energy) for now in itertools.islice(iterate(case, solver), 12)]
    assert energies[-1] < energies[0]


def test_admm_of_a_network_alone_is_adam():
    """Without another term there is nothing to split: each iteration is `inner` plain steps of Adam."""
    y = torch.rand(1, 1, 20, 20, generator=torch.Generator().manual_seed(0))
    prior = "dip:net=skip(down=[4],up=[4]),input_noise=0,precision=full"
    (case,) = invprior.build(y, prior=prior, noise="gaussian:sigma=0.1")
    plain = run(case, "adam:average=0,back_projection=false", 6)
    torch.testing.assert_close(run(case, "admm:inner=3", 2), plain)


@pytest.mark.parametrize(
    ("solver", "psnr"), [("fista", 26.26), ("admm", 26.25), ("pdhg", 26.25), ("hqs", 25.34)]
)
def test_the_units_of_the_measurement_do_not_matter(solver, psnr):
    """A kernel, y and sigma times 1000 gave a constant image after 3 steps, at 11.09 dB."""
    truth = samples.load("camera", 32).x
    kernel = KERNELS["gaussian"][0](sigma=1.5)
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))

    def solved(gain):
        blur = Blur((1, 32, 32), kernel=gain * kernel)
        y = blur(truth) + 0.01 * gain * noise
        return solve_problem(
            Problem(blur, y, as_prior(8 * TV()), Gaussian(sigma=0.01 * gain)), solver
        )

    plain, gained = solved(1.0), solved(1000.0)
    assert PSNR().measure(plain.x, truth) == pytest.approx(psnr, abs=0.1)
    assert float((gained.x - plain.x).square().mean().sqrt()) < 1e-3
    assert gained.steps == pytest.approx(plain.steps, rel=0.3)


@pytest.mark.parametrize("solver", ["admm", "pdhg"])
def test_a_flat_image_that_holds_still_is_not_the_end(solver):
    """The first prox keeps the flat image while the multipliers grow, so its change is 0 after one step."""
    truth = samples.load("camera", 16).x
    (case,) = invprior.build(truth, prior="tv:weight=0.1", noise="poisson:peak=5")
    found = solve_problem(case, solver, x0=truth.mean().expand_as(truth))
    assert found.steps > 5
    assert PSNR().measure(found.x, truth) > 30


@pytest.mark.parametrize(
    ("solver", "operator", "noise"),
    [
        ("pdhg", "radon:angles=24", "gaussian:sigma=0.05"),
        ("admm", "blur:sigma=1.5", "poisson:peak=40"),
    ],
)
def test_a_search_goes_on_near_the_minimum_at_another_weight(solver, operator, noise):
    """With the data's multiplier of the old weight pdhg climbed for thirty steps, and the search took those values."""
    truth = samples.load("camera", 16).x
    y, operator = invprior.simulate(truth, operator=operator, noise=noise)
    (case,) = invprior.build(y, operator=operator, prior="tv", noise=noise)
    case, generator = case.standardised, torch.Generator().manual_seed(0)
    made = select_solver(case, solver).solver
    before, after = (
        made.route(replace(case, prior=scaled(case.prior, [0], factor))) for factor in (1.0, 0.7)
    )
    state = made.init(before, case.initial_estimate(), generator)
    for _ in range(80):
        state = made.step(before, state)
    state = made.continued(after, made.kept(state), 0.7, generator)
    start, energies = float(after.energy(state.x)), []
    for _ in range(12):
        state = made.step(after, state)
        energies.append(float(after.energy(state.x)))
    assert max(energies) < 1.02 * start
    assert energies[-1] < start


@pytest.mark.parametrize("solver", ["admm", "pdhg"])
def test_several_terms_and_other_fidelities_in_other_units(solver):
    class Gained(Mixing):
        def forward(self, x):
            return 1e3 * super().forward(x)

    for fidelity, other in ((Gaussian(sigma=0.2), Gaussian(sigma=200.0)),):
        case = problem(2.0 * Sparse(), 3.0 * Ridge(), fidelity=fidelity)
        gained = replace(case, operator=Gained(), y=1e3 * case.y, fidelity=other)
        torch.testing.assert_close(
            run(gained, solver, 500), run(case, solver, 500), atol=1e-6, rtol=0
        )


def test_admm_solves_its_systems_at_low_noise():
    """Conjugate gradients that stop relative to ||A^H y|| made its energy 60,000 times too large."""
    kernel = torch.eye(7, dtype=torch.float64) / 7
    kernel[0, 6] = 0.2
    blur, truth = Blur((1, 20, 20), kernel=kernel, boundary="valid"), samples.load("camera", 20).x
    y = blur(truth.double())
    y = y + 1e-4 * torch.randn(y.shape, generator=torch.Generator().manual_seed(0)).double()
    case = Problem(blur, y, as_prior(6000 * Tikhonov()), Gaussian(sigma=1e-4))
    basis = torch.eye(truth.numel(), dtype=torch.float64).view(-1, 1, 20, 20)
    a, laplacian = blur(basis).flatten(1), negative_laplacian(basis).flatten(1)
    exact = torch.linalg.solve(1e8 * a @ a.T + 6000 * laplacian, 1e8 * a @ y.flatten())
    exact = exact.view(truth.shape)
    found = solve_problem(case, "admm")
    objective = ADMM().route(case)
    assert float(objective.energy(found.x)) < 1.01 * float(objective.energy(exact))
    expected = float(PSNR().measure(exact, truth))
    assert PSNR().measure(found.x, truth) == pytest.approx(expected, abs=0.2)
    assert found.stop.ok
    assert found.notes == ()


class Tomography(LinearOperator):
    """Parallel beams at 8 angles, by linear interpolation, which count how often they are applied."""

    def __init__(self, side):
        angles, rays = 8, int(1.5 * side)
        super().__init__((1, side, side), (1, angles, rays))
        at, turn = torch.arange(side) - (side - 1) / 2, torch.arange(angles) * torch.pi / angles
        along, across = turn.cos()[:, None, None] * at, turn.sin()[:, None, None] * at[:, None]
        place = (along + across + rays / 2).flatten(1)[:, None] - torch.arange(rays)[:, None]
        self.matrix, self.count = (1 - place.abs()).clamp_min(0).flatten(0, 1), 0

    def forward(self, x):
        self.count += 1
        return (x.flatten(1) @ self.matrix.T).view(-1, *self.measurement_shape)

    def adjoint(self, y):
        return (y.flatten(1) @ self.matrix).view(-1, *self.image_shape)


def test_admm_applies_an_operator_without_closed_form_seldom():
    """Systems solved to 1 % in up to 200 conjugate gradients each took 1,604 applications."""
    beams, truth = Tomography(20), samples.load("camera", 20).x
    y = beams(truth)
    y = y + 0.05 * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    case = Problem(beams, y, as_prior(20 * TV()), Gaussian(sigma=0.05))
    beams.count = 0
    found = solve_problem(case, "admm")
    assert found.stop.ok
    assert beams.count < 1100
    energy, least = (ADMM().route(case).energy(s.x) for s in (found, solve_problem(case, "fista")))
    assert float(energy) < 1.001 * float(least)


def test_admm_deblurs_in_single_precision_at_low_noise():
    """Rounding errors over the damping: it ended at 3 dB."""
    truth = samples.load("camera", 32).x
    blur = Blur((1, 32, 32), kernel="motion")
    y = blur(truth) + 3e-5 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    found = solve_problem(Problem(blur, y, as_prior(10 * TV()), Gaussian(sigma=3e-5)), "admm")
    assert found.stop.ok
    assert found.steps < 80
    assert PSNR().measure(found.x, truth) == pytest.approx(56.35, abs=0.2)


def test_linear_systems_that_stay_unsolved_are_told(monkeypatch):
    monkeypatch.setattr("invprior.solvers.admm._CG_STEPS", 1)
    case = problem(0.1 * Ridge(), operator=Vandermonde(), fidelity=Gaussian(sigma=1e-3))
    found = solve_problem(case, "admm:rho=0.001", stop=MaxSteps(steps=60))
    assert any("too few for the linear systems of admm" in note for note in found.notes)
