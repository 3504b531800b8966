"""How torch's threads wait for each other: spinning on cores of their own, asleep on cores that others use too.

A step of a solver is hundreds of short parallel loops, and at the end of each, threads wait for the last one. OpenMP
lets them spin for milliseconds, which is fastest as long as each has a core: asleep, a step of `dip` takes a fifth
longer. When another program holds one of the cores, the thread that is still to finish waits for that core while the
others spin on theirs, and a step takes up to fifty times as long. The number of threads cannot follow the load, because
the order of sums depends on it, and so do the last bits of a result. How threads wait changes no result.

GNU's OpenMP, which torch's packages for Linux come with, reads the time to spin from the environment before torch is
imported. It also spins a thousand times only, and sleeps then, as long as the process has more of its threads than
cores (GOMP_SPINCOUNT in the manual of GNU libgomp). This is a switch that works while a run
computes: a few idle threads more, and the waiting ones sleep.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from invprior.numerics import cores

FOLLOWING = "spinning, or asleep while other programs use their cores"
CHOSEN_BY_USER = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")  # in the environment
_FIRST, _PERIOD = 0.1, 0.5  # seconds before the first reading of the load, and between two
_SPARE = (
    0.25  # of a core that others may use before threads sleep; the readings' rounding stays below
)
_QUIET = 3  # readings in a row before threads spin again, so that short pauses of the others do not count


class Decision:
    """Whether threads should sleep, from one reading of the load to the next.

    Args:
        threads: that compute at the same time.
        cores: that they may use.
    """

    def __init__(self, threads: int, cores: int) -> None:
        self.threads, self.cores = threads, cores
        self.asleep, self.quiet = False, 0

    def take(self, others: float) -> bool:
        """Return whether to sleep, after a reading of the cores that others use."""
        shared = self.cores - others < self.threads - _SPARE
        self.quiet = 0 if shared else self.quiet + 1
        self.asleep = shared or (self.asleep and self.quiet < _QUIET)
        return self.asleep


class _Crowd:
    """Idle OpenMP threads, as many as make the others sleep while they wait.

    Args:
        parallel: libgomp's GOMP_parallel, which runs a function in that many threads.
        size: of the crowd.
    """

    def __init__(self, parallel: Callable[..., None], size: int) -> None:
        self.parallel, self.size = parallel, size
        self.end: threading.Event | None = None
        self.holder: threading.Thread | None = None

    def gather(self) -> None:
        """Start the threads, if they do not wait yet."""
        if self.holder is None:
            self.end = threading.Event()
            self.holder = threading.Thread(target=self._hold, args=(self.end,), daemon=True)
            self.holder.start()

    def _hold(self, end: threading.Event) -> None:
        # Freeing nothing is a C function that does nothing. The threads belong to this one, and end with it.
        nothing = ctypes.cast(ctypes.CDLL(None).free, ctypes.c_void_p)
        self.parallel(nothing, None, self.size, 0)
        end.wait()

    def dismiss(self) -> None:
        """End the threads, if there are any."""
        if self.holder is not None and self.end is not None:
            self.end.set()
            self.holder.join()
            self.holder = None


class _Watch:
    """A thread that reads the load and lets the others spin or sleep."""

    def __init__(self, parallel: Callable[..., None]) -> None:
        threads, available = torch.get_num_threads(), len(cores.affinity())
        self.decision = Decision(threads, available)
        self.crowd = _Crowd(parallel, max(available - threads, 0) + 2)
        self.load, self.over = cores.Load(), threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        period = _FIRST
        while not self.over.wait(period):
            period = _PERIOD
            if self.decision.take(self.load.others()):
                self.crowd.gather()
            else:
                self.crowd.dismiss()
        self.crowd.dismiss()

    def stop(self) -> None:
        self.over.set()
        self.thread.join()


_LOCK = threading.RLock()  # a generator that is collected in here may end a block
_users = 0
_watch: _Watch | None = None


@contextmanager
def suiting_the_load() -> Iterator[None]:
    """Let torch's threads sleep while they wait as long as others use the cores, and spin otherwise.

    Blocks may be nested and may run in several threads; together they start one watching thread. Nothing happens
    where `fixed_because` gives a reason.
    """
    global _users, _watch
    with _LOCK:
        _users += 1
        if _watch is None and not fixed_because() and (parallel := _parallel()) is not None:
            _watch = _Watch(parallel)
    try:
        yield
    finally:
        with _LOCK:
            _users -= 1
            if _users == 0 and _watch is not None:
                _watch.stop()
                _watch = None


def fixed_because() -> str:
    """Return why the way of waiting does not follow the load; "" if it does."""
    if torch.get_num_threads() == 1:
        return "one thread waits for no other"
    chosen = [name for name in CHOSEN_BY_USER if name in os.environ]
    if chosen:
        return f"{' and '.join(chosen)} set in the environment"
    if not Path("/proc/stat").is_file():
        return "this system does not report the load of its cores"
    if _parallel() is None:
        return "torch does not use GNU's OpenMP"
    return ""


def _parallel() -> Callable[..., None] | None:
    """Return GOMP_parallel of the OpenMP library that torch uses; None if that is not GNU's."""
    try:
        # A symbol is looked up in what this library depends on too, so the name of torch's copy is not needed.
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        function = library.GOMP_parallel
    except (OSError, AttributeError):
        return None
    if hasattr(
        library, "kmp_set_blocktime"
    ):  # Intel's and LLVM's library, which has GNU's functions too
        return None
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    function.restype = None
    threads: Callable[..., None] = function
    return threads
