"""All that a cell has started ends with the cell, its worker or its run, also in a session of its own."""

import os
import time

import psutil
import pytest

from invprior.matrix.execution.cell_messages import CellMessages
from invprior.matrix.execution.pool import ProcessPool
from tests.matrix.conftest import SMALL

pytestmark = pytest.mark.usefixtures("hostile")


@pytest.mark.parametrize("who", ["worker", "run"])
def test_a_process_in_its_own_session_ends_with(who, made, server, tmp_path):
    store = made(SMALL.replace('"tv:weight=8"', '"hostile/hermit:weight=1"'))
    job = next(j for j in store.jobs() if "hermit" in j.cell.prior)
    file = tmp_path / "daemon.pid"
    with ProcessPool(1, 1, store.folder, server) as pool:
        events = pool.run([job], tick=0.05)
        while not file.exists() or not file.read_text():
            next(events)
        hermit = psutil.Process(int(file.read_text()))
        if who == "worker":
            psutil.Process(pool.workers[0].pid).kill()
            while (event := next(events)) is None or event.kind != "lost":
                pass
    assert gone(hermit)


def gone(process, seconds=20.0):
    until = time.monotonic() + seconds
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def test_messages_of_a_cell_are_its_own_and_the_rest_is_left_out():
    with CellMessages() as messages:
        writing = os.dup(messages._write)
        messages.reading()
        os.write(writing, b"3 0.5\nnan\n1 2 3\n{}\n4 inf\n\xff\xfe\nwrit")
        assert messages.read() == [(3, 0.5)]
        assert not messages.written
        os.write(writing, b"ten\n" + b"x" * 1000)
        os.close(writing)
        assert messages.read() == []
        assert messages.written
        assert messages.read() == []
        assert messages.open == []
