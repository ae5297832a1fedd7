"""Changes to programs, made as passes make them: new ops in the place of old ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from milopt.ir.pymil import available_target, mb
from milopt.ir.targets import Opset
from milopt.ir.walking import walk


def find_op(program: Any, name: str) -> Any:
    """The op, of any function or nested block, with this name."""
    return next(operation for operation in walk(program) if operation.name == name)


def ops_of_type(program: Any, op_type: str) -> list[Any]:
    """Every op of a type, nested ones included."""
    return [operation for operation in walk(program) if operation.op_type == op_type]


def replace_constant(operation: Any, value: np.ndarray) -> Any:
    """Puts a constant of the same name and another value in the place of one; returns the new op."""
    block = operation.enclosing_block
    with block:
        new = mb.const(val=value, name=operation.name, before_op=operation)
        block.replace_uses_of_var_after_op(anchor_op=operation, old_var=operation.outputs[0], new_var=new)
        block.remove_ops([operation])
    return new.op


def declare_opset(function: Any, opset: Opset) -> None:
    """Makes a function say that it is of an opset, whatever its ops are."""
    function.opset_version = available_target(opset)
