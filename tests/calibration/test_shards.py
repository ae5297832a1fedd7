from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import milopt
import numpy as np
import pytest
from milopt.ir.errors import MiloptError, RunError
from milopt.passes.analysis.collecting.calibrate import calibrate
from milopt.passes.analysis.collecting.interruption import CalibrationInterrupted
from milopt.passes.analysis.collecting.shards import threads_each, worker_count, worker_pool
from milopt.runtime.session import Session
from support.calibrating import layered, samples
from support.packages import package_of

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    with worker_pool(2) as workers:
        yield workers


@pytest.mark.parametrize("observer", ["min-max", "mse"])
def test_processes_give_what_one_gives(observer: str, pool: ProcessPoolExecutor) -> None:
    program, data = layered(), samples(45)
    assert calibrate(program, iter(data), observer=observer, executor=pool, channels=True) == calibrate(
        program, data, observer=observer, channels=True
    )


PLAIN = """
from concurrent.futures import ProcessPoolExecutor
from milopt.passes.analysis.collecting.calibrate import calibrate
from support.calibrating import layered, samples

if __name__ == "__main__":
    program, data = layered(), samples(20)
    with ProcessPoolExecutor(2) as plain:
        found = calibrate(program, data, executor=plain)
    assert found == calibrate(program, data)
"""


def test_a_plain_process_pool_will_do(tmp_path: Path) -> None:
    # In a process of its own: where pools fork, they must not fork one that has run models, as this one has.
    script = tmp_path / "plain.py"
    script.write_text(PLAIN)
    paths = os.pathsep.join(each for each in (str(TESTS), os.environ.get("PYTHONPATH")) if each)
    environment = {**os.environ, "PYTHONPATH": paths}
    subprocess.run([sys.executable, script], check=True, timeout=120, env=environment)  # noqa: S603 - written above


def test_a_pool_that_forks_is_refused_where_models_have_run() -> None:
    program, data = layered(), samples(3)
    calibrate(program, data)
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        with pytest.raises(MiloptError, match=r"the process pool forks, and models have run .*get_context\("):
            calibrate(program, data, executor=pool)
        assert not pool._processes


def test_models_in_memory_and_on_disk(tmp_path: Path) -> None:
    path, data = package_of(layered(), tmp_path), samples(10)
    with ThreadPoolExecutor(2) as threads:
        for model in (path, str(path), milopt.load(path)):
            assert calibrate(model, data, executor=threads).functions == calibrate(path, data).functions


def test_workers_see_that_another_model_stands_at_the_path(tmp_path: Path, pool: ProcessPoolExecutor) -> None:
    data, path = samples(9), package_of(layered(), tmp_path)
    before = calibrate(path, data, executor=pool)
    model = milopt.load(path).copy()
    weight = next(each for each in model.program.functions["main"].operations if each.op_type == "linear").weight
    weight._sym_val.val = weight.val * 2
    model.save(path, overwrite=True)
    after = calibrate(path, data, executor=pool)
    assert after == calibrate(path, data)
    assert after.functions != before.functions


