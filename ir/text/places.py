"""Where the parts of a program stand in its text; found when they are asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

import attrs

from ..diagnostics import Diagnostic, Location
from ..proto.faults import Fault, Part
from ..proto.walking import operation_name, selected_block, walk_operations
from .parser import Parsed, Spans, trace

_OP = Part("op")
_BORDER = re.compile(r"function '(?P<function>[^']+)'(?:, (?P<side>input|state|output) '(?P<name>[^']+)')?")


class Places:
    """The places of a text's faults; an op or function that is asked for is parsed anew, once.

    Args:
        parsed: the text.
    """

    def __init__(self, parsed: Parsed) -> None:
        self._parsed = parsed
        self._spans: dict[int, Spans] = {}

    def of(self, fault: Fault) -> Location:
        """Where the part of an op or function that a fault is about stands."""
        if fault.function not in self._parsed.functions:
            return self._parsed.source.location(self._parsed.start)
        return self._of_part(fault.function, fault.operation, fault.part)

    def _of_part(self, function: str, operation: int | None, part: Part) -> Location:
        parsed = self._parsed
        offset = parsed.functions[function] if operation is None else parsed.operations[function][operation]
        if offset not in self._spans:
            self._spans[offset] = trace(parsed, offset)
        spans = self._spans[offset]
        return parsed.source.location(*spans.get(part, spans.get(_OP, (offset, 1))))

    def of_op(self, name: str, function: str | None = None) -> Location | None:
        """Where the op called `name` stands; None if there is none, as after a pass made it."""
        for each in [function] if function in self._parsed.functions else self._parsed.functions:
            if (each, name) in self._numbers:
                return self._of_part(each, self._numbers[each, name], _OP)
        return None

    @cached_property
    def _numbers(self) -> dict[tuple[str, str], int]:
        """The number of each op by its function and name; the first of several."""
        return dict(reversed(list(self._named_ops())))

    def _named_ops(self) -> Iterator[tuple[tuple[str, str], int]]:
        for function, message in self._parsed.program.functions.items():
            _, block = selected_block(message)
            for number, operation in enumerate(walk_operations(block)):
                yield (function, operation_name(operation)), number

    def placed(self, diagnostic: Diagnostic) -> Diagnostic:
        """A diagnostic about a function, or an input or output of one, with its place in the text if it is there."""
        found = _BORDER.fullmatch(diagnostic.where)
        if found is None or found["function"] not in self._parsed.functions:
            return diagnostic
        part = _OP
        if found["side"]:
            part = Part("result" if found["side"] == "output" else "parameter", found["name"])
        return attrs.evolve(diagnostic, location=self._of_part(found["function"], None, part))
