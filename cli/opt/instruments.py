"""What `mil-opt` tells, prints and measures around passes, as its flags say."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from ...ir.errors import SaveError
from ...passes.instrumentation.base import Instrumentation
from ...passes.instrumentation.ir_printing import Dump, IRPrinting
from ...passes.instrumentation.remark_stream import RemarkStream
from ...passes.instrumentation.rewrite_log import NumberedRewrite, RewriteLog
from ...passes.instrumentation.statistics import Statistics
from ...passes.instrumentation.timing import Timing
from ...passes.remarks import Remark
from . import instrument_choices as choices
from .idle_filters import IdleFilters, filters_of
from .report_files import ReportFile

if TYPE_CHECKING:
    from ...ir.model import Model
    from .instrument_flags import InstrumentFlags


class Instruments:
    """The instrumentations that flags ask for, and their reports.

    Args:
        flags: what was asked for; all of it is checked at once.

    Raises:
        OptionError: a pass or a kind of remarks that there is not, or an expression that is none.
    """

    def __init__(self, flags: InstrumentFlags) -> None:
        self._flags = flags
        self._files: list[ReportFile] = []
        self._finished = False
        self._dumps: list[Dump] = []
        self._rewrites: list[NumberedRewrite] = []
        self._clock = Timing()
        self._statistics = Statistics()
        self._accepts = choices.remark_filter(flags)
        self._moments = choices.moments(flags)
        self._remarks: RemarkStream | None = None
        self._printing: IRPrinting | None = None
        filters = filters_of(flags, self._moments)
        self._idle = IdleFilters(filters) if filters else None

    def instrumentations(self, *checks: Instrumentation, with_remarks: bool = True) -> tuple[Instrumentation, ...]:
        """What runs around passes, the outermost first; to be called once. Files and folders for reports are made.

        Dumps and remarks stand outside of the checks: a pass that fails one has failed for them, too. What counts and
        measures stands inside: it knows nothing of rewrites that a check refuses, and of the time that checks take.

        Args:
            checks: what may fail a pass or refuse a rewrite, such as the verifier; the outermost first.
            with_remarks: without it remarks are not printed, for who checks them otherwise; a file gets them still.

        Raises:
            SaveError: a place that can not be written to.
        """
        flags = self._flags
        written = self.wants_remarks and (with_remarks or flags.remarks_output is not None)
        self._remarks = self._make_remarks() if written else None
        self._printing = self._make_printing()
        outside = (self._idle, self._printing, self._remarks)
        inside = (
            self._statistics if flags.statistics else None,
            RewriteLog(self._log) if flags.log_rewrites else None,
            self._clock if flags.timing else None,
        )
        return tuple(each for each in (*outside, *checks, *inside) if each is not None)

    @property
    def wants_remarks(self) -> bool:
        """Whether any flag asks for remarks."""
        return choices.wants_remarks(self._flags)

    @property
    def as_json(self) -> bool:
        """Whether everything is reported as one JSON document."""
        return self._flags.json

    def accepts(self, remark: Remark) -> bool:
        """Whether the flags ask for a remark."""
        return self.wants_remarks and self._accepts(remark)

    def opened(self, model: Model) -> None:
        """A model was read and passes are about to run on it: its remarks have places if it came from a text."""
        if self._remarks is not None:
            self._remarks.locate = choices.locator(model)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Times what the command itself does inside of a `with`, such as `reading` or `writing`."""
        with self._clock.phase(name):
            yield

    def finish(self) -> None:
        """Ends what was written in the course of the run; later calls do nothing.

        Raises:
            SaveError: a file could not be written.
        """
        if self._remarks is not None and not self._finished:
            self._remarks.finish()
        self._finished = True
        while self._files:
            self._files.pop().close()

    def report(self, more: Mapping[str, Any] | None = None) -> None:
        """Prints to stderr what was measured; to be called once, however the run ended.

        Args:
            more: what else belongs into the JSON document, by name.
        """
        flags = self._flags
        try:
            self.finish()
        except SaveError as error:  # of a run that has failed before; its own failure is the one to raise
            click.echo(f"warning: {error}", err=True)
        if flags.json:
            click.echo(json.dumps({**self._document(), **(more or {})}, indent=2), err=True)
            return
        for note in self._notes():
            click.echo(f"note: {note}", err=True)
        if flags.statistics:
            click.echo(self._statistics.report(choices.form(flags.statistics)), err=True)
        if flags.timing:
            click.echo(self._clock.report(choices.form(flags.timing)), err=True)

    def _notes(self) -> Iterator[str]:
        """What was asked for and is not there."""
        if self._printing is not None and self._printing.found_nothing:
            yield f"no program was printed: there is no {choices.scope(self._flags)}"
        if self._idle is not None:
            yield from self._idle.notes

    def _document(self) -> dict[str, Any]:
        """Everything that was asked for and did not go to files."""
        flags, found = self._flags, dict[str, Any]()
        if self._moments is not None and flags.print_ir_tree_dir is None:
            found["dumps"] = [dump.as_json() for dump in self._dumps]
        if self._remarks is not None and flags.remarks_output is None:
            found["remarks"] = [remark.as_json() for remark in self._remarks.remarks]
        if notes := list(self._notes()):
            found["notes"] = notes
        if flags.log_rewrites:
            found["rewrites"] = [rewrite.as_json() for rewrite in self._rewrites]
        if flags.statistics:
            found["statistics"] = self._statistics.as_json(choices.form(flags.statistics))
        if flags.timing:
            found["timing"] = self._clock.as_json(choices.form(flags.timing))
        return found

    def _make_printing(self) -> IRPrinting | None:
        from ...passes.instrumentation.ir_tree import DumpTree

        folder = self._flags.print_ir_tree_dir
        if self._moments is None:
            return None
        return IRPrinting(self._moments, DumpTree(folder) if folder else self._print, choices.scope(self._flags))

    def _make_remarks(self) -> RemarkStream:
        flags = self._flags
        if flags.remarks_output is not None:
            file = ReportFile(flags.remarks_output)
            self._files.append(file)
            return RemarkStream(file.write, choices.remark_format(flags), self._accepts)
        write = _ignore if flags.json else _to_stderr
        return RemarkStream(write, choices.remark_format(flags), self._accepts)

    def _print(self, dump: Dump) -> None:
        if self._flags.json:
            self._dumps.append(dump)
        else:
            _to_stderr(str(dump))

    def _log(self, rewrite: NumberedRewrite) -> None:
        if self._flags.json:
            self._rewrites.append(rewrite)
        else:
            _to_stderr(f"{rewrite}\n")


def _to_stderr(text: str) -> None:
    click.echo(text, err=True, nl=False)


def _ignore(_: str) -> None:
    """For what stands in the JSON document."""
