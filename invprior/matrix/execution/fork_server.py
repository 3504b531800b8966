"""A warm process that has everything imported and forks workers: `python -m invprior.matrix.execution.fork_server`.

A worker then starts in hundredths of a second, also in the place of one that was killed, and all share the memory of
what is imported.
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
    """The run's end of it.

    Args:
        threads: of each cell; libraries are told when they are imported.
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
                env={**os.environ, **limits, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                start_new_session=True,  # Ctrl-C is the run's alone
            )
        self.ready = False

    def worker(self) -> socket.socket:
        """Fork a worker; the socket to talk to it by.

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
        """Whether it still runs."""
        return self.process.poll() is None

    def close(self) -> None:
        """End it, and with it the workers."""
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
    """Import, then fork a worker for every socket that comes, until the run hangs up."""
    cell_process.die_with_parent(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for workers: their sockets tell
    control = socket.socket(fileno=int(sys.argv[2]))
    _warm()
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
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                cell_process.die_with_parent(own)
                worker.serve(socket.socket(fileno=descriptors[0]))
                code = 0
            finally:
                os._exit(code)
        os.close(descriptors[0])


def _warm() -> None:
    """Import what cells use, once for all children; torch's optimisers and the codecs import more when first used."""
    from PIL import Image

    from invprior import registry
    from invprior.matrix.results import versions

    for name in _LAZY:
        with suppress(ImportError):
            import_module(name)
    Image.init()
    for entry in registry.entries():
        if entry.package == registry.CORE:
            registry.load(entry)
    versions.versions()
    gc.collect()
    gc.freeze()  # so that no child's collector goes through all that, and copies its pages


if __name__ == "__main__":
    main()
