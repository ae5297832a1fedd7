"""Imports coremltools without its warnings; import this module before anything of coremltools.

Off the Mac coremltools says eight times that its prediction library is missing, and again for each package whose
version it has not been tested with. milopt uses none of them.
"""

from __future__ import annotations

import importlib
import logging
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


with without_warnings():
    importlib.import_module("coremltools")
