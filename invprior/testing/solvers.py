"""Checks of solvers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from invprior.builders.solver import select_solver
from invprior.checkpoint.decode import restore
from invprior.errors import IncompatibleError
from invprior.problem.problem import Problem
from invprior.solvers.base import Solver, State
from invprior.stopping.base import StoppingRule
from invprior.testing import toy_problems
from invprior.testing.checkpoints import pack_or_fault
from invprior.testing.global_state import global_state_unused
from invprior.testing.report import Check, Fault, Skip, checks_for
from invprior.testing.sample_tensors import seeded
from invprior.testing.toy_problems import (
    AbsoluteError,
    CountsCalls,
    ProxOnly,
    SigmoidPixels,
    SmoothValue,
    Squaring,
    ValueAndProx,
    ValueOnly,
    small_problem,
)

_NEAR = 1e-3  # root mean square over pixels
_MOST = 2000  # steps


class _Setup:
    """A solver with one of the small problems."""

    def __init__(self, solver: Solver, problem: Problem) -> None:
        selection = select_solver(problem, solver)
        self.solver, self.objective = selection.solver, selection.objective
        self.problem = problem
        # Steps of half a run. Fewer for a network: one step may hold many of an inner optimiser.
        self.half = 3 if problem.reparameterization is None else 2

    def init(self) -> State:
        """Start at a black image, with seed 0."""
        return self.solver.init(self.objective, torch.zeros_like(self.problem.y), seeded())

    def steps(self, state: State, count: int) -> State:
        """Do `count` steps from a state."""
        for _ in range(count):
            state = self.solver.step(self.objective, state)
        return state

    def run(self) -> Tensor:
        """Return x after a whole run of 2 half steps."""
        return self.steps(self.init(), 2 * self.half).x


def _setups(solver: Solver) -> list[_Setup]:
    """Return the solver with a problem in pixels and with one of a network, as far as it accepts them.

    Raises:
        Skip: it accepts neither.
    """
    found = []
    for prior in (ValueAndProx, SigmoidPixels):
        try:
            found.append(_Setup(solver, small_problem(prior())))
        except IncompatibleError as error:
            reason = str(error)
    if not found:
        raise Skip(f"it accepts none of the small problems: {reason}")
    return found


def minimum(solver: Solver) -> str:
    """It reaches the known minimiser of a quadratic."""
    reasons = []
    # The same prior in four forms, as a solver may accept one of them alone.
    for prior in (ValueAndProx, SmoothValue, ProxOnly, ValueOnly):
        problem = small_problem(prior())
        try:
            setup = _Setup(solver, problem)
        except IncompatibleError as error:
            reasons.append(str(error))
            continue
        goal, state, apart = toy_problems.minimiser(problem), setup.init(), 1.0
        for step in range(1, _MOST + 1):
            before, state = state.x, setup.steps(state, 1)
            apart = float((state.x - goal).square().mean().sqrt())
            if apart <= _NEAR:
                return f"within {_NEAR:g} of the minimiser after {step} steps"
            if step > 20 and float((state.x - before).abs().max()) < 1e-12:
                break  # it has converged
        raise Fault(
            f"it stops short of the minimiser by {apart:.0e} (root mean square over pixels), after {step} steps"
        )
    raise Skip(f"it accepts no quadratic in pixels: {reasons[-1]}")


def deterministic(solver: Solver) -> None:
    """The same seed gives the same bits, and global random state is left alone."""
    for setup in _setups(solver):
        with global_state_unused("a run"):
            first, second = setup.run(), setup.run()
        if not torch.equal(first, second):
            raise Fault("two runs with the same seed differ")


def state_is_all(solver: Solver) -> None:
    """A run remembers everything in its state: k steps and k more are 2k, with another run in between."""
    for setup in _setups(solver):
        k, whole = setup.half, setup.run()
        half = setup.steps(setup.init(), k)
        setup.steps(setup.init(), k + 1)  # another run, which would disturb what is kept elsewhere
        if not torch.equal(setup.steps(half, k).x, whole):
            raise Fault(
                f"{k} steps and {k} more, with another run in between, differ from {2 * k} steps: "
                "something is kept outside the state"
            )


def checkpoint(solver: Solver) -> None:
    """A checkpoint can store the state: k steps, packed and restored, and k more are 2k steps."""
    for setup in _setups(solver):
        k, whole = setup.half, setup.run()
        tensors, tree = pack_or_fault(setup.steps(setup.init(), k), "the state's")
        if not torch.equal(setup.steps(restore(tensors, tree, setup.init()), k).x, whole):
            raise Fault(
                f"{k} steps, a checkpoint and {k} more differ from {2 * k} steps: "
                "the state does not hold everything"
            )


def inputs_untouched(solver: Solver) -> None:
    """The measurement, the initial estimate and earlier estimates are not changed in place."""
    for setup in _setups(solver):
        y, x0 = setup.problem.y, torch.full_like(setup.problem.y, 0.4)
        given = [y.clone(), x0.clone()]
        state = setup.solver.init(setup.objective, x0, seeded())
        earlier: list[tuple[Tensor, Tensor]] = []
        for _ in range(setup.half):
            state = setup.steps(state, 1)
            earlier.append((state.x, state.x.clone()))
        if not (torch.equal(y, given[0]) and torch.equal(x0, given[1])):
            raise Fault("it changes the measurement or the initial estimate in place")
        if not all(torch.equal(x, copy) for x, copy in earlier):
            raise Fault("a step changes the estimate of an earlier step in place")


def image(solver: Solver) -> None:
    """Each state's x is one image of the operator's shape, dtype and device, without a graph."""
    for setup in _setups(solver):
        x, y = setup.steps(setup.init(), 2).x, setup.problem.y
        expected = (1, *setup.problem.operator.image_shape)
        if tuple(x.shape) != expected or x.dtype != y.dtype or x.device != y.device:
            raise Fault(
                f"x is {tuple(x.shape)}, {x.dtype}, {x.device}; should be {expected}, {y.dtype}, {y.device}"
            )
        if x.requires_grad:
            raise Fault("x holds the graph of the step, and with it memory; detach it")


def refusal(solver: Solver) -> None:
    """`route` refuses what the solver cannot use, before any step; what it accepts is used."""
    for what, make in _DEMANDS.items():
        problem = make()
        try:
            setup = _Setup(solver, problem)
        except IncompatibleError:
            continue
        except Exception as error:
            raise Fault(
                f"{what} raises {type(error).__name__}, should be an IncompatibleError of route"
            ) from error
        try:
            state = setup.steps(setup.init(), 2)
        except Exception as error:
            raise Fault(
                f"route accepts {what}, but a step raises {type(error).__name__}: {error}"
            ) from error
        functionals = (problem.fidelity, *(t.functional for t in problem.prior.terms))
        if any(isinstance(f, CountsCalls) and f.calls == 0 for f in functionals):
            raise Fault(
                f"route accepts {what}, but no step uses it: the result would ignore it silently"
            )
        if not bool(state.x.isfinite().all()):
            raise Fault(f"route accepts {what}, but the second step is not finite")


_DEMANDS: dict[str, Callable[[], Problem]] = {
    "a prior with only a value and no Lipschitz constant": lambda: small_problem(ValueOnly()),
    "a prior with only a prox": lambda: small_problem(ProxOnly()),
    "a prior with a value and a prox": lambda: small_problem(ValueAndProx()),
    "the second of two priors": lambda: small_problem(ProxOnly(), ProxOnly()),
    "a prior that sets x = f(z)": lambda: small_problem(SigmoidPixels()),
    "a prior beside one that sets x = f(z)": lambda: small_problem(SigmoidPixels(), ValueAndProx()),
    "a non-linear operator": lambda: small_problem(
        ValueAndProx(), operator=Squaring(toy_problems.SHAPE)
    ),
    "a fidelity with neither a prox nor a Lipschitz constant": lambda: small_problem(
        ValueAndProx(), fidelity=AbsoluteError()
    ),
}  # fmt: skip


def stops(solver: Solver) -> None:
    """`default_stop` returns a stopping rule, so that a run without one ends."""
    for setup in _setups(solver):
        rule = setup.solver.default_stop(setup.problem)
        if not isinstance(rule, StoppingRule):
            raise Fault(f"default_stop returns a {type(rule).__name__}, should be a stopping rule")


def solver_checks() -> tuple[Check, ...]:
    """Return the checks of every solver."""
    own = (
        image, minimum, deterministic, state_is_all, checkpoint, inputs_untouched, refusal, stops
    )  # fmt: skip
    return checks_for(Solver, *own)
