"""What a PyMIL value is, in a record and in words: its name, element type and shape."""

from __future__ import annotations

from typing import Any

import attrs

from .dtypes import dtype_of_proto
from .pymil import is_symbolic, types

Shape = tuple[int | None, ...]


@attrs.frozen
class Value:
    """A value of a program.

    Attributes:
        name: as the program has it.
        dtype: the element type as MIL text spells it; of a list its elements', of a dictionary its values'.
        shape: None for a size that is not known; None as a whole where the rank is not known, or there is none.
        type: the whole type in words: `fp16[10, ?]`, `int32`, `state<fp16[1, 64]>`, `dict<string, fp64>`.
    """

    name: str
    dtype: str
    shape: Shape | None
    type: str

    def as_json(self) -> dict[str, Any]:
        """Name and type, as `--json` prints them."""
        shape = None if self.shape is None else list(self.shape)
        return {"name": self.name, "type": self.type, "dtype": self.dtype, "shape": shape}


def value_of(var: Any) -> Value:
    """The record of a PyMIL `Var`."""
    return Value(var.name, *_described(var.sym_type))


def is_state(var: Any) -> bool:
    """Whether a PyMIL `Var` is a state."""
    return bool(types.is_state(var.sym_type))


def _described(kind: Any) -> tuple[str, Shape | None, str]:
    """Element type, shape and words of a PyMIL type."""
    if types.is_tensor(kind):
        dtype, shape = _element(kind.get_primitive()), _shape(kind.get_shape())
        return dtype, shape, f"{dtype}{_sizes(shape)}"
    if types.is_list(kind):
        dtype, shape, words = _described(kind.T[0])
        return dtype, shape, f"list<{words}>"
    if types.is_dict(kind):
        (key, *_), (dtype, *_) = _described(kind.T[0]), _described(kind.T[1])
        return dtype, None, f"dict<{key}, {dtype}>"
    if types.is_state(kind):
        dtype, shape, words = _described(kind.wrapped_type())
        return dtype, shape, f"state<{words}>"
    dtype = _element(kind)
    return dtype, (), dtype


def _element(builtin: Any) -> str:
    return dtype_of_proto(types.BUILTIN_TO_PROTO_TYPES[builtin]).name


def _shape(sizes: Any) -> Shape | None:
    if any(is_symbolic(size) and str(size).startswith("*") for size in sizes):  # stands for any number of sizes
        return None
    return tuple(None if is_symbolic(size) else int(size) for size in sizes)


def _sizes(shape: Shape | None) -> str:
    if shape is None:
        return "[...]"
    return f"[{', '.join('?' if size is None else str(size) for size in shape)}]" if shape else ""
