"""How many bytes a program's constants take in weight files."""

from __future__ import annotations

from collections import Counter
from typing import Any

from .proto.writer import file_tensors


def weight_bytes(*programs: Any) -> int:
    """The bytes of all constants that stand in weight files, each distinct one once.

    Headers and padding of the file format are not counted; scales and zero points are.
    """
    return sum(weight_bytes_by_type(*programs).values())


def weight_bytes_by_type(*programs: Any) -> dict[str, int]:
    """The bytes of `weight_bytes` by the constants' element types, most first.

    Args:
        programs: PyMIL programs, or functions of them.
    """
    seen = {
        (array.ctypes.data, array.strides, array.shape, dtype.name): (dtype.name, dtype.payload_bytes(array.size))
        for program in programs
        for array, dtype, in_file in file_tensors(program)
        if in_file
    }
    found: Counter[str] = Counter()
    for dtype, size in seen.values():
        found[dtype] += size
    return dict(found.most_common())
