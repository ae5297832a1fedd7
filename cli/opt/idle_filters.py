"""Filters that no pass meets: a name that is right, of a pass that does not run, would be followed by silence."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ...passes.instrumentation.base import Instrumentation
from ...passes.instrumentation.ir_printing import pass_name_of

if TYPE_CHECKING:
    from ...passes.instrumentation.ir_printing import Moments
    from ...passes.runs import PassRun, PipelineRun
    from .instrument_flags import InstrumentFlags


class IdleFilters(Instrumentation):
    """Finds out which filters no pass met.

    Args:
        filters: whether each takes a pass of a name, by the flag that gave it.
    """

    def __init__(self, filters: Mapping[str, Callable[[str], object]]) -> None:
        self._idle = dict(filters)
        self._completed = False

    @property
    def notes(self) -> list[str]:
        """A line on each filter, once a pipeline ran to its end."""
        return [f"{flag}: no such pass ran" for flag in self._idle] if self._completed else []

    def before_pass(self, run: PassRun) -> None:
        """Drops the filters that the pass meets."""
        name = pass_name_of(run)
        for flag in [flag for flag, takes in self._idle.items() if takes(name)]:
            del self._idle[flag]

    def after_pipeline(self, run: PipelineRun, changed: bool) -> None:  # noqa: ARG002, FBT001
        """Notes that there was enough to see."""
        self._completed |= run.path == "program"


def filters_of(flags: InstrumentFlags, moments: Moments | None) -> dict[str, Callable[[str], object]]:
    """Whether each filter that flags give takes a pass of a name."""
    found: dict[str, Callable[[str], object]] = {}
    if moments is not None:
        found |= {f"--print-ir-before={name}": name.__eq__ for name in sorted(moments.before.names)}
        found |= {f"--print-ir-after={name}": name.__eq__ for name in sorted(moments.after.names)}
    if flags.remarks_filter:
        found[f"--remarks-filter={flags.remarks_filter}"] = re.compile(flags.remarks_filter).search
    return found
