"""What a PyMIL value is, as a record: its name, element type and shape, and its type in words."""

from __future__ import annotations

from typing import Any

import attrs

from .pymil import is_symbolic, types
from .type_words import element_words, is_any_shape, short_type_words, type_words

Shape = tuple[int | None, ...]


@attrs.frozen
class Value:
    """A value of a program.

    Attributes:
        name: as the program has it.
        dtype: the element type as MIL text spells it; of a list its elements', of a dictionary its values'.
        shape: None for a size that is not known; None as a whole where the rank is not known, or there is none.
        type: the whole type as MIL text writes it: `tensor<fp16, [10, ?]>`, `int32`, `dict<string, fp64>`.
        short_type: the same where little fits: `fp16[10, ?]`.
    """

    name: str
    dtype: str
    shape: Shape | None
    type: str
    short_type: str

    def as_json(self) -> dict[str, Any]:
        """Name and type, as `--json` prints them."""
        shape = None if self.shape is None else list(self.shape)
        return {"name": self.name, "type": self.type, "dtype": self.dtype, "shape": shape}


def value_of(var: Any) -> Value:
    """The record of a PyMIL `Var`."""
    kind = var.sym_type
    return Value(var.name, *_elements(kind), type_words(kind), short_type_words(kind))


def is_state(var: Any) -> bool:
    """Whether a PyMIL `Var` is a state."""
    return bool(types.is_state(var.sym_type))


def _elements(kind: Any) -> tuple[str, Shape | None]:
    """The type of the elements of a PyMIL type, and its shape."""
    if types.is_tensor(kind):
        return element_words(kind.get_primitive()), _shape(kind.get_shape())
    if types.is_list(kind):
        return _elements(kind.T[0])
    if types.is_dict(kind):
        return _elements(kind.T[1])[0], None
    return _elements(kind.wrapped_type()) if types.is_state(kind) else (element_words(kind), ())


def _shape(sizes: Any) -> Shape | None:
    if any(map(is_any_shape, sizes)):
        return None
    return tuple(None if is_symbolic(size) else int(size) for size in sizes)
