"""Checks of solvers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from invprior.checkpoint.decode import restore
from invprior.checkpoint.encode import Unpackable, pack
from invprior.errors import IncompatibleError
from invprior.problem.problem import Objective, Problem
from invprior.solvers.base import Solver, State
from invprior.stopping.base import StoppingRule
from invprior.testing import toy_problems
from invprior.testing.method_calls import seeded
from invprior.testing.report import Check, Fault, Skip, checks_for
from invprior.testing.tensor_methods import global_state_watched

_NEAR = 1e-3  # root mean square over pixels
_MOST = 2000  # steps


class _Begun:
    """A solver that has begun one of the small problems."""

    def __init__(self, solver: Solver, problem: Problem) -> None:
        self.solver, _ = solver.choose(problem)
        self.objective: Objective = self.solver.route(problem)
        self.problem = problem
        self.half = (
            3 if problem.reparameterization is None else 2
        )  # a step of a network may take many of its own

    def init(self) -> State:
        """Begin at black, with seed 0."""
        return self.solver.init(self.objective, torch.zeros_like(self.problem.y), seeded())

    def steps(self, state: State, count: int) -> State:
        """Do so many steps."""
        for _ in range(count):
            state = self.solver.step(self.objective, state)
        return state


def _begun(solver: Solver) -> list[_Begun]:
    """The solver on a problem in pixels and on one of a network, as far as it takes them.

    Raises:
        Skip: it takes none.
    """
    found = []
    for priors in ((toy_problems.Both,), (toy_problems.Sketch,)):
        try:
            found.append(_Begun(solver, toy_problems.small_problem(*(p() for p in priors))))
        except IncompatibleError as error:
            reason = str(error)
    if not found:
        raise Skip(f"it takes none of the small problems: {reason}")
    return found


def minimum(solver: Solver) -> str:
    """It reaches the known minimiser of a quadratic."""
    reasons = []
    for prior in (toy_problems.Both, toy_problems.Smooth, toy_problems.Prox, toy_problems.Value):
        problem = toy_problems.small_problem(prior())
        try:
            begun = _Begun(solver, problem)
        except IncompatibleError as error:
            reasons.append(str(error))
            continue
        goal, state, apart = toy_problems.minimiser(problem), begun.init(), 1.0
        for step in range(1, _MOST + 1):
            before, state = state.x, begun.steps(state, 1)
            apart = float((state.x - goal).square().mean().sqrt())
            if apart <= _NEAR:
                return f"within {_NEAR:g} of the minimiser after {step} steps"
            if step > 20 and float((state.x - before).abs().max()) < 1e-12:
                break  # it has settled
        raise Fault(
            f"it stops short of the minimiser by {apart:.0e} (root mean square over pixels), after {step} steps"
        )
    raise Skip(f"it takes no quadratic in pixels: {reasons[-1]}")


def deterministic(solver: Solver) -> None:
    """The same seed gives the same bits, and global random state is left alone."""
    for begun in _begun(solver):
        with global_state_watched("a run"):
            first, second = (begun.steps(begun.init(), 2 * begun.half).x for _ in range(2))
        if not torch.equal(first, second):
            raise Fault("two runs with the same seed differ")


def state_is_all(solver: Solver) -> None:
    """All that a run remembers is in its state: k steps and k more are 2k, with another run in between."""
    for begun in _begun(solver):
        k = begun.half
        whole = begun.steps(begun.init(), 2 * k).x
        half = begun.steps(begun.init(), k)
        begun.steps(begun.init(), k + 1)
        if not torch.equal(begun.steps(half, k).x, whole):
            raise Fault(
                f"{k} steps and {k} more, with another run in between, are not {2 * k} steps: "
                "something is kept outside the state"
            )


def checkpoint(solver: Solver) -> None:
    """A checkpoint can keep the state: k steps, packed and put back, and k more are 2k steps."""
    for begun in _begun(solver):
        k = begun.half
        whole = begun.steps(begun.init(), 2 * k).x
        try:
            tensors, tree = pack(begun.steps(begun.init(), k))
        except Unpackable as error:
            raise Fault(
                f"a checkpoint cannot keep the state's {error.place.lstrip('.')}, a {error.kind}"
            ) from None
        if not torch.equal(begun.steps(restore(tensors, tree, begun.init()), k).x, whole):
            raise Fault(
                f"{k} steps, a checkpoint and {k} more are not {2 * k} steps: the state does not hold everything"
            )


def inputs_untouched(solver: Solver) -> None:
    """The measurement, the first guess and the estimates of earlier steps are not changed in place."""
    for begun in _begun(solver):
        y, x0 = begun.problem.y, torch.full_like(begun.problem.y, 0.4)
        given = [y.clone(), x0.clone()]
        state = begun.solver.init(begun.objective, x0, seeded())
        earlier: list[tuple[Tensor, Tensor]] = []
        for _ in range(begun.half):
            state = begun.steps(state, 1)
            earlier.append((state.x, state.x.clone()))
        if not (torch.equal(y, given[0]) and torch.equal(x0, given[1])):
            raise Fault("it changes the measurement or the first guess in place")
        if not all(torch.equal(x, copy) for x, copy in earlier):
            raise Fault("a step changes the estimate of the last one in place")


def image(solver: Solver) -> None:
    """Each state's x is one image of the operator's shape, dtype and device, without a graph."""
    for begun in _begun(solver):
        x, y = begun.steps(begun.init(), 2).x, begun.problem.y
        expected = (1, *begun.problem.operator.image_shape)
        if tuple(x.shape) != expected or x.dtype != y.dtype or x.device != y.device:
            raise Fault(
                f"x is {tuple(x.shape)}, {x.dtype}, {x.device}; should be {expected}, {y.dtype}, {y.device}"
            )
        if x.requires_grad:
            raise Fault("x holds the graph of the step, and with it memory; detach it")


def refusal(solver: Solver) -> None:
    """What it cannot use is refused by `route`, before any step; what it accepts it uses."""
    for what, make in _DEMANDS.items():
        problem = make()
        try:
            begun = _Begun(solver, problem)
        except IncompatibleError:
            continue
        except Exception as error:
            raise Fault(
                f"{what} ends in {type(error).__name__}, should be an IncompatibleError of route"
            ) from error
        try:
            state = begun.steps(begun.init(), 2)
        except Exception as error:
            raise Fault(
                f"route accepts {what}, and a step ends in {type(error).__name__}: {error}"
            ) from error
        ignored = [
            p
            for p in (problem.fidelity, *(t.functional for t in problem.prior.terms))
            if _ignored(p)
        ]
        if ignored:
            raise Fault(
                f"route accepts {what}, and no step uses it: the result would ignore it without a word"
            )
        if not bool(state.x.isfinite().all()):
            raise Fault(f"route accepts {what}, and the second step is not finite")


def _ignored(part: object) -> bool:
    return isinstance(part, toy_problems.Counted) and part.asked == 0


_DEMANDS: dict[str, Callable[[], Problem]] = {
    "a prior with only a value, of unbounded curvature,": lambda: toy_problems.small_problem(toy_problems.Value()),
    "a prior with only a prox": lambda: toy_problems.small_problem(toy_problems.Prox()),
    "a prior with a value and a prox": lambda: toy_problems.small_problem(toy_problems.Both()),
    "the second of two priors": lambda: toy_problems.small_problem(toy_problems.Prox(), toy_problems.Prox()),
    "a prior that sets x = f(z)": lambda: toy_problems.small_problem(toy_problems.Sketch()),
    "a prior beside one that sets x = f(z)": lambda: toy_problems.small_problem(toy_problems.Sketch(), toy_problems.Both()),
    "an operator that is not linear": lambda: toy_problems.small_problem(
        toy_problems.Both(), operator=toy_problems.Squaring(toy_problems.SHAPE)
    ),
    "a fidelity without a prox or a bounded curvature": lambda: toy_problems.small_problem(
        toy_problems.Both(), fidelity=toy_problems.Rough()
    ),
}  # fmt: skip


def stops(solver: Solver) -> None:
    """`default_stop` returns a stopping rule, so that a run without one ends."""
    for begun in _begun(solver):
        rule = begun.solver.default_stop(begun.problem)
        if not isinstance(rule, StoppingRule):
            raise Fault(f"default_stop returns a {type(rule).__name__}, should be a stopping rule")


def solver_checks() -> tuple[Check, ...]:
    """Of every solver."""
    own = (
        image,
        minimum,
        deterministic,
        state_is_all,
        checkpoint,
        inputs_untouched,
        refusal,
        stops,
    )
    return checks_for(Solver, *own)
