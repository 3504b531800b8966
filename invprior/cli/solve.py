"""`invprior solve`: restore an image."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape

from invprior.cli import streams
from invprior.cli.console import err, out, reporting
from invprior.cli.solve_options import PER_CALL, Options, taking_options
from invprior.errors import OptionError

if TYPE_CHECKING:
    from invprior.cli.pages import StackRun
    from invprior.cli.session import Session
    from invprior.cli.several import Several


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
    from invprior.cli import several
    from invprior.cli.file_list import expanded
    from invprior.cli.progress import notes_on_stderr

    with notes_on_stderr(options.quiet):
        if options.resume is not None:
            _only_resume(context)
            steps = (
                options.steps if _is_given(context, "steps") else None
            )  # not a default of the user's
            if several.find(options.resume) is not None:
                code = _several(options, several.Several.resume(options.resume, steps))
            else:
                code = _one(options, several.resumed(options.resume, steps))
        else:
            options = replace(options, images=expanded(options.images))
            command, count = sys.argv[1:], len(options.images)
            with streams.sending(options.output, json=options.as_json, count=count) as output:
                if piped := output != options.output:  # nothing can be resumed there
                    options = replace(options, output=output, checkpoint=False)
                if count > 1:
                    code = _several(options, several.Several.prepare(options, command))
                else:
                    code = _one(options, several.opened(options, command), piped=piped)
    raise typer.Exit(code)


def _one(options: Options, session: Session | StackRun, *, piped: bool = False) -> int:
    """Restore one file and say what came out; return the exit code.

    Args:
        options: of the command.
        session: the run.
        piped: whether the restoration alone goes to standard output, and what is said to standard error.
    """
    from invprior.cli.summary import explained
    from invprior.io import strict_json

    try:
        solution: Any = session.run(quiet=options.quiet or options.as_json)
        record = session.write(solution)
    except KeyboardInterrupt:  # before the first step, or again while the results are being written
        return _interrupted(session.kept)
    if options.as_json:
        print(strict_json.dumps(record, indent=2))
    elif piped and options.quiet:
        streams.send(record["files"]["restoration"])
    elif not options.quiet:
        said = err if piped else out
        paths = [path for path in record["files"].values() if path is not None]
        names = ", ".join(path.name for path in paths)
        said.print(session.table(record))
        if options.explain:
            said.print(explained(solution.choices), "")
        if piped:
            streams.send(record["files"]["restoration"])
        else:
            said.print(escape(f"Wrote {names} in {paths[0].parent}"), soft_wrap=True)
    if not solution.stop.ok:
        err.print(f"[yellow]{escape(solution.stop.message)}.[/]", soft_wrap=True)
    # An interrupted run has written its estimate, but a script must see that it did not finish.
    return {"interrupted": 130, "diverged": 2}.get(solution.stop.name, 0)


def _several(options: Options, run: Several) -> int:
    """Restore several files, say how each ended, and return the exit code."""
    from invprior.cli.run_facts import resume_command
    from invprior.io import strict_json

    silent = options.quiet or options.as_json
    outcomes, count = [], len(run.options.images)
    try:
        for outcome in run.run(quiet=silent):
            outcomes.append(outcome)
            if outcome.error is not None:
                err.print(f"[bold red]Error[/] {escape(outcome.text)}", soft_wrap=True)
            elif not silent:
                out.print(escape(outcome.text), soft_wrap=True)
    except KeyboardInterrupt:
        return _interrupted(run.kept)
    if options.as_json:
        print(strict_json.dumps([outcome.as_record() for outcome in outcomes], indent=2))
    bad = [outcome.image for outcome in outcomes if not outcome.ok]
    if not silent:
        text = f"Restored {len(outcomes) - len(bad)} of {count} images into {run.folder}"
        skipped = count - len(outcomes)
        out.print(escape(text + f"; {skipped} were done before" * (skipped > 0)), soft_wrap=True)
    if not bad:
        return 0
    left = run.kept
    again = "" if left is None else f" Restore what failed with: {resume_command(left)}"
    message = f"{len(bad)} of {count} images failed: {', '.join(bad)}.{again}"
    err.print(f"[bold red]Error[/] {escape(message)}", soft_wrap=True)
    return 2


def _interrupted(kept: Path | None) -> int:
    from invprior.cli.run_facts import resume_command

    text = "Interrupted; no file was left half-written."
    if kept is not None:
        text += f" Resume with: {resume_command(kept)}"
    err.print(escape(text), soft_wrap=True)
    return 130


def _is_given(context: typer.Context, name: str | None) -> bool:
    """Return whether a parameter stands on the command line; a default is no choice for this call."""
    source = None if name is None else context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _only_resume(context: typer.Context) -> None:
    """Refuse options that the run to be resumed already has.

    Raises:
        OptionError: there are some; names all of them.
    """
    allowed = {*PER_CALL, "steps"}
    given = [
        max(parameter.opts, key=len) if parameter.param_type_name == "option" else "an image"
        for parameter in context.command.params
        if parameter.name not in allowed and _is_given(context, parameter.name)
    ]
    if given:
        raise OptionError(
            f"--resume uses the options of the unfinished run; got {', '.join(given)} too. "
            "Only --steps (a higher limit), --explain, --json and --quiet may be given with it."
        )
