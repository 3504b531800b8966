"""A scheduler or a worker process that is lost ends in one message, never in a hang."""

import os
import signal

import pytest

from invprior.errors import MeasurementError, PluginError
from invprior.matrix.execution import cluster, cluster_cell, pool
from invprior.matrix.results import record

distributed = pytest.importorskip("distributed")


@pytest.fixture
def scheduler():
    """A scheduler in this process, without workers."""
    with distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=None) as made:
        yield made


def test_a_lost_scheduler_ends_in_one_message(made, scheduler, monkeypatch):
    monkeypatch.setattr(cluster, "_CONNECT", 0.2)
    store = made()
    events = cluster.run(
        store.jobs(), store.folder, address=scheduler.scheduler_address, workers=1, tick=0.05
    )
    assert next(events) is None
    scheduler.close()
    with pytest.raises(MeasurementError, match=r"Cannot reach the Dask scheduler.*are kept"):
        for _ in events:
            pass


def test_a_scheduler_without_workers_is_not_waited_for_without_end(made, scheduler, monkeypatch):
    monkeypatch.setattr(cluster, "_CONNECT", 0.2)
    monkeypatch.setattr(cluster, "_IDLE", 0.1)
    store = made()
    address = scheduler.scheduler_address
    with pytest.raises(MeasurementError, match=rf"no workers for 0\.1 s.*dask worker {address}"):
        for _ in cluster.run(store.jobs(), store.folder, address=address, workers=1, tick=0.05):
            pass


class Dead:
    """A fork server that ends as soon as it is started."""

    alive = True

    def __init__(self, threads=1):
        self.closed = False

    def worker(self):
        raise PluginError("The process that computes cells has ended: killed")

    def close(self):
        pass


@pytest.fixture
def local(monkeypatch):
    """Worker processes of this test alone."""
    monkeypatch.setattr(cluster_cell, "_LOCAL", type("Local", (), {})())
    yield cluster_cell._LOCAL
    cluster_cell._LOCAL.pool.close()


def test_a_worker_process_that_cannot_start_is_tried_again_and_never_waited_for(
    made, server, monkeypatch, local
):
    store = made()
    (job, _) = store.jobs()
    deaths = iter([Dead] * (pool.TRIES + 1))
    monkeypatch.setattr(server, "close", lambda: None)  # other tests use it too
    monkeypatch.setattr(pool, "ForkServer", lambda threads: next(deaths, lambda: server)())
    text, images = cluster_cell.cell(job.to_json())
    assert record.Record.from_json(text).status == "ok"
    assert len(images) == 3

    local.pool.close()
    monkeypatch.setattr(pool, "ForkServer", Dead)
    for _ in range(2):  # the second must not find a broken pool
        with pytest.raises(PluginError, match="has ended: killed"):
            cluster_cell.cell(job.to_json())


def test_a_worker_that_hangs_is_replaced(made, server, monkeypatch):
    monkeypatch.setattr(pool, "_GRACE", -1e6)
    store = made()
    with pool.ProcessPool(1, 1, store.folder, server) as crew:
        while not crew.workers[0].pid:
            crew._events(0)
        os.kill(crew.workers[0].pid, signal.SIGSTOP)
        kinds = []
        for event in crew.run(store.jobs()[:1], tick=0.05):
            kinds.append(event and event.kind)
            if "lost" in kinds:
                monkeypatch.setattr(pool, "_GRACE", 60.0)
    assert kinds.count("lost") == 1
    assert kinds[-1] == "done"


def test_a_record_with_another_image_than_it_names_is_not_taken(made, computed, tmp_path):
    store = made()
    job = store.jobs()[0]
    good = computed(store, [job])[job.key]
    images = {n: (store.folder / p / n).read_bytes() for p, n in good.places.values()}
    other = tmp_path / "other"
    for part in (record.RECORDS, record.IMAGES):
        (other / part).mkdir(parents=True)
    images[good.image] += b"x"
    future = type(
        "Future", (), {"status": "finished", "result": lambda self: (good.to_json(), images)}
    )
    told = cluster._store(future(), job, other)
    assert told["status"] == "crashed"
    assert "another record or image" in told["reason"]
    assert not (other / record.RECORDS / good.image).exists()
