"""`invprior solve`: restore an image."""

from __future__ import annotations

import sys

import typer
from rich.markup import escape

from invprior.cli.console import err, out, reporting
from invprior.cli.solve_options import PER_CALL, Options, taking_options
from invprior.errors import OptionError


@reporting
@taking_options
def solve(context: typer.Context, options: Options) -> None:
    """Restore an image: minimise E(A x; y) + R(x) over x, or over a network that generates x.

    Without an image, a sample is degraded by the operator and restored:

        invprior solve --operator blur --prior dip

    Operators, priors and the other parts are written name:key=value,key=value;
    "invprior describe KIND NAME" shows the options of each.
    """
    # Imported here because they import torch, which `--help` must not wait for.
    from invprior.cli.progress import notes_on_stderr
    from invprior.cli.run_folder import resume_command
    from invprior.cli.session import Session
    from invprior.cli.summary import explained
    from invprior.io import strict_json

    with notes_on_stderr(options.quiet):
        if options.resume is not None:
            _only_resume(context)
            session = Session.resume(options.resume, options.steps)
        else:
            session = Session.prepare(options, command=sys.argv[1:])
        try:
            solution = session.run(quiet=options.quiet or options.as_json)
            record = session.write(solution)
        except (
            KeyboardInterrupt
        ):  # before the first step, or again while the results are being written
            if not session.folder.begun:
                raise
            resume = resume_command(session.folder.path)
            text = f"Interrupted; no file was left half-written. Resume with: {resume}"
            err.print(escape(text), soft_wrap=True)
            raise typer.Exit(130) from None
    if options.as_json:
        print(strict_json.dumps(record, indent=2))
    elif not options.quiet:
        paths = [path for path in record["files"].values() if path is not None]
        names = ", ".join(path.name for path in paths)
        out.print(session.table(record))
        if options.explain:
            out.print(explained(solution.choices), "")
        out.print(escape(f"Wrote {names} in {paths[0].parent}"), soft_wrap=True)
    if not solution.stop.ok:
        err.print(f"[yellow]{escape(solution.stop.message)}.[/]", soft_wrap=True)
    # An interrupted run has written its estimate, but a script must see that it did not finish.
    raise typer.Exit({"interrupted": 130, "diverged": 2}.get(solution.stop.name, 0))


def _only_resume(context: typer.Context) -> None:
    """Refuse options that the run to be resumed already has.

    Raises:
        OptionError: there are some; names all of them.
    """
    allowed = {*PER_CALL, "steps"}
    given = [
        max(parameter.opts, key=len) if parameter.param_type_name == "option" else "an image"
        for parameter in context.command.params
        if parameter.name not in allowed
        and parameter.name is not None
        and (source := context.get_parameter_source(parameter.name)) is not None
        and source.name == "COMMANDLINE"  # a default is no choice of the user's
    ]
    if given:
        raise OptionError(
            f"--resume uses the options of the unfinished run; got {', '.join(given)} too. "
            "Only --steps (a higher limit), --explain, --json and --quiet may be given with it."
        )
