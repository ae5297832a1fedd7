"""What is wrong with the blocks that an op is given; PyMIL takes their number and signatures for granted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from ..errors import ProgramError, quoted
from ..pymil import types
from ..type_words import type_words
from .faults import Part

# The blocks of control flow, in order.
_BLOCKS = {"cond": ("of the true branch", "of the false branch"), "while_loop": ("of the condition", "of the body")}


BlockFault: TypeAlias = tuple[Part, ProgramError]


def block_faults(op_type: str, blocks: Sequence[Any], inputs: Mapping[str, Any]) -> Iterator[BlockFault]:
    """The faults of an op's blocks as such; those of the ops in them are told where they are.

    Args:
        op_type: the op's.
        blocks: its PyMIL blocks.
        inputs: its other inputs.
    """
    wanted = _BLOCKS.get(op_type, ())
    if len(blocks) != len(wanted):
        hint = f"it has {len(wanted)}: {' and '.join(f'that {name}' for name in wanted)}" if wanted else "leave it out"
        count = f"{len(blocks)} block{'' if len(blocks) == 1 else 's'}"
        yield Part("op"), ProgramError(f"{op_type} can not have {count}", hint=hint)
    elif op_type == "cond":
        yield from _cond_faults(blocks[0], blocks[1])
    elif op_type == "while_loop":
        variables = inputs.get("loop_vars", ())
        yield from _loop_faults(blocks[0], blocks[1], variables if isinstance(variables, list | tuple) else [variables])


def _cond_faults(true: Any, false: Any) -> Iterator[BlockFault]:
    if true.inputs or false.inputs:
        number, var = (0, true.inputs[0]) if true.inputs else (1, false.inputs[0])
        error = ProgramError("the branches of cond have no inputs", hint="use values from around it by their names")
        yield Part("parameter", f"{number} {var.name}"), error
    if len(true.outputs) != len(false.outputs):
        counts = f"{len(true.outputs)} and {len(false.outputs)}"
        yield Part("op"), ProgramError(f"its branches give {counts} values", hint="both give the same number")


def _loop_faults(condition: Any, body: Any, started: Sequence[Any]) -> Iterator[BlockFault]:
    """At most one fault of the numbers of values; then those of their types."""
    for name, block in zip(_BLOCKS["while_loop"], (condition, body), strict=True):
        if len(block.inputs) != len(started):
            message = f"the block {name} has {_counted(block.inputs, 'input')}, loop_vars {_counted(started, 'value')}"
            yield Part("op"), ProgramError(message, hint="give the block an input for each of loop_vars")
            return
    if len(body.outputs) != len(started):
        message = f"the body gives {_counted(body.outputs, 'value')}, loop_vars {_counted(started, 'value')}"
        yield Part("op"), ProgramError(message, hint="let it give the next value of each of loop_vars")
        return
    for number, block in enumerate((condition, body)):
        yield from _variable_faults(number, block, started)
    given = condition.outputs
    if len(given) != 1 or not types.is_bool(given[0].dtype):  # converters also give tensors of one element
        part = Part("result", f"0 {given[0].name}") if given else Part("op")
        given = ", ".join(type_words(var.sym_type) for var in given) or "nothing"
        yield part, ProgramError(f"the condition gives {given}", hint="it gives one bool")


def _variable_faults(number: int, block: Any, started: Sequence[Any]) -> Iterator[BlockFault]:
    for declared, var in zip(block.inputs, started, strict=True):
        if not types.is_compatible_type(var.sym_type, declared.sym_type):
            words = f"is declared as {type_words(declared.sym_type)}, loop_vars gives {type_words(var.sym_type)}"
            error = ProgramError(
                f"the input {quoted(declared.name)} of the block {words}", hint="mend the declared type"
            )
            yield Part("parameter", f"{number} {declared.name}"), error


def _counted(values: Sequence[Any], what: str) -> str:
    return f"{len(values)} {what}{'' if len(values) == 1 else 's'}"
