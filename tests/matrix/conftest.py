"""A folder of tiny matrices, the process that computes their cells, and a package of hostile priors."""

import sys

import pytest

from invprior.cli import matrix_run
from invprior.matrix.execution.fork_server import ForkServer
from invprior.matrix.execution.pool import ProcessPool
from invprior.matrix.results.cells import Setting
from invprior.matrix.results.store import Store

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


class Raiser(Harmless):
    def act(self):
        raise KeyError("no such thing")
'''
ENTRIES = "[invprior.priors]\n" + "".join(
    f"{name} = hostile:{name.title()}\n"
    for name in ("harmless", "segfault", "eater", "sly", "endless", "quitter", "vanisher", "raiser")
)


@pytest.fixture(scope="session")
def hostile_folder(tmp_path_factory):
    """A folder with an installed package `hostile`, and one, `torn`, that cannot be imported."""
    folder = tmp_path_factory.mktemp("site")
    for name, entries, source in (
        ("hostile", ENTRIES, HOSTILE),
        ("torn", "[invprior.priors]\ntorn = torn:Torn\n", "import not_there_at_all\n"),
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

    monkeypatch.setattr(matrix_run, "ProcessPool", pool)
    monkeypatch.setattr("invprior.matrix.execution.reproduce.ProcessPool", pool)


@pytest.fixture
def made(tmp_path):
    """Make a store from the text of a configuration."""

    def call(text=SMALL, folder="results", **setting):
        return Store.make(
            tmp_path / folder, "small", text, Setting(**{"data": str(tmp_path), **setting})
        )

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
