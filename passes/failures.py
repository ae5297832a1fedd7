"""How a failed pass is told: one line that names the pass, and the op that it was at."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from ..ir.errors import CheckFailure, MiloptError, PassCheckFailure, PassFailure, Subject
from .runs import PassRun

_DEFECT = "this is a defect of the pass: please report it"


def failure_of(run: PassRun, error: BaseException) -> PassFailure:
    """The error as a user should read it."""
    if isinstance(error, PassFailure) and error.run is not None:
        return error  # of a pass that ran inside this one: that one is to blame
    subject = _subject(run, error)
    if isinstance(error, MiloptError):
        message, hint = error.message, error.hint
        place = error.where or str(subject or "")
    else:
        message, hint = f"failed with {type(error).__name__}" + (f": {error}" if str(error) else ""), _DEFECT
        place = str(subject or "")
    where = f"pass '{run.pass_}'" + (f", {place}" if place else "")
    kind = PassCheckFailure if isinstance(error, CheckFailure) else PassFailure
    return kind(message, where=where, hint=hint, subject=subject, run=run)


def _subject(run: PassRun, error: BaseException) -> Subject | None:
    """What the pass was at: what the error says itself, else the op that the innermost code had in its hands."""
    if isinstance(error, MiloptError) and error.subject is not None:
        return error.subject
    operation = _operation_at(error.__traceback__)
    if operation is None:
        return None
    from ..ir.walking import function_name, function_of

    return Subject(function_name(run.program, function_of(operation)), operation.name, operation.op_type)


def _operation_at(traceback: TracebackType | None) -> Any:
    """The op that stands in a variable named like one, in the innermost code of a traceback that has one.

    Passes of any origin are covered so, coremltools' own too, without their help.
    """
    from ..ir.pymil import Operation

    found = None
    while traceback is not None:
        local = traceback.tb_frame.f_locals
        at = next((local[name] for name in ("operation", "op") if isinstance(local.get(name), Operation)), None)
        found = at if at is not None and at.enclosing_block is not None else found
        traceback = traceback.tb_next
    return found
