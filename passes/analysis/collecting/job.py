"""What is to be measured in one function, and how: plain facts that can be handed to other processes."""

from __future__ import annotations

import attrs

from ....runtime.types import Precision
from .selection import Measured


@attrs.frozen
class Settings:
    """How to measure; the same for all functions of a model.

    Attributes:
        observer: the text of the observer that ranges are asked of by default.
        histograms: whether values are counted, so that any observer can be asked later; else only ranges are kept.
        moving: the weight of a new sample in moving averages; None for none.
        channels: whether statistics of each channel are kept.
        precision: of float math; see `milopt.Session`.
        batch_size: how many samples run at once where the model's shapes allow it.
    """

    observer: str
    histograms: bool = True
    moving: float | None = None
    channels: bool = False
    precision: Precision = "float32"
    batch_size: int = 1

    @property
    def collected(self) -> str:
        """What statistics hold: `histograms` or `ranges`."""
        return "histograms" if self.histograms else "ranges"

    @property
    def takes_values(self) -> bool:
        """Whether whole values leave the graph, and not their reductions only."""
        return self.histograms or self.channels


@attrs.frozen
class Job:
    """What is to be measured in one function.

    Attributes:
        function: its name.
        measured: the values.
        settings: how.
        operations: how many ops it has.
    """

    function: str
    measured: tuple[Measured, ...]
    settings: Settings
    operations: int = 0
