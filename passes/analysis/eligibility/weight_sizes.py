"""How many bytes a weight takes, and would take in each scheme, scales and zero points included."""

from __future__ import annotations

from ....ir.targets import IOS18, Opset
from .cases import WeightCase
from .schemes import BLOCK_SIZE, Scheme


def bytes_after(case: WeightCase, scheme: Scheme, target: Opset) -> int:
    """The bytes of a constant weight of rank 2 or more, encoded.

    Args:
        case: the weight.
        scheme: a weight scheme; of blocks, one whose size divides the input axis.
        target: before iOS 18 the op that decodes takes a zero point for each scale.
    """
    weight = case.array
    scales = int(weight.shape[case.channel_axis])
    if scheme.name == "w-per-block":
        scales = int(weight.size) // BLOCK_SIZE
    points = scales if target < IOS18 else 0
    return -(-int(weight.size) * scheme.bits // 8) + scales * int(weight.itemsize) + points
