"""From MIL text to PyMIL programs, every fault told with its place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import attrs

from ..collecting import collector_paused
from ..diagnostics import Diagnostic, Location, TextError
from ..errors import ProgramError
from ..proto.faults import Fault, Part
from ..proto.program_faults import message_of, read_with_faults
from ..proto.walking import operation_name, selected_block, walk_operations
from ..weights.store import MissingWeights, WeightStore
from .parser import Parsed, Spans, parse_proto, trace
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


class Places:
    """The places of faults in a text; an op or function with faults is parsed anew, once."""

    def __init__(self, parsed: Parsed) -> None:
        self._parsed = parsed
        self._spans: dict[int, Spans] = {}

    def of(self, fault: Fault) -> Location:
        """Where the part of an op or function that a fault is about stands."""
        parsed = self._parsed
        if fault.function not in parsed.functions:
            return parsed.source.location(parsed.start)
        operations = parsed.operations[fault.function]
        offset = parsed.functions[fault.function] if fault.operation is None else operations[fault.operation]
        if offset not in self._spans:
            self._spans[offset] = trace(parsed, offset)
        spans = self._spans[offset]
        return parsed.source.location(*spans.get(fault.part, spans.get(Part("op"), (offset, 1))))


_BORDER = re.compile(r"function '(?P<function>[^']+)'(?:, (?P<side>input|state|output) '(?P<name>[^']+)')?")


def placed(parsed: Parsed, diagnostic: Diagnostic) -> Diagnostic:
    """A diagnostic about a function, or an input or output of one, with its place in the text if it is there."""
    found = _BORDER.fullmatch(diagnostic.where)
    if found is None or found["function"] not in parsed.functions:
        return diagnostic
    part = Part("op")
    if found["side"]:
        part = Part("result" if found["side"] == "output" else "parameter", found["name"])
    fault = Fault(ProgramError(""), found["function"], None, part)
    return attrs.evolve(diagnostic, location=Places(parsed).of(fault))


def location_of_op(parsed: Parsed, name: str, function: str | None = None) -> Location | None:
    """Where the op called `name` stands in the text; None if there is none, as after a pass made it."""
    for each in [function] if function in parsed.functions else parsed.functions:
        _, block = selected_block(parsed.program.functions[each])
        for number, operation in enumerate(walk_operations(block)):
            if operation_name(operation) == name:
                return Places(parsed).of(Fault(ProgramError(""), each, number))
    return None
