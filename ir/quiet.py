"""Imports coremltools without its warnings; import this module before anything of coremltools.

Off the Mac coremltools says eight times that its prediction library is missing, and again for each package whose
version it has not been tested with. milopt uses none of them. And it imports what it could do without behind handlers
that catch every exception, Ctrl-C too.
"""

from __future__ import annotations

import importlib
import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_logger = logging.getLogger("coremltools")


@contextmanager
def without_warnings() -> Iterator[None]:
    """While it lasts, coremltools logs errors only."""
    level = _logger.level
    _logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        _logger.setLevel(level)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """While it lasts, Ctrl-C waits; in the end it does what it would have done.

    Only the main thread is told of Ctrl-C: in others nothing changes.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is None:
        yield
        return
    held: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if held:
            signal.raise_signal(signal.SIGINT)


with interrupts_held(), without_warnings():
    importlib.import_module("coremltools")
