"""How large a program is, so that of two of them one is the smaller."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from ..walking import names_in, walk
from .plain_values import elements, noise


@attrs.frozen(order=True)
class Size:
    """The size of a program; what comes first counts before all that follows.

    Attributes:
        functions: how many.
        ops: of all functions and blocks, without constants.
        interface: inputs and outputs of all functions.
        constants: how many.
        noise: how far the constants are from zeros, see `plain_values.Noise`.
        elements: of all constants.
        letters: of all names.
    """

    functions: int
    ops: int
    interface: int
    constants: int
    noise: int
    elements: int
    letters: int


def size_of(program: Any) -> Size:
    """The size of a PyMIL program."""
    functions = program.functions.values()
    ops = [operation for operation in walk(program) if operation.op_type != "const"]
    values = [*_constants(program)]
    return Size(
        functions=len(functions),
        ops=len(ops),
        interface=sum(len(function.inputs) + len(function.outputs) for function in functions),
        constants=len(values),
        noise=sum(map(noise, values)),
        elements=sum(map(elements, values)),
        letters=sum(map(len, names_in(program))),
    )


def _constants(program: Any) -> Iterator[Any]:
    for operation in walk(program):
        if operation.op_type == "const":
            yield operation.outputs[0].val
