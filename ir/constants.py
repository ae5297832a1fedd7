"""Which ops stand for constants, and from which size on constants are weights."""

from __future__ import annotations

# Elements; coremltools 9.0 writes smaller constants into the program itself (`should_use_weight_file`).
SMALLEST_WEIGHT = 10


def is_compressed(op_type: str) -> bool:
    """Whether ops of a type decode a constant from smaller ones."""
    return op_type.startswith("constexpr_")


def is_constant(op_type: str) -> bool:
    """Whether ops of a type stand for constants, compressed or not."""
    return op_type == "const" or is_compressed(op_type)
