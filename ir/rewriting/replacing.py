"""Single edits of programs, outside of the driver, that keep names, use lists and scopes right."""

from __future__ import annotations

from typing import Any

from ..pymil import inside, new_operation, op_class, opset_of
from ..walking import function_of


def replace_op(operation: Any, op_type: str, inputs: dict[str, Any]) -> Any:
    """Puts a new op of one output in the place of an op of one output, under the old names.

    Args:
        operation: leaves its block.
        op_type: of the new op, in the opset of the function.
        inputs: of the new op; what is no value becomes a constant in front of it.

    Returns:
        The new op.

    Raises:
        ProgramError: the new op does not take these inputs.
    """
    block = operation.enclosing_block
    name, old = operation.name, operation.outputs[0]
    cls = op_class(op_type, opset_of(function_of(operation)), f"op {name!r}")
    with inside(block):
        result = new_operation(cls, name=name, inputs=inputs, before=operation)
    new = result.outputs[0]
    block.replace_uses_of_var_after_op(anchor_op=operation, old_var=old, new_var=new, no_check_var_types=True)
    block.remove_ops([operation])
    new.name = old.name
    return result
