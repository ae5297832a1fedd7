"""`calibrate`: runs a model on samples and finds out what its values look like."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from typing import TypeAlias

import attrs

from ....ir.model import Model
from ....ir.pymil import Program
from ....runtime.types import Precision
from ...remarks import Remark
from ..calibration.observers import Observer
from ..calibration.statistics import CalibrationStatistics
from ..data_checks.checker import DataChecker
from .batching import Sample
from .course import Course, Workers, chunk_size, chunks_of, without
from .crew import Crew
from .interruption import CalibrationInterrupted
from .job import Job, Settings
from .planning import check_order_free, jobs_of, require_samples, samples_by_function, settings_of
from .resuming import Checkpoint, checkpoint_path
from .sources import Source

_NAME = "calibrate"  # what remarks call it

Samples: TypeAlias = "Iterable[Sample] | Mapping[str, Iterable[Sample]]"


def calibrate(  # noqa: PLR0913 - each is a choice of its own
    model: Model | Program | str | os.PathLike[str],
    samples: Samples,
    *,
    observer: str | Observer = "mse",
    function: str | None = None,
    tensors: Iterable[str] | None = None,
    channels: bool = False,
    batch_size: int = 1,
    precision: Precision = "float32",
    threads: int | None = None,
    executor: Executor | None = None,
    shards: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    on_progress: Callable[[int], None] | None = None,
    remarks: list[Remark] | None = None,
) -> CalibrationStatistics:
    """Runs a model on samples, once, and gives the statistics of the values inside.

    Samples may stream: memory does not grow with their number. The result depends neither on who measures them nor, but
    for moving averages, on their order.

    Args:
        model: a `Model`, the path of one, or a PyMIL program; it is not changed.
        samples: any iterable of `{input: value}` as `Session.run` takes them. A list of such mappings in the place of
            one is a sequence of calls that share a state. For several functions, a mapping of their names to samples.
        observer: the default one. `min-max` and `moving-average` collect ranges only; all others histograms, of which
            every observer but `moving-average` can be asked afterwards.
        function: the function that the samples are for; the default one without it.
        tensors: the names of the values to measure; without it, all whose ranges quantization may ask for.
        channels: also keep the greatest magnitude and the mean of each channel.
        batch_size: how many samples run at once, where every input's first size admits it and each sample gives what
            it gives alone; else a remark says why not.
        precision: of float math; see `Session`.
        threads: how many to compute with; each worker, if there are several.
        executor: who measures: any of `concurrent.futures`, or what Dask's `Client.get_executor()` gives; without it,
            this process. Workers open the model from its path, and keep it open.
        shards: how many workers the executor has, where it does not tell.
        checkpoint: a file that a later run with the same samples goes on from; it is deleted in the end.
        on_progress: called with the number of samples that are done, each time that some are.
        remarks: a list to which is added what there is to say about the samples.

    Raises:
        RunError: the model can not be run or does not take a sample, there are none, or a worker died.
        OptionError: an option that makes no sense, or names what is not there.
        StatisticsError: the checkpoint is of another model or other settings.
        CalibrationInterrupted: Ctrl-C; it has the statistics so far.
    """
    settings = settings_of(observer, channels=channels, precision=precision, batch_size=batch_size)
    check_order_free(settings, executor=executor, checkpoint=checkpoint)
    path, source = checkpoint_path(checkpoint), Source.of(model)
    given = samples_by_function(source.program, samples, function)
    jobs = jobs_of({name: source.functions[name] for name in given}, tensors, settings)
    begun = CalibrationStatistics.of(source.program, {}, collected=settings.collected, observer=settings.observer)
    keeper = Checkpoint(path, settings, jobs)
    course = Course(keeper.read(begun))
    with Crew(source, begun.model_hash, executor, shards, threads) as crew:
        _Calibration(source, crew, course, keeper, on_progress, remarks).measure_all(jobs, given)
    keeper.remove()
    return course.statistics


@attrs.frozen
class _Calibration:
    """Measures function after function, and keeps what is found whatever happens."""

    source: Source
    crew: Crew
    course: Course
    keeper: Checkpoint
    on_progress: Callable[[int], None] | None
    remarks: list[Remark] | None

    def measure_all(self, jobs: Mapping[str, Job], samples: Mapping[str, Iterable[Sample]]) -> None:
        """Measures each function on its samples."""
        for name, job in jobs.items():
            self.measure(job, samples[name])

    def measure(self, job: Job, samples: Iterable[Sample]) -> None:
        """Measures one function on all its samples that are not done."""
        checker = None if self.remarks is None else DataChecker.of(self.source.opened, job.function)
        watched = self.keeper.watch(job.function, samples if checker is None else checker.watch(samples))
        workers = self.crew.workers(job, self._counter())
        is_whole = False
        try:
            self._follow(workers, job, without(watched, self.course.done_of(job.function), job.function))
            is_whole = True
        except BaseException as error:
            for part in workers.left_over():
                self.course.take(job.function, part)
            self.keeper.save(self.course.statistics)
            if isinstance(error, KeyboardInterrupt):
                raise self._interrupted() from None
            raise
        finally:
            workers.close()
            self._tell(job, workers, () if checker is None else checker.finish(is_whole=is_whole))
        require_samples(job.function, self.course.done_of(job.function))

    def _follow(self, workers: Workers, job: Job, samples: Iterator[Sample]) -> None:
        done = self.course.done_of(job.function)
        size = chunk_size(job.settings.batch_size, whole=job.settings.moving is not None)
        for part in workers.results(chunks_of(samples, size, done)):
            self.course.take(job.function, part)
            self.keeper.keep(self.course.statistics)

    def _counter(self) -> Callable[[int], None]:
        """Tells how many samples are done whenever some more are."""
        done = self.course.done

        def count(more: int) -> None:
            nonlocal done
            done += more
            if self.on_progress is not None:
                self.on_progress(done)

        return count

    def _interrupted(self) -> CalibrationInterrupted:
        statistics = self.course.statistics
        return CalibrationInterrupted(statistics if statistics.functions else None, self.course.done)

    def _tell(self, job: Job, workers: Workers, found: Iterable[Remark]) -> None:
        if self.remarks is None:
            return
        self.remarks.extend(found)
        if workers.unbatched is not None:
            self.remarks.append(_not_batched(job.function, workers.unbatched, job.settings))


def _not_batched(function: str, reason: str, settings: Settings) -> Remark:
    return Remark(
        kind="missed",
        pass_name=_NAME,
        function=function,
        op="samples",
        op_type="input",
        code="not-batched",
        message=f"samples did not run {settings.batch_size} at a time: {reason}",
        suggestion="leave the first size of every input open, or leave batch_size at 1",
    )
