"""The plot of the weights that were tried."""

from __future__ import annotations

from pathlib import Path

from invprior.errors import OptionError
from invprior.experiments import plots
from invprior.problem.problem import Problem
from invprior.problem.weight_choice import WeightChoice
from invprior.tuning.search import is_tuned
from invprior.weights.base import WeightRule


def check_curve(problem: Problem, rule: WeightRule) -> None:
    """Refuse a plot where no weight will be tried.

    Raises:
        OptionError: every weight is given, or none can be chosen here.
    """
    if not is_tuned(problem, rule):
        raise OptionError(
            "--weight-curve must go with a prior whose weight is chosen; here every weight is given or kept at its "
            "default. Leave it out, or leave out the weight."
        )


def weight_curve(path: Path, choice: WeightChoice, *, overwrite: bool) -> None:
    """Draw the rule's figure over the weight, the chosen one marked, and write a PNG.

    Args:
        path: the file.
        choice: what was tried.
        overwrite: whether the file may exist.

    Raises:
        MeasurementError: it cannot be written.
    """
    from matplotlib.figure import Figure

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
