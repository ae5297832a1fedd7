"""PyMIL types in the words of MIL text."""

from __future__ import annotations

from typing import Any

from .dtypes import dtype_of_proto
from .pymil import is_symbolic, types


def type_words(kind: Any) -> str:
    """A PyMIL type as MIL text writes it: `tensor<fp16, [10, ?]>`, `int32`, `state<tensor<fp16, [1, 64]>>`."""
    if types.is_tensor(kind):
        shape = kind.get_shape()
        sizes = ["..."] if shape is None else ["?" if is_symbolic(size) else str(size) for size in shape]
        return f"tensor<{_element(kind.get_primitive())}, [{', '.join(sizes)}]>"
    if types.is_list(kind):
        length = "?" if kind.T[1] is None or is_symbolic(kind.T[1]) else kind.T[1]
        return f"list<{type_words(kind.T[0])}, {length}>"
    if types.is_dict(kind):
        return f"dict<{type_words(kind.T[0])}, {type_words(kind.T[1])}>"
    if types.is_state(kind):
        return f"state<{type_words(kind.wrapped_type())}>"
    return _element(kind)


def _element(builtin: Any) -> str:
    proto = types.BUILTIN_TO_PROTO_TYPES.get(builtin)
    return dtype_of_proto(proto).name if proto else str(types.builtin_to_string(builtin))
