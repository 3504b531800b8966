"""The options of `invprior solve`, listed once: the command's parameters and what a run folder keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import wraps
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import typer

from invprior.cli.completion import plugins

# They belong to one call of the command, not to the run: a resumed run takes them from the new call.
PER_CALL = ("resume", "explain", "as_json", "quiet")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the user has given to the command, defaults filled in."""

    images: Annotated[
        list[str],
        typer.Argument(
            help="The measurement, a file, or - for standard input. Each page of a stack is restored, and each of "
            "several files or of those that a quoted pattern such as 'c*.tif' matches. A sample, sample:NAME or "
            "sample:NAME:SIZE, is degraded first and then restored."
        ),
    ] = field(default_factory=lambda: ["sample:astronaut:160"])
    operator: Annotated[
        str,
        typer.Option(
            help="Forward operator A, e.g. blur:sigma=2.", autocompletion=plugins("operators")
        ),
    ] = "denoise"
    prior: Annotated[
        str,
        typer.Option(
            help='Prior R, e.g. tv:weight=8 or "dip+tv:weight=1".', autocompletion=plugins("priors")
        ),
    ] = "dip"
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File of the restoration, or an existing folder; of several files, their folder; - for the "
            "restoration alone on standard output. Default: a new folder.",
        ),
    ] = None
    simulate: Annotated[
        bool,
        typer.Option(
            "--simulate", help="Treat the file as the true image and simulate its measurement."
        ),
    ] = False
    truth: Annotated[
        Path | None,
        typer.Option(help="File of the true image. It is used only to score the result."),
    ] = None
    noise: Annotated[
        str | None,
        typer.Option(
            help="Noise to simulate, or to assume in the measurement, e.g. gaussian:sigma=0.05. "
            "What is left open, as in poisson, is estimated from the measurement; auto, the "
            "default, estimates everything.",
            autocompletion=plugins("noises"),
        ),
    ] = None
    fidelity: Annotated[
        str | None,
        typer.Option(
            help="Data fidelity E, e.g. huber. Default: the one that fits the noise.",
            autocompletion=plugins("fidelities"),
        ),
    ] = None
    solver: Annotated[
        str,
        typer.Option(
            help="Solver; auto selects one that fits the problem.",
            autocompletion=plugins("solvers"),
        ),
    ] = "auto"
    weight: Annotated[
        str,
        typer.Option(
            help="Rule that chooses the weight of a prior given without one: auto, sure, filled, gcv, "
            "holdout, discrepancy, l-curve, or default for the prior's own weight.",
            autocompletion=plugins("weights"),
        ),
    ] = "auto"
    weight_curve: Annotated[
        bool, typer.Option("--weight-curve", help="Plot the weights that were tried, as PNG.")
    ] = False
    stop: Annotated[
        str | None,
        typer.Option(
            help='Stopping rule, e.g. "discrepancy | max-steps:steps=500".',
            autocompletion=plugins("stopping"),
        ),
    ] = None
    steps: Annotated[int | None, typer.Option(help="Maximum number of iterations.")] = None
    seed: Annotated[int, typer.Option(help="Seed of every random number.")] = 0
    runs: Annotated[
        int,
        typer.Option(
            min=1,
            help="Independent runs of a prior that draws random numbers. The result is their mean.",
        ),
    ] = 1
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto"
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Threads to compute with; their number changes the last bits of a result. Default: as many as this "
            "process may use.",
        ),
    ] = None
    dtype: Annotated[Literal["float32", "float64"], typer.Option(help="Precision.")] = "float32"
    nan: Annotated[
        Literal["refuse", "mask"],
        typer.Option(
            help="NaN in the measurement: leave these values out of the fit, or refuse them."
        ),
    ] = "mask"
    missing: Annotated[
        str | None,
        typer.Option(
            metavar="VALUE",
            help="Value in the file that marks missing pixels, e.g. -9999, or alpha for transparent ones. NaN and the "
            "file's own nodata value mark them too.",
        ),
    ] = None
    data_range: Annotated[
        tuple[float, float] | None,
        typer.Option(
            "--range",
            metavar="LOW HIGH",
            help="Intensities of black and white in the image, e.g. 0 4095. Default: estimated, or those of an "
            "8-bit or 16-bit photograph.",
        ),
    ] = None
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Resume an unfinished run from the folder it left. Only --steps, --explain, --json "
            "and --quiet may be given with it.",
        ),
    ] = None
    checkpoint: Annotated[
        bool,
        typer.Option("--checkpoint/--no-checkpoint", help="Save the state to disk during the run."),
    ] = True
    checkpoint_every: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="Time between two checkpoints.")
    ] = 5.0
    memory_limit: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Memory that the run may use beyond Python's own, such as 4GB. A run that needs more uses lower "
            "precision, recomputes layers or works in tiles. Default: refuse a run that needs more than is free.",
        ),
    ] = None
    movie: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Film the run, as an animated .gif or .webp, from the measurement to the result.",
        ),
    ] = None
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Print the noise, weight, solver, step size and stopping rule that were chosen "
            "automatically, and why.",
        ),
    ] = False
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON on stdout.")] = (
        False
    )
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False

    @property
    def image(self) -> str:
        """The only image, or the first of several."""
        return self.images[0]

    @property
    def simulated(self) -> bool:
        """Whether the image is the true image, which is measured first."""
        from invprior.io import samples  # imports torch, which `--help` must not

        return self.simulate or self.image.startswith(samples.PREFIX)

    def kept(self) -> dict[str, Any]:
        """Return what a run needs in order to go on, as JSON can hold it."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in PER_CALL}
        return {k: str(v) if isinstance(v, Path) else v for k, v in values.items()}

    @staticmethod
    def restored(kept: Mapping[str, Any]) -> Options:
        """Return the options that `kept` described.

        Raises:
            TypeError: an option is unknown.
            ValueError: an option has another type.
        """
        from pydantic import TypeAdapter, ValidationError

        values = {}
        for name, hint in get_type_hints(Options).items():
            if name in kept:
                try:
                    values[name] = TypeAdapter(hint).validate_python(kept[name])
                except ValidationError:
                    raise ValueError(f"its option {name} is {kept[name]!r}") from None
        return Options(**{**kept, **values})


def taking_options(body: Callable[[typer.Context, Options], None]) -> Callable[..., None]:
    """Turn a function of `Options` into a command with one parameter for each field.

    Typer reads a command's parameters from its signature, so the signature is made from the fields.
    """

    @wraps(body)
    def command(context: typer.Context, **values: Any) -> None:
        body(context, Options(**values))

    hints = get_type_hints(Options, include_extras=True)
    given = Options()
    parameters = {f.name: (hints[f.name], getattr(given, f.name)) for f in fields(Options)}
    command.__annotations__ = {
        "context": typer.Context,
        **{k: v for k, (v, _) in parameters.items()},
    }
    keyword = Parameter.KEYWORD_ONLY
    command.__signature__ = Signature(  # type: ignore[attr-defined]
        [
            Parameter("context", keyword, annotation=typer.Context),
            *(
                Parameter(name, keyword, annotation=hint, default=default)
                for name, (hint, default) in parameters.items()
            ),
        ]
    )
    return command
