"""A process that has everything imported and forks workers: `python -m invprior.matrix.execution.fork_server`.

A worker then starts in hundredths of a second, also when it replaces one that was killed, and all share the memory of
the imports.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from importlib import import_module
from typing import IO

import psutil

from invprior.errors import PluginError
from invprior.matrix.execution import process, worker

# Modules that cells import only when they are first used.
_LAZY = (
    "invprior.matrix.execution.measure",
    "skimage.io",
    "skimage.exposure",
    "skimage.data",
    "skimage.metrics",
    "scipy.ndimage",
    "scipy.fft",
    "torch._dynamo",
)
_READY, _FORK = b"r", b"f"
_PATIENCE = 10.0  # seconds that the process may take to end by itself


class ForkServer:
    """The run's handle on the process.

    Args:
        threads: of each cell. Libraries read it from the environment when they are imported.
    """

    def __init__(self, threads: int) -> None:
        process.need_posix("A run of the matrix")
        self.threads = threads
        self.errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self.control, theirs = socket.socketpair()
        names = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")
        limits = {f"{name}_NUM_THREADS": str(threads) for name in names}
        module = "invprior.matrix.execution.fork_server"
        command, environment = process.python("-m", module, str(theirs.fileno()))
        with theirs:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self.errors,
                pass_fds=[theirs.fileno()],
                env=environment | limits,
                start_new_session=True,  # Ctrl-C reaches the run alone
            )
        self.ready = False

    def worker(self) -> socket.socket:
        """Fork a worker; return the socket that leads to it.

        Raises:
            PluginError: the process cannot start, or has died.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                if not self.ready and self.control.recv(1) != _READY:
                    raise OSError
                self.ready = True
                socket.send_fds(self.control, [_FORK], [theirs.fileno()])
            except OSError:
                ours.close()
                raise PluginError(
                    f"The process that computes cells has ended: {self._last_words()}"
                ) from None
        return ours

    @property
    def alive(self) -> bool:
        """Whether the process is running."""
        return self.process.poll() is None

    def close(self) -> None:
        """End the process, and with it the workers and all that they have started."""
        self.control.close()  # as when the run is killed
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_PATIENCE)
        self.process.kill()
        self.process.wait()
        self.errors.close()

    def _last_words(self) -> str:
        self.process.wait()
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {self.process.returncode}"


def main() -> None:
    """Import, then fork a worker for every socket that arrives, until the run closes the connection or is killed."""
    # It adopts what a killed worker leaves behind, also processes in sessions of their own.
    process.adopt_orphans()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=int(sys.argv[1]))
    _import_all()
    workers: set[int] = set()
    with suppress(OSError):  # the run has ended
        control.sendall(_READY)
        while True:
            message, descriptors, _, _ = socket.recv_fds(control, 1, 1)
            if not message:
                break
            _end_strays(workers)
            workers.add(_fork(control, descriptors[0]))
            os.close(descriptors[0])
    _wait_for(workers)
    worker.end_all()


def _fork(control: socket.socket, descriptor: int) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            control.close()
            worker.serve(socket.socket(fileno=descriptor))
            code = 0
        finally:
            os._exit(code)
    return pid


def _wait_for(workers: set[int]) -> None:
    """Wait for the workers, which end their cells and themselves when the run closes their sockets."""
    until = time.monotonic() + _PATIENCE / 2
    while workers and time.monotonic() < until:
        _end_strays(workers)
        time.sleep(0.005)


def _end_strays(workers: set[int]) -> None:
    """Forget workers that have ended, and kill what they have left behind."""
    with suppress(ChildProcessError):
        while pid := os.waitpid(-1, os.WNOHANG)[0]:
            workers.discard(pid)
    for stray in psutil.Process().children():
        if stray.pid not in workers:
            with suppress(psutil.NoSuchProcess):
                process.kill_all([stray, *stray.children(recursive=True)])


def _import_all() -> None:
    """Import what cells use, once for all workers; torch's optimisers and the codecs import more on first use."""
    from PIL import Image

    from invprior import registry
    from invprior.matrix.results.versions import versions

    for name in _LAZY:
        with suppress(ImportError):
            import_module(name)
    Image.init()
    for entry in registry.entries():
        if entry.package == registry.CORE:  # code of other packages runs in cells alone
            registry.load(entry)
    versions()
    gc.collect()
    # The garbage collector of a forked process would write to every object, and so copy its page.
    gc.freeze()


if __name__ == "__main__":
    main()
