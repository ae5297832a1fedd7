"""Calibration statistics as values of options: a path in text, and in Python the statistics themselves too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from ..text.tree import Word, shown, span_of
from ..text.words import format_word
from .faults import OptionFault
from .scalars import Kind

_IN_MEMORY = "(statistics in memory)"


@attrs.frozen
class StatisticsKind(Kind):
    """Statistics, or the path of a file with some; the empty path stands for none.

    Attributes:
        is_statistics: whether a value of Python is statistics.
    """

    is_statistics: Callable[[Any], bool]

    @property
    def noun(self) -> str:
        """See `Kind`."""
        return "the path of calibration statistics, or in Python the statistics"

    def convert(self, value: Any) -> Any:
        """See `Kind`; files are read when the pass runs."""
        if isinstance(value, Path):
            value = str(value)
        if not isinstance(value, str):
            if self.is_statistics(value):
                return value
            raise OptionFault(f"takes {self.noun}, not {shown(value)}", span=span_of(value))
        if isinstance(value, Word) and value.implied:
            raise self.refusal(value)
        if value == _IN_MEMORY:
            hint = "save them with CalibrationStatistics.save, and give the path of the file"
            raise OptionFault("these statistics were in the memory of another program", hint=hint, span=span_of(value))
        return str(value)

    def text(self, value: Any) -> str:
        """See `Kind`; what is in memory has no text that could be read again."""
        return format_word(value if isinstance(value, str) else _IN_MEMORY)
