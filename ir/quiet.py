"""Imports coremltools without its warnings; import this module before anything of coremltools.

Off the Mac coremltools says eight times that its prediction library is missing, and again for each package whose
version it has not been tested with. milopt uses none of them.
"""

from __future__ import annotations

import importlib
import logging

_logger = logging.getLogger("coremltools")
_level = _logger.level
_logger.setLevel(logging.ERROR)
importlib.import_module("coremltools")
_logger.setLevel(_level)
