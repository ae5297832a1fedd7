"""Whether statistics are of a given program, and if not, how it differs from the one that they are of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ....ir.errors import quoted
from ....ir.structure import structural_hash
from ....ir.type_words import short_type_words
from ....ir.walking import blocks_of, walk
from .errors import StatisticsError
from .function_statistics import FunctionStatistics


def hashes_of(program: Any) -> tuple[str, str]:
    """The hash of a program, and its hash without the values of weights."""
    return structural_hash(program), structural_hash(program, weights=False)


def check_fit(program: Any, hashes: tuple[str, str], functions: Mapping[str, FunctionStatistics]) -> None:
    """Does nothing if statistics are of a program; reads all its weights.

    Args:
        program: the program.
        hashes: of the program that the statistics are of; see `hashes_of`.
        functions: the statistics.

    Raises:
        StatisticsError: they are of another, and says how it differs.
    """
    if structural_hash(program) == hashes[0]:
        return
    reason = next(_differences(program, functions), None)
    if reason is None and structural_hash(program, weights=False) == hashes[1]:
        reason = "its structure is the same, and weights differ"
    raise StatisticsError(
        f"the statistics are of another model: {reason or 'as many ops, and some of them differ'}",
        hint="calibrate this model",
    )


def _differences(program: Any, functions: Mapping[str, FunctionStatistics]) -> Iterator[str]:
    """How a program differs from the one that statistics are of, the plainest first."""
    for name in functions.keys() - program.functions.keys():
        yield f"there is no function {quoted(name)} in this one"
    for name, found in functions.items():
        yield from _differences_of(name, program.functions[name], found)


def _differences_of(name: str, function: Any, found: FunctionStatistics) -> Iterator[str]:
    types = value_types(function)
    missing = [each for each in found.tensors if each not in types]
    if missing:
        more = f", nor are {len(missing) - 1} more" if len(missing) > 1 else ""
        yield f"its value {quoted(missing[0])} is not in function {quoted(name)} of this one{more}"
    for each, tensor in found.tensors.items():
        if types[each] != tensor.dtype:
            yield f"its value {quoted(each)} is {tensor.dtype}, and {types[each]} in this one"
    operations = operation_count(function)
    if found.operations not in (0, operations):
        yield f"its function {quoted(name)} has {found.operations} ops, and {operations} in this one"


def operation_count(function: Any) -> int:
    """The number of ops of a function, those of nested blocks included."""
    return sum(1 for _ in walk(function))


def value_types(function: Any) -> dict[str, str]:
    """The element types of all values of a function by name, those of nested blocks and their inputs included."""
    types: dict[str, str] = {}
    for block in blocks_of(function):
        inputs = block.inputs.values() if isinstance(block.inputs, dict) else block.inputs
        outputs = (output for operation in block.operations for output in operation.outputs)
        types |= {var.name: short_type_words(var.sym_type).partition("[")[0] for var in (*inputs, *outputs)}
    return types
