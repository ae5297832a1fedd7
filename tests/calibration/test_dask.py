from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from milopt.passes.analysis.collecting.calibrate import calibrate
from milopt.passes.analysis.collecting.shards import worker_count
from support.calibrating import layered, samples

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """A cluster of two processes."""
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as opened,
    ):
        yield opened


def test_a_cluster_gives_what_one_process_gives_though_a_worker_is_killed(client: Any) -> None:
    program, data = layered(), samples(80)
    executor, workers = client.get_executor(), client.run(os.getpid)
    killed: list[int] = []

    def kill(done: int) -> None:
        if not killed:
            killed.append(done)
            os.kill(next(iter(workers.values())), signal.SIGKILL)

    found = calibrate(program, iter(data), executor=executor, on_progress=kill)

    assert killed == [8]
    assert found == calibrate(program, data)


def test_workers_of_a_cluster_are_counted(client: Any) -> None:
    client.wait_for_workers(2)
    assert worker_count(client.get_executor(), None) == 2
