"""What is wrong with the blocks that an op is given; PyMIL takes their number and signatures for granted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import ProgramError
from ..pymil import types
from ..type_words import type_words

# The blocks of control flow, in order.
_BLOCKS = {"cond": ("of the true branch", "of the false branch"), "while_loop": ("of the condition", "of the body")}


def block_faults(op_type: str, blocks: Sequence[Any], inputs: Mapping[str, Any]) -> Iterator[ProgramError]:
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
        yield ProgramError(f"{op_type} can not have {count}", hint=hint)
    elif op_type == "cond":
        yield from _cond_faults(blocks[0], blocks[1])
    elif op_type == "while_loop":
        yield from _loop_faults(blocks[0], blocks[1], inputs.get("loop_vars", ()))


def _cond_faults(true: Any, false: Any) -> Iterator[ProgramError]:
    if true.inputs or false.inputs:
        yield ProgramError("the branches of cond have no inputs", hint="use values from around it by their names")
    if len(true.outputs) != len(false.outputs):
        counts = f"{len(true.outputs)} and {len(false.outputs)}"
        yield ProgramError(f"its branches give {counts} values", hint="both give the same number")


def _loop_faults(condition: Any, body: Any, started: Any) -> Iterator[ProgramError]:
    variables = len(started) if isinstance(started, list | tuple) else 1
    for name, block in zip(_BLOCKS["while_loop"], (condition, body), strict=True):
        if len(block.inputs) != variables:
            message = f"the block {name} has {len(block.inputs)} inputs, the loop has {variables} variables"
            yield ProgramError(message, hint="give the block an input for each of loop_vars")
    if len(body.outputs) != variables:
        message = f"the body gives {len(body.outputs)} values, the loop has {variables} variables"
        yield ProgramError(message, hint="let it give the next value of each of loop_vars")
    kinds = [var.sym_type for var in condition.outputs]
    if len(kinds) != 1 or not types.is_bool(kinds[0]):
        given = ", ".join(map(type_words, kinds)) or "nothing"
        yield ProgramError(f"the condition gives {given}", hint="it gives one bool")
