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
from contextlib import suppress
from importlib import import_module
from typing import IO

from invprior.errors import PluginError
from invprior.matrix.execution import cell_process, worker

# Modules that cells import only when they are first used.
_LAZY = (
    "invprior.matrix.execution.measure",
    "skimage.io",
    "skimage.exposure",
    "skimage.data",
    "skimage.metrics",
    "scipy.ndimage",
    "scipy.fft",
    "imageio.v3",
    "torch._dynamo",
)
_READY, _FORK = b"r", b"f"


class ForkServer:
    """The run's handle on the process.

    Args:
        threads: of each cell. Libraries read it from the environment when they are imported.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self.control, theirs = socket.socketpair()
        names = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")
        limits = {f"{name}_NUM_THREADS": str(threads) for name in names}
        with theirs:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "invprior.matrix.execution.fork_server",
                    str(os.getpid()),
                    str(theirs.fileno()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self.errors,
                pass_fds=[theirs.fileno()],
                # The path of this process, which may differ from the environment's.
                env={**os.environ, **limits, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
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
        """End the process, and with it the workers."""
        self.process.kill()
        self.process.wait()
        self.control.close()
        self.errors.close()

    def _last_words(self) -> str:
        self.process.wait()
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {self.process.returncode}"


def main() -> None:
    """Import, then fork a worker for every socket that arrives, until the run closes the connection."""
    cell_process.die_with_parent(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Nobody waits for workers, whose end their sockets report; so the system discards them.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    control = socket.socket(fileno=int(sys.argv[2]))
    _import_all()
    control.sendall(_READY)
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not message:
            return
        own = os.getpid()
        if os.fork() == 0:
            code = 1
            try:
                control.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # a worker waits for its cells
                cell_process.die_with_parent(own)
                worker.serve(socket.socket(fileno=descriptors[0]))
                code = 0
            finally:
                os._exit(code)
        os.close(descriptors[0])


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
