"""Who measures a function: this process, or the workers of an executor."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from ....ir.errors import OptionError
from ....runtime.engine import Engine
from .course import Workers
from .errands import Errand
from .job import Job
from .local import Local
from .shards import Shards, threads_each, worker_count
from .sources import Source


class Crew(ExitStack):
    """Finds who measures a function; what they need lies on the disk until the block ends.

    Args:
        source: the model.
        model_hash: which one it is.
        executor: whose workers do; None for this process.
        shards: how many they are, if it does not tell.
        threads: how many threads each computes with.

    Raises:
        OptionError: there are shards and nobody who could measure them, or the executor would fork this process, in
            which models have run.
    """

    def __init__(
        self,
        source: Source,
        model_hash: str,
        executor: Executor | None = None,
        shards: int | None = None,
        threads: int | None = None,
    ) -> None:
        super().__init__()
        if executor is None and shards is not None:
            raise OptionError(
                "shards need an executor, whose workers measure them", hint="leave shards out, or give one"
            )
        _refuse_forks(executor)
        self._model_hash = model_hash
        self._source, self._executor, self._threads = source, executor, threads
        self._size = 0 if executor is None else worker_count(executor, shards)
        self._place: tuple[Path, bool] | None = None

    def workers(self, job: Job, on_sample: Callable[[int], None]) -> Workers:
        """Who measures a function.

        Args:
            job: what is measured, and how.
            on_sample: called with the number of samples that have run, each time that some have.
        """
        if self._executor is None:
            return Local(self._source.opened, job, self._threads, on_sample)
        self._place = self._place or self.enter_context(self._source.on_disk())
        path, is_program = self._place
        threads = self._threads or threads_each(self._size)
        errand = Errand(str(path), self._model_hash, is_program, job, threads)
        return Shards(self._executor, errand, self._size, on_sample)


def _refuse_forks(executor: Executor | None) -> None:
    """ONNX Runtime's threads do not live on in a fork, which may wait for them without end."""
    if not isinstance(executor, ProcessPoolExecutor) or not Engine.was_opened or getattr(executor, "_processes", None):
        return
    context = getattr(executor, "_mp_context", None)
    if context is not None and context.get_start_method() == "fork":
        raise OptionError(
            "the process pool forks, and models have run in this process",
            hint='give it mp_context=multiprocessing.get_context("spawn")',
        )
