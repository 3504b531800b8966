"""The plot of a weight rule's criterion over the weights that were tried."""

from __future__ import annotations

from pathlib import Path

from invprior.errors import OptionError
from invprior.experiments import plots
from invprior.problem.problem import Problem
from invprior.problem.weight_choice import WeightChoice
from invprior.tuning.search import is_tuned
from invprior.weights.base import WeightRule


def check_curve(problem: Problem, rule: WeightRule) -> None:
    """Refuse a plot for a run that tries no weight.

    Raises:
        OptionError: every weight is given, or the rule keeps the defaults.
    """
    if not is_tuned(problem, rule):
        raise OptionError(
            "--weight-curve needs a prior whose weight is chosen automatically; here every weight is given or at its "
            "default. Leave out --weight-curve, or leave out the weight."
        )


def weight_curve(path: Path, choice: WeightChoice, *, overwrite: bool) -> None:
    """Plot the rule's criterion over the weight, mark the chosen weight, and write a PNG.

    Args:
        path: the file.
        choice: the weights that were tried and the chosen one.
        overwrite: whether an existing file may be replaced.

    Raises:
        MeasurementError: the file cannot be written.
    """
    from matplotlib.figure import Figure  # slow to import, and only this option needs it

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(*zip(*choice.curve, strict=True), "o-", color=plots.BLUE)
    name, weight = choice.terms[0]
    axes.axvline(weight, color=plots.VERMILION, linestyle="--", label=f"chosen, {weight:.4g}")
    axes.set_xscale("log")
    scaled = " (the others in proportion)" if len(choice.terms) > 1 else ""
    axes.set_xlabel(f"weight of {name}{scaled}")
    axes.set_ylabel(choice.criterion)
    axes.set_title(choice.rule, fontsize="medium")
    axes.legend(frameon=False)
    plots.save(figure, path, overwrite=overwrite)
