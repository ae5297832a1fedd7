"""Work that is done on another thread while the caller computes what comes next."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self


class Beside:
    """Does pieces of work in order on one other thread; never more than one piece waits for it.

    Errors of a piece are raised where the next one is handed over, or at the end. Whatever ends the block, each piece
    that was handed over is done as a whole.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="calibration")
        self._last: Future[None] | None = None

    def __enter__(self) -> Self:
        """The worker itself."""
        return self

    def do(self, piece: Callable[[], None]) -> None:
        """Hands over a piece of work, once the one before is done."""
        self._finish()
        self._last = self._pool.submit(piece)

    def _finish(self) -> None:
        if self._last is not None:
            self._last.result()
            self._last = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Waits for the last piece, and raises what went wrong in it unless something else did before."""
        self._pool.shutdown(wait=True)
        if kind is None:
            self._finish()
