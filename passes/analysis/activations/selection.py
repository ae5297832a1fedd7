"""The values whose ranges a plan may ask for: what a calibration has to measure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .classes import origin
from .sites import Site, find_sites
from .values import is_activation


def calibration_tensors(function: Any) -> list[str]:
    """The names of the values of a function whose ranges quantizing its activations may need.

    Ops that keep values are not in the list: what they took is. Nor is what is dequantized: its scale is known.

    Args:
        function: a PyMIL function; its nested blocks belong to it.

    Returns:
        Each name once, in the order of the ops that need them.
    """
    return [*dict.fromkeys(value.name for value in measured_values(find_sites(function)))]


def measured_values(sites: list[Site]) -> Iterator[Any]:
    """The values that the ranges of sites come from, one by one; several times if several sites need them."""
    for site in sites:
        for value in (*site.inputs, site.fused.result):
            source = origin(value)
            if is_activation(source) and not _is_dequantized(source):
                yield source


def _is_dequantized(value: Any) -> bool:
    return value.op is not None and value.op.op_type == "dequantize"
