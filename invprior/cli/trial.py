"""Run code of others in a process of its own, which it may end, crash or block: `python -m invprior.cli.trial`."""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

from invprior.matrix.execution import process

_TIMEOUT = "Timeout ("  # how the report of `faulthandler.dump_traceback_later` begins


def outcomes(
    function: str, items: Sequence[Any], seconds: float | None = None
) -> Iterator[tuple[Any, str | None]]:
    """Call a function with each of the items in another process, and yield what comes of each.

    One process serves all items. Another one takes its place when an item ends it.

    Args:
        function: "module:name". What it takes and returns has types that JSON has.
        items: its arguments.
        seconds: the time limit of each; None for no limit.

    Yields:
        The result and None, or None and how the process ended, one sentence.
    """
    left = list(items)
    while left:
        results, fault = _run(function, left, seconds)
        for number in range(len(left)):
            if number not in results:
                yield None, fault
                left = left[number + 1 :]
                break
            yield results[number], None
        else:
            return


def _run(function: str, items: Sequence[Any], seconds: float | None) -> tuple[dict[int, Any], str]:
    """Return the results by number, up to the item that ended the process, and how it ended."""
    process.need_posix("A check of plugins in a process of their own")
    with tempfile.TemporaryFile() as results, tempfile.TemporaryFile() as output:
        command, environment = process.python(
            *("-m", "invprior.cli.trial"),
            *(str(os.getpid()), str(results.fileno()), str(seconds or 0), function),
        )
        with subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            pass_fds=[results.fileno()],
            start_new_session=True,
        ) as child:
            try:
                child.communicate(json.dumps(items).encode())
            finally:
                with suppress(OSError):  # what it has started too
                    os.killpg(child.pid, signal.SIGKILL)
        output.seek(0)
        text = output.read().decode(errors="replace")
        sys.stderr.write(text.partition(_TIMEOUT)[0])
        results.seek(0)
        found = dict(filter(None, map(_result, results.read().splitlines())))
    if _TIMEOUT in text:
        return found, f"it took longer than {seconds:g} s"
    return found, process.how_ended(child.returncode, text)


def _result(line: bytes) -> tuple[int, Any] | None:
    # A plugin may write into every file that it finds open.
    with suppress(ValueError, TypeError):
        number, result = json.loads(line)
        return (number, result) if isinstance(number, int) else None
    return None


def main() -> None:
    """Call the function with each item of the list on stdin, and write the results to a descriptor."""
    parent, results, seconds, function = sys.argv[1:]
    process.die_with_parent(int(parent))
    faulthandler.enable()
    module, _, name = function.partition(":")
    call = getattr(import_module(module), name)
    for number, item in enumerate(json.load(sys.stdin)):
        if float(seconds):
            faulthandler.dump_traceback_later(float(seconds), exit=True)
        result = call(item)
        faulthandler.cancel_dump_traceback_later()
        os.write(int(results), f"\n{json.dumps([number, result])}\n".encode())


if __name__ == "__main__":
    main()
