"""What can be wrong with statistics."""

from __future__ import annotations

from ....ir.errors import MiloptError


class StatisticsError(MiloptError):
    """Calibration statistics that can not be read, merged, or used for a model or an observer."""
