"""How many bytes a program's constants take in weight files."""

from __future__ import annotations

from typing import Any

from .proto.writer import file_tensors


def weight_bytes(*programs: Any) -> int:
    """The bytes of all constants that stand in weight files, each distinct one once.

    Headers and padding of the file format are not counted; scales and zero points are.
    """
    seen: dict[tuple[object, ...], int] = {}
    for program in programs:
        for array, dtype, in_file in file_tensors(program):
            if in_file:
                seen[array.ctypes.data, array.strides, array.shape, dtype.name] = dtype.payload_bytes(array.size)
    return sum(seen.values())
