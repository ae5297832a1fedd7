"""PyMIL types in words: in MIL's own syntax wherever people read them, and shorter where little fits.

What a type is called is remembered: PyMIL asks its classes what they are one name at a time, which is slow where
every value of a large program is looked at. PyMIL makes one class for all tensors of a shape and never changes it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .dtypes import dtype_of_proto
from .pymil import is_symbolic, types

# Types whose words are remembered; programs have tens to hundreds of different ones.
_REMEMBERED = 4096


def type_words(kind: Any) -> str:
    """A PyMIL type as MIL text writes it: `tensor<fp16, [10, ?]>`, `int32`, `state<tensor<fp16, [1, 64]>>`.

    Unknown sizes are alike, and so are single values and tensors without axes, between which PyMIL wavers.
    """
    return _words(kind, _as_in_text)


def short_type_words(kind: Any) -> str:
    """A PyMIL type where little fits: `fp16[10, ?]`, `int32`, `state<fp16[1, 64]>`."""
    return _words(kind, _shortened)


def element_words(builtin: Any) -> str:
    """PyMIL's class for an element type as MIL text writes it: `fp16`."""
    proto = types.BUILTIN_TO_PROTO_TYPES.get(builtin)
    return dtype_of_proto(proto).name if proto else str(types.builtin_to_string(builtin))


def is_any_shape(size: Any) -> bool:
    """Whether what PyMIL has in the place of a size stands for any number of sizes."""
    return is_symbolic(size) and str(size).startswith("*")


@functools.lru_cache(_REMEMBERED)
def _words(kind: Any, tensor_words: Callable[[str, str], str]) -> str:
    if types.is_tensor(kind):
        dtype, shape = element_words(kind.get_primitive()), kind.get_shape()
        return tensor_words(dtype, ", ".join(map(_size_words, shape))) if shape else dtype
    if types.is_list(kind):
        element, length, *_ = kind.T
        return f"list<{_words(element, tensor_words)}, {'?' if length is None else _size_words(length)}>"
    if types.is_dict(kind):
        return f"dict<{', '.join(_words(each, tensor_words) for each in kind.T)}>"
    if types.is_state(kind):
        return f"state<{_words(kind.wrapped_type(), tensor_words)}>"
    return element_words(kind)


def _as_in_text(dtype: str, sizes: str) -> str:
    return f"tensor<{dtype}, [{sizes}]>"


def _shortened(dtype: str, sizes: str) -> str:
    return f"{dtype}[{sizes}]"


def _size_words(size: Any) -> str:
    if is_any_shape(size):
        return "..."
    return "?" if is_symbolic(size) else str(size)
