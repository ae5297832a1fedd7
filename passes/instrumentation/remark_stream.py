"""The instrumentation that hands on what passes say, as they say it."""

from __future__ import annotations

import re
from collections.abc import Callable

import attrs

from ...ir.diagnostics import Location
from ..remarks import REMARK_KINDS, Remark, RemarkKind
from .base import Instrumentation
from .remark_formats import FORMATS, RemarkFormat


@attrs.frozen
class RemarkFilter:
    """Which remarks count.

    Attributes:
        passes: occurs in the name of the pass.
        kinds: those of the remarks.
    """

    passes: re.Pattern[str] = re.compile("")
    kinds: tuple[RemarkKind, ...] = REMARK_KINDS

    def __call__(self, remark: Remark) -> bool:
        """Whether a remark does."""
        return remark.kind in self.kinds and bool(self.passes.search(remark.pass_name))


class RemarkStream(Instrumentation):
    """Writes remarks: text and YAML at once, JSON as one list at the end.

    Args:
        write: takes the text.
        form: how they are written.
        accepts: which of them are.

    Attributes:
        remarks: those that were accepted.
        locate: where a remark's op stands in the text that the program came from, if it came from one.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        form: RemarkFormat = "text",
        accepts: RemarkFilter = RemarkFilter(),
    ) -> None:
        self._write, self._format, self._accepts = write, FORMATS[form], accepts
        self.remarks: list[Remark] = []
        self.locate: Callable[[Remark], Location | None] = lambda _: None

    def on_remark(self, remark: Remark) -> None:
        """Writes it, if it is accepted."""
        if not self._accepts(remark):
            return
        placed = attrs.evolve(remark, location=remark.location or self.locate(remark))
        self.remarks.append(placed)
        if self._format.one is not None:
            self._write(self._format.one(placed))

    def finish(self) -> None:
        """Writes what could not be written before all is said."""
        if self._format.all is not None:
            self._write(self._format.all(self.remarks))
