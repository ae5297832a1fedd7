"""The ways to make a program smaller, coarse ones first: each lists edits, any of which may be done with any others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs
import numpy as np

from ..constants import is_compressed, is_constant
from ..type_words import type_words
from ..walking import input_values, walk
from .edits import Bypass, Cut, DropFunction, DropInput, DropOutput, Edit, Inline, Omit, Rename, Replace
from .plain_values import Noise, filled, first_of, may_be_size, noise, typical


@attrs.frozen
class Reducer:
    """A way to make programs smaller.

    Attributes:
        does: what it does, in words.
        edits: those that a program offers, in its order.
    """

    does: str
    edits: Callable[[Any], Iterator[Edit]]


def _functions(program: Any) -> Iterator[Edit]:
    return map(DropFunction, program.functions)


def _ops(program: Any) -> Iterator[Any]:
    return (operation for operation in walk(program) if not is_constant(operation.op_type))


def _cuts(program: Any) -> Iterator[Edit]:
    return map(Cut, _ops(program))


def _outputs(program: Any) -> Iterator[Edit]:
    return (DropOutput(var) for function in program.functions.values() for var in function.outputs)


def _unused_inputs(program: Any) -> Iterator[Edit]:
    inputs = (var for function in program.functions.values() for var in function.inputs.values())
    return (DropInput(var) for var in inputs if not var.child_ops and not var.consuming_blocks)


def _inlined(program: Any) -> Iterator[Edit]:
    """Each branch of a choice; of each loop its condition, which leaves its variables as they were, and its body."""
    for operation in _ops(program):
        for index, block in enumerate(operation.blocks):
            is_condition = operation.op_type == "while_loop" and index == 0
            yield Inline(operation, block, tuple(operation.loop_vars if is_condition else block.outputs))


def _bypasses(program: Any) -> Iterator[Edit]:
    for operation in _ops(program):
        yield from (Bypass(operation, values) for values in _stand_ins(operation))


def _stand_ins(operation: Any) -> Iterator[tuple[Any, ...]]:
    """What could stand in the place of all that an op gives: values that it takes, and that are of the same types."""
    taken = list({id(var): var for _, var in input_values(operation) if not _is_made_constant(var)}.values())
    if operation.op_type == "while_loop":
        yield tuple(operation.loop_vars)
    elif len(operation.outputs) == 1:
        yield from ((var,) for var in taken if _same_type(var, operation.outputs[0]))
    elif all(any(_same_type(var, output) for var in taken) for output in operation.outputs):
        yield tuple(next(var for var in taken if _same_type(var, output)) for output in operation.outputs)


def _is_made_constant(var: Any) -> bool:
    return var.op is not None and is_constant(var.op.op_type)


def _same_type(one: Any, other: Any) -> bool:
    return type_words(one.sym_type) == type_words(other.sym_type)


def _omissions(program: Any) -> Iterator[Edit]:
    for operation in _ops(program):
        for parameter, kind in operation.input_spec.input_types.items():
            if kind.optional and parameter in operation.inputs:
                yield Omit(operation, parameter)


def _constants(program: Any) -> Iterator[tuple[Any, Any]]:
    """The ops that give constants of numbers, and these; some constant where it is compressed."""
    for operation in walk(program):
        if operation.op_type == "const" and noise(operation.outputs[0].val) > Noise.ZEROS:
            yield operation, operation.outputs[0].val
        elif is_compressed(operation.op_type):
            yield operation, typical(operation.outputs[0])


def _filled_with_zeros(program: Any) -> Iterator[Edit]:
    return (Replace(operation, filled(value, 0)) for operation, value in _constants(program) if not may_be_size(value))


def _filled_with_ones(program: Any) -> Iterator[Edit]:
    return (Replace(operation, filled(value, 1)) for operation, value in _constants(program))


def _filled_with_first(program: Any) -> Iterator[Edit]:
    for operation, value in _constants(program):
        if operation.op_type == "const" and noise(value) == Noise.ANYTHING:
            yield Replace(operation, filled(value, first_of(value)))


def _reshaped(shapes: Callable[[tuple[int, ...]], Iterator[tuple[int, ...]]]) -> Callable[[Any], Iterator[Edit]]:
    """Edits that give other shapes to constants of one value."""

    def edits(program: Any) -> Iterator[Edit]:
        for operation in walk(program):
            value = operation.outputs[0].val if operation.op_type == "const" else None
            if isinstance(value, np.ndarray) and value.size > 1 and noise(value) < Noise.ANYTHING:
                for shape in shapes(value.shape):
                    yield Replace(operation, filled(value, first_of(value), shape))

    return edits


def _without_extent(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    yield (1,) * len(shape)


def _without_first_extent(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Of all constants at once: the first axis of a weight is often that of its bias."""
    if shape[0] > 1:
        yield (1, *shape[1:])


def _without_one_extent(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    for axis, size in enumerate(shape):
        if size > 1:
            yield (*shape[:axis], 1, *shape[axis + 1 :])


def _names(program: Any) -> Iterator[Edit]:
    """New names in the order of definition: `x0`, `x1`; those of several values of one op are `x2_0`, `x2_1`."""
    for index, named in enumerate(_named(program)):
        name, values = f"x{index}", getattr(named, "outputs", ())
        numbered = {id(var): f"{name}_{number}" for number, var in enumerate(values)}
        yield Rename({id(named): name} | (numbered if len(values) > 1 else {id(var): name for var in values}))


def _named(program: Any) -> Iterator[Any]:
    """Everything that has a name of its own: the inputs of functions and blocks, and ops."""
    for function in program.functions.values():
        yield from function.inputs.values()
        for operation in walk(function):
            yield operation
            yield from {id(var): var for block in operation.blocks for var in block.inputs}.values()


# Tried again and again until none of them helps.
REDUCERS = (
    Reducer("dropping functions", _functions),
    Reducer("cutting ops out", _cuts),
    Reducer("dropping outputs", _outputs),
    Reducer("inlining blocks", _inlined),
    Reducer("bypassing ops", _bypasses),
    Reducer("dropping unused inputs", _unused_inputs),
    Reducer("leaving inputs out", _omissions),
    Reducer("filling constants with zeros", _filled_with_zeros),
    Reducer("filling constants with ones", _filled_with_ones),
    Reducer("filling constants with one value", _filled_with_first),
    Reducer("shrinking constants", _reshaped(_without_extent)),
    Reducer("shrinking first axes of constants", _reshaped(_without_first_extent)),
    Reducer("shrinking axes of constants", _reshaped(_without_one_extent)),
)
# Tried once, when nothing else helps any more.
LAST_REDUCER = Reducer("shortening names", _names)
