"""Faults that are met while a program is read: raised at once, or gathered so that all are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NoReturn, TypeAlias

import attrs

from ..errors import MiloptError

PartKind: TypeAlias = Literal["op", "input", "input name", "operand", "output", "attribute", "parameter", "result"]


@attrs.frozen
class Part:
    """What of an op or a function a fault is about.

    Attributes:
        kind: `op` for the op as a whole or its type; a function or block has parameters and results. An `input` is what
            an op takes, an `input name` what it is called, an `operand` one of the names that it takes.
        name: of the input, output, ...; `parameter name` of an operand; with the number of the nested block in front
            for its parameters and results, `1 x`; empty for the op itself.
    """

    kind: PartKind
    name: str = ""


@attrs.frozen
class Fault:
    """One fault of a program.

    Attributes:
        error: what is wrong.
        function: the function it is in.
        operation: the number of the op in its function, an op before those in its blocks; None for the function itself.
        part: what of it is meant.
        subject: the op or input in words: `op 'y'`.
    """

    error: MiloptError
    function: str
    operation: int | None = None
    part: Part = Part("op")
    subject: str = ""


FaultReport: TypeAlias = Callable[[Fault], None]


def raise_fault(fault: Fault) -> NoReturn:
    """Reports a fault by raising its error: the first one ends the reading."""
    raise fault.error