def test_threads_share_one_session(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    plain = Session.__init__

    def noted(self: Session, *given: Any, **more: Any) -> None:
        opened.append(given)
        plain(self, *given, **more)

    monkeypatch.setattr(Session, "__init__", noted)
    with ThreadPoolExecutor(4) as threads:
        calibrate(layered(), samples(64), executor=threads)
    assert len(opened) == 1


def test_several_functions(shelf: Any, pool: ProcessPoolExecutor) -> None:
    from milopt.runtime.random_samples import RandomSamples

    model = milopt.load(shelf["two_functions"])
    data = {name: list(RandomSamples(function, 9)) for name, function in model.program.functions.items()}
    assert calibrate(model, data, executor=pool).functions == calibrate(model, data).functions


class Counting(ThreadPoolExecutor):
    """Knows how many pieces of work were begun and not asked for yet."""

    most = waiting = 0

    def submit(self, *given: Any, **more: Any) -> Future[Any]:
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        future = super().submit(*given, **more)
        plain = future.result

        def result(timeout: float | None = None) -> Any:
            self.waiting -= 1
            return plain(timeout)

        future.result = result  # type: ignore[method-assign]
        return future


def test_samples_stream_to_workers() -> None:
    with Counting(2) as workers:
        calibrate(layered(), samples(100), executor=workers)
    assert workers.most == 4  # two chunks for each worker, of the 13 that there are


def test_progress_counts_what_came_back(pool: ProcessPoolExecutor) -> None:
    seen: list[int] = []
    calibrate(layered(), samples(20), executor=pool, on_progress=seen.append)
    assert seen == [8, 16, 20]


def test_a_dead_worker_is_an_error_of_one_line_and_loses_little(tmp_path: Path) -> None:
    program, data, path = layered(), samples(32), tmp_path / "run.checkpoint"

    def stream() -> Iterator[dict[str, Any]]:
        yield from data[:16]
        for process in list(workers._processes.values()):
            process.kill()
        yield from data[16:]

    with worker_pool(1) as workers, pytest.raises(RunError, match=r"a worker died.*fewer workers") as caught:
        calibrate(program, stream(), executor=workers, checkpoint=path)
    assert "\n" not in str(caught.value)
    seen: list[int] = []
    assert calibrate(program, data, checkpoint=path, on_progress=seen.append) == calibrate(program, data)
    assert seen[0] in (9, 17)


def test_a_sample_that_does_not_fit_is_named(pool: ProcessPoolExecutor) -> None:
    with pytest.raises(RunError, match="function 'main', sample 13, input 'x': it has the shape"):
        calibrate(layered(), [*samples(13), {"x": np.ones((3, 3))}, *samples(9)], executor=pool)


def test_interruption_keeps_what_came_back(pool: ProcessPoolExecutor) -> None:
    program, data = layered(), samples(40)

    def interrupt(done: int) -> None:
        if done >= 16:
            raise KeyboardInterrupt

    remarks: list[Any] = []
    with pytest.raises(CalibrationInterrupted) as caught:
        calibrate(program, data, executor=pool, on_progress=interrupt, remarks=remarks)
    assert caught.value.done in (16, 24, 32, 40)
    assert "few-samples" not in {remark.code for remark in remarks}  # others were dealt than came back
    assert caught.value.statistics == calibrate(program, data[: caught.value.done])


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with ThreadPoolExecutor(1) as threads:
        calibrate(layered(), samples(3), executor=threads)
        with pytest.raises(RunError):
            calibrate(layered(), [{"z": 1}], executor=threads)
    assert list(tmp_path.iterdir()) == []


def test_moving_averages_are_not_dealt() -> None:
    with ThreadPoolExecutor(1) as threads, pytest.raises(MiloptError, match=r"order of samples.*shards"):
        calibrate(layered(), samples(2), observer="moving-average", executor=threads)


@pytest.mark.parametrize("shards", [0, 3])
def test_shards_need_somebody_to_measure_them(shards: int) -> None:
    with pytest.raises(MiloptError, match="shards need an executor"):
        calibrate(layered(), samples(2), shards=shards)


def test_workers_are_counted() -> None:
    class Unknown(ThreadPoolExecutor):
        def __init__(self) -> None:
            super().__init__(3)
            del self._max_workers

    with ThreadPoolExecutor(3) as known:
        assert worker_count(known, None) == 3
        assert worker_count(known, 7) == 7
        with pytest.raises(MiloptError, match="0 shards"):
            worker_count(known, 0)
    assert worker_count(Unknown(), None) == os.cpu_count()
    assert threads_each(1) == os.cpu_count()
    assert threads_each(10_000) == 1
    with pytest.raises(MiloptError, match="0 workers"):
        worker_pool(0)


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals can not be blocked here")
def test_workers_do_not_hear_an_interruption_even_while_they_start() -> None:
    with worker_pool(2) as workers:
        for process in workers._processes.values():
            os.kill(process.pid, signal.SIGINT)
        program, data = layered(), samples(20)
        assert calibrate(program, data, executor=workers) == calibrate(program, data)
