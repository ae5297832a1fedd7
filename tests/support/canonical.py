"""Programs in a form that does not depend on where constants stand or what auxiliary values are called.

coremltools' loader and builder name and order constants otherwise than milopt's reader does. What a program means
is the same when its canonical form is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from milopt.ir.pymil import dtype_of, is_symbolic, mil_list, opset_of, types
from milopt.ir.walking import walk


def canonical(program: Any) -> dict[str, list[str]]:
    """One line for each op that is no constant, by function; constants stand in the lines, value and all."""
    return {name: list(_Canonical(function).lines()) for name, function in program.functions.items()}


class _Canonical:
    def __init__(self, function: Any) -> None:
        self._function = function
        self._names: dict[Any, str] = {}
        self._count = 0

    def lines(self) -> Iterator[str]:
        inputs = list(self._function.inputs.values())
        yield f"{opset_of(self._function)} ({', '.join(self._definition(var) for var in inputs)})"
        yield from self._block(self._function)

    def _block(self, block: Any) -> Iterator[str]:
        for operation in block.operations:
            if operation.op_type != "const":
                yield from self._operation(operation)
        yield f"-> {', '.join(self._use(var) for var in block.outputs)}"

    def _operation(self, operation: Any) -> Iterator[str]:
        inputs = ", ".join(f"{key}={self._argument(value)}" for key, value in sorted(operation.inputs.items()))
        outputs = ", ".join(self._definition(var) for var in operation.outputs)
        yield f"{outputs} = {operation.op_type}({inputs})"
        for block in operation.blocks:
            yield f"block ({', '.join(self._definition(var) for var in block.inputs)})"
            yield from self._block(block)

    def _argument(self, value: Any) -> str:
        if isinstance(value, list | tuple):
            return f"[{', '.join(self._use(item) for item in value)}]"
        return self._use(value)

    def _definition(self, var: Any) -> str:
        self._names[var] = f"%{self._count}"
        self._count += 1
        return f"{self._names[var]}: {type_words(var)}"

    def _use(self, var: Any) -> str:
        if var.op is not None and var.op.op_type == "const":
            return value_words(var)
        return self._names[var]


def type_words(var: Any) -> str:
    """A value's type, every unknown dimension as a question mark."""
    if types.is_dict(var.sym_type):
        return "dictionary"
    if types.is_list(var.sym_type):
        return "list"
    shape = ["?" if is_symbolic(size) else str(size) for size in var.shape]
    return f"{'state ' if types.is_state(var.sym_type) else ''}{dtype_of(var)}[{', '.join(shape)}]"


def value_words(var: Any) -> str:
    """A constant's type and every byte of its value."""
    value = var.val
    if isinstance(value, mil_list):
        return f"list {list(value.ls)}"
    if isinstance(value, str):
        return repr(value)
    return f"{type_words(var)} {np.asarray(value).tobytes().hex()}"


def constants(program: Any) -> dict[str, np.ndarray]:
    """Every constant that is an array, by `function/name`; none are copied."""
    return {
        f"{name}/{operation.outputs[0].name}": operation.outputs[0].val
        for name, function in program.functions.items()
        for operation in walk(function)
        if operation.op_type == "const" and isinstance(operation.outputs[0].val, np.ndarray)
    }
