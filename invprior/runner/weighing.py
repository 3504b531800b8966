"""The choice of open weights at the start of a run, whose trials are kept in the run's checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from invprior import registry
from invprior.builders.problem import weight_rule_from
from invprior.builders.solver import Selection
from invprior.checkpoint.checkpoint import Checkpoint
from invprior.checkpoint.compatibility import compare, identity
from invprior.checkpoint.state import put_back
from invprior.errors import MeasurementError
from invprior.memory.plan import MemoryPlan
from invprior.problem.problem import Problem
from invprior.problem.solution import Interrupted
from invprior.provenance import provenance
from invprior.runner.options import RunOptions
from invprior.tuning.search import WEIGHING_SIDE, choose_weights


def weighted_problem(selection: Selection, plan: MemoryPlan, options: RunOptions) -> Problem:
    """Return the plan's problem with every weight filled in.

    Raises:
        InvpriorError: the rule or the solver does not fit.
        Interrupted: Ctrl-C was pressed; the trials so far are kept in the checkpoint.
    """
    store = options.checkpoint
    # Half a tile: some weight rules solve several views of the problem at once, within the same limit.
    side = WEIGHING_SIDE if plan.tile is None else min(WEIGHING_SIDE, plan.tile // 2)
    # A resumed run must keep the weights that it began with, so they come from its checkpoint.
    before = None if store is None else store.peek()
    trials = None if store is None else _Trials(store, selection, plan.problem, options, side)
    try:
        return choose_weights(
            plan.problem,
            rule=options.weight,
            solver=selection,
            x0=options.x0,
            seed=options.seed,
            side=side,
            before=None if before is None else before.get("weights"),
            trials=trials,
        )
    except KeyboardInterrupt:  # no estimate exists yet
        if trials is not None:
            trials.save()
        raise Interrupted(None) from None


class _Trials:
    """The trials of a search, in a file beside the run's checkpoint; see `tuning.sweep.Trials`."""

    def __init__(
        self,
        store: Checkpoint,
        selection: Selection,
        problem: Problem,
        options: RunOptions,
        side: int,
    ) -> None:
        self.store, self.selection, self.problem = store.of_weights(), selection, problem
        self.options, self.side = options, side
        self.state: Mapping[str, Any] | None = None

    @cached_property  # only a search needs it
    def about(self) -> dict[str, Any]:
        """What the search is recognised by."""
        problem, solver, options = self.problem, self.selection.solver, self.options
        stop = options.rule(solver, problem)
        record = provenance(problem, solver, self.selection.why, stop, options.seed)
        rule = str(registry.describe(weight_rule_from(options.weight)))
        return {
            **identity(record, problem, solver, options.x0),
            "weight_rule": f"{rule} on {self.side} pixels",
        }

    def load(self) -> Any:
        kept = self.store.load()
        if kept is None:
            return None
        compare(kept.about, self.about, self.store.folder)
        device, where = self.problem.y.device, self.store.folder
        return put_back(kept.tensors, kept.tree, None, device, where)

    def keep(self, state: Mapping[str, Any]) -> None:
        self.state = state
        if self.store.is_due():
            self.save()

    def save(self) -> None:
        """Write the trials that are done; a full disk becomes a warning and does not end the search."""
        if self.state is None:
            return
        try:
            self.store.save(self.state, self.about)
        except MeasurementError as error:
            logging.getLogger("invprior").warning("no checkpoint: %s", str(error).rstrip("."))
            self.store.delay()
