"""A folder of tiny matrices, the process that computes their cells, and a package of hostile priors."""

import re
import sys

import pytest

from invprior.matrix.execution import session
from invprior.matrix.execution.fork_server import ForkServer
from invprior.matrix.execution.pool import ProcessPool
from invprior.matrix.results.cells import Setting
from tests.matrix.made import begun

SMALL = """
images = ["sample:camera:16"]
operators = ["denoise"]
noises = ["gaussian:sigma=0.05"]
priors = ["tikhonov:weight=30", "tv:weight=8"]
metrics = ["psnr"]
"""

HOSTILE = '''
import os, signal, sys, time
from invprior.problem.functionals import Penalty


class Harmless(Penalty):
    def value(self, x):
        self.act()
        return x.square().flatten(1).sum(1)

    def lipschitz(self):
        return 2.0

    def act(self):
        pass


class Segfault(Harmless):
    def act(self):
        os.kill(os.getpid(), signal.SIGSEGV)


class Eater(Harmless):
    def act(self):
        self.held = [bytearray(10 * 2**20) for _ in range(1000)]


class Sly(Harmless):
    """Maps its memory without Python's allocator, a little at a time."""

    def act(self):
        import mmap
        self.held = []
        while True:
            block = mmap.mmap(-1, 2**24)  # shared, which the limit on data does not see
            block.write(bytes(2**24))
            self.held.append(block)


class Endless(Harmless):
    def act(self):
        while True:
            time.sleep(0.01)


class Quitter(Harmless):
    def act(self):
        sys.exit("I quit")


class Vanisher(Harmless):
    def act(self):
        print("last words", flush=True)
        os._exit(7)


class Zero(Harmless):
    def act(self):
        os._exit(0)


class Babbler(Harmless):
    """Writes to every file that it finds open."""

    def act(self):
        for descriptor in range(3, 100):
            try:
                os.write(descriptor, b"no\\n{}\\nnan nan\\n1 x\\n[1]\\n")
            except OSError:
                pass


class Once(Harmless):
    begun = False

    def act(self):
        if not Once.begun:
            Once.begun = True
            self.start()


class Family(Once):
    """Starts children each of which stays within the limit."""

    def start(self):
        for _ in range(6):
            if os.fork() == 0:
                held = bytearray(40 * 2**20)
                for place in range(0, len(held), 4096):
                    held[place] = 1
                time.sleep(100)
        time.sleep(100)


class Daemon(Once):
    """Leaves a process in a session of its own, whose parent has ended."""

    def start(self):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                open("daemon.pid", "w").write(str(os.getpid()))
                time.sleep(100)
            os._exit(0)
        os.wait()
        while not (os.path.exists("daemon.pid") and open("daemon.pid").read()):
            time.sleep(0.01)


class Hermit(Daemon):
    def start(self):
        super().start()
        time.sleep(100)


class Raiser(Harmless):
    def act(self):
        raise KeyError("no such thing")
'''
ENTRIES = "[invprior.priors]\n" + "".join(
    f"{name.lower()} = hostile:{name}\n" for name in re.findall(r"^class (\w+)", HOSTILE, re.M)
)


@pytest.fixture(scope="session")
def hostile_folder(tmp_path_factory):
    """A folder with an installed package `hostile`, and two that cannot be used."""
    folder = tmp_path_factory.mktemp("site")
    for name, entries, source in (
        ("hostile", ENTRIES, HOSTILE),
        ("torn", "[invprior.priors]\ntorn = torn:Torn\n", "import not_there_at_all\n"),
        ("foreign", "[invprior.priors]\nsystem = os:system\nmain = __main__:x\n", ""),
    ):
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "entry_points.txt").write_text(entries)
        (folder / f"{name}.py").write_text(source)
    return folder


@pytest.fixture
def hostile(hostile_folder, monkeypatch):
    """Make the package visible to this test; only cells import its modules."""
    monkeypatch.syspath_prepend(hostile_folder)


@pytest.fixture(scope="session")
def server(hostile_folder):
    """One fork server for all tests; it sees the hostile package."""
    sys.path.insert(0, str(hostile_folder))
    try:
        made = ForkServer(1)
    finally:
        sys.path.remove(str(hostile_folder))
    yield made
    made.close()


@pytest.fixture
def warm(server, monkeypatch):
    """Let the commands take their workers from that server."""

    def pool(workers, threads, folder):
        return ProcessPool(workers, threads, folder, server)

    monkeypatch.setattr(session, "ProcessPool", pool)
    monkeypatch.setattr("invprior.matrix.execution.reproduce.ProcessPool", pool)


@pytest.fixture
def made(tmp_path):
    """Make a store from the text of a configuration."""

    def call(text=SMALL, folder="results", **setting):
        return begun(tmp_path / folder, text, Setting(**{"data": str(tmp_path), **setting}))

    return call


@pytest.fixture
def computed(server):
    """Compute all cells of a store; return the records by key."""

    def call(store, jobs=None):
        with ProcessPool(1, 1, store.folder, server) as pool:
            for _ in pool.run(store.jobs() if jobs is None else jobs):
                pass
        return store.records()

    return call
