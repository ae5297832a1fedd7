"""From MIL text to PyMIL programs, every fault told with its place."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..collecting import collector_paused
from ..diagnostics import Diagnostic, TextError
from ..proto.faults import Fault
from ..proto.program_faults import message_of, read_with_faults
from ..weights.store import MissingWeights, WeightStore
from .parser import Parsed, parse_proto
from .places import Places
from .source import Source


def parse_program(
    text: str | Source,
    *,
    name: str = "<text>",
    folder: str | Path | None = None,
    missing_weights: MissingWeights = "error",
) -> Any:
    """The PyMIL program that MIL text describes.

    Args:
        text: in either dialect.
        name: what diagnostics call it.
        folder: what `@model_path` stands for in the places of weights; weight files are mapped, not read.
        missing_weights: what becomes of weights whose file is missing, or that the text elides: an `error`, or `zeros`,
            a program that `milopt.ir.weights.missing` marks.

    Raises:
        TextError: it does not parse, or its program is not valid; all faults are in its diagnostics.
    """
    parsed = parse_proto(text, name)
    return program_of(parsed, WeightStore(Path(folder) if folder is not None else None, missing_weights))


def program_of(parsed: Parsed, weights: WeightStore, function_order: Iterable[str] = ()) -> Any:
    """The PyMIL program of a parsed text; raises `TextError` as `parse_program`."""
    with collector_paused():
        program, faults = read_with_faults(parsed.program, weights, function_order or parsed.functions)
    if faults:
        raise TextError(diagnostics_of(parsed, faults))
    return program


def diagnostics_of(parsed: Parsed, faults: Iterable[Fault]) -> list[Diagnostic]:
    """A diagnostic with its place for each fault of a text's program, in the order of the text."""
    places = Places(parsed)
    placed = [(places.of(fault), fault) for fault in faults]
    placed.sort(key=lambda each: (each[0].line, each[0].column))
    return [
        Diagnostic(fault.subject, message_of(fault), fault.error.hint, location=location) for location, fault in placed
    ]
