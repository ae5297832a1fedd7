"""What `mil-opt` does by default: a pipeline on each program of the input, and the result written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs
import click

from ...ir.diagnostics import TextCheckFailure, TextError, diagnostic_of
from ...ir.errors import CheckFailure, MiloptError
from ..exit_codes import BAD_INPUT, CHECK_FAILED
from .numerics import show_numerics
from .units import Unit, Work, run_unit

if TYPE_CHECKING:
    from ...passes.instrumentation.numeric_check import NumericCheck
    from ...passes.instrumentation.reproducer import CrashReproducer
    from ...passes.pipeline import Pipeline
    from .checks import Checks
    from .instruments import Instruments
    from .output import Output


@attrs.frozen(kw_only=True)
class Run:
    """One run.

    Attributes:
        pipeline: what runs.
        output: where the result goes.
        instruments: what is told, printed and measured.
        checks: what can fail passes, or refuse rewrites.
        reproducer: leaves reproducers of failures, if they are wanted.
        numerics: compares what programs compute, if that is asked for.
        expects_diagnostics: whether the texts say which diagnostics they give.
    """

    pipeline: Pipeline
    output: Output
    instruments: Instruments
    checks: Checks
    reproducer: CrashReproducer | None
    numerics: NumericCheck | None
    expects_diagnostics: bool

    def do(self, units: Sequence[Unit]) -> int | None:
        """Runs the pipeline on each unit, and writes what became of them.

        Returns:
            The exit code when errors are part of the report, as JSON.

        Raises:
            MiloptError: something went wrong in any of them; nothing is written then.
            CheckFailure: a check did not hold.
        """
        outermost = [each for each in (self.reproducer, self.numerics) if each is not None]
        checks = (*outermost, *self.checks.limit(), *self.checks.verifiers())
        around = self.instruments.instrumentations(*checks, with_remarks=not self.expects_diagnostics)
        try:
            done = [run_unit(unit, self.pipeline, around, self.output.reading, self.instruments) for unit in units]
            if self.expects_diagnostics:
                self._check_diagnostics(done)
            else:
                _raise_errors(done)
            self.instruments.finish()  # where reports can not be written, nothing is
            with self.instruments.phase("writing"):
                self.output.write([work.model for work in done if work.model is not None and work.error is None])
        except MiloptError as error:
            self._report(error)
            if not self.instruments.as_json:
                raise
            return CHECK_FAILED if isinstance(error, CheckFailure) else BAD_INPUT
        except BaseException:
            self._report()
            raise
        self._report()
        return None

    def _check_diagnostics(self, done: Sequence[Work]) -> None:
        """Raises `CheckFailure` unless each text expects exactly the diagnostics that it gives."""
        from ...ir.text.expectations import unmet

        wrong = []
        for work in done:
            found = work.diagnostics(self.instruments.accepts)
            wrong += found if work.unit.text is None else list(unmet(work.unit.text, found))
        if wrong and self.instruments.as_json:
            raise TextCheckFailure(wrong)  # they stand in the document
        for diagnostic in wrong:
            click.echo(diagnostic.render(), err=True)
        if wrong:
            raise CheckFailure(f"{len(wrong)} diagnostic{'s are' if len(wrong) > 1 else ' is'} not as expected")

    def _report(self, error: MiloptError | None = None) -> None:
        """Prints what was measured, also of a run that failed."""
        more: dict[str, Any] = {}
        if self.numerics is not None:
            more["numerics"] = self.numerics.as_json()
            if not self.instruments.as_json:
                show_numerics(self.numerics)
        if error is not None:
            more["errors"] = _errors_as_json(error)
        self.instruments.report(more)


def _errors_as_json(error: MiloptError) -> list[dict[str, Any]]:
    if isinstance(error, TextError):
        return [diagnostic.as_json() for diagnostic in error.diagnostics]
    return [diagnostic_of(error).as_json()]


def _raise_errors(done: Sequence[Work]) -> None:
    """Raises what went wrong in any unit, with its places in the text."""
    failed = [work for work in done if work.error is not None]
    if len(failed) == 1 and failed[0].error is not None and failed[0].unit.text is None:
        raise failed[0].error
    if failed:
        kind = TextCheckFailure if all(isinstance(work.error, CheckFailure) for work in failed) else TextError
        raise kind([each for work in failed for each in work.diagnostics(lambda _: False)])
