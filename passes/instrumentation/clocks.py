"""Clocks: the times of things that ran in each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import attrs

ClockKind = Literal["pipeline", "pass", "analysis", "phase"]


@attrs.define(eq=False)
class Clock:
    """The time that one thing took.

    Attributes:
        kind: a pipeline, pass or analysis, or a phase of the command around them, such as reading.
        name: the pipeline's anchor, the pass with its options, the analysis's class.
        path: where a pass or pipeline stands.
        seconds: wall time, all that ran inside included.
        inside: what ran inside, in order.
    """

    kind: ClockKind
    name: str
    path: str = ""
    seconds: float = 0.0
    inside: list[Clock] = attrs.Factory(list)

    @property
    def own(self) -> float:
        """The seconds that nothing inside took."""
        return self.seconds - sum(clock.seconds for clock in self.inside)

    def walk(self) -> Iterator[Clock]:
        """This clock, and all inside."""
        yield self
        for clock in self.inside:
            yield from clock.walk()
