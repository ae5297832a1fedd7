"""What keeps an op that computes with activations off the Neural Engine: predicates, for `engine_rules`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .cases import OpCase
from .placement import missing_from_engine
from .records import Conditions
from .schemes import Scheme

MOST_AXES = 5
MOST_AXES_OF_PRODUCTS = 4
PRODUCTS = ("conv", "conv_transpose", "linear", "matmul")
LONGEST_AXIS, LONGEST_INNER_AXIS = 65536, 16384
FIRST_WITH_LONG_AXES = 16  # H16 takes LONGEST_AXIS everywhere
FIRST_WITH_LARGE_KERNELS = 14
_KERNELS = ((29, 13), (32, 16))  # height and width: before that generation, and from it on
_WINDOWS = ((29, 29), (31, 31))


def float32(case: OpCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    """Whether it computes in fp32."""
    wide = next((value for value in case.values if value.dtype == "fp32"), None)
    return None if wide is None else f"{wide.name!r} is fp32, which the Neural Engine does not compute in"


def op_type(case: OpCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    """Whether the engine lacks the op."""
    placement = missing_from_engine(case.op.op_type, conditions.generation)
    return None if placement is None else f"the Neural Engine does not run {case.op.op_type}: {placement.why}"


def control_flow(case: OpCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    """Whether it stands in a branch or a loop."""
    owners = case.place.owners
    return f"it stands inside {owners[-1]} {case.place.blocks[-1]}, which the CPU runs" if owners else None


def rank(case: OpCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    """Whether a value has too many axes."""
    most = MOST_AXES_OF_PRODUCTS if case.op.op_type in PRODUCTS else MOST_AXES
    found = next((value for value in case.values if len(value.shape or ()) > most), None)
    if found is None:
        return None
    return f"{found.name!r} has rank {len(found.shape or ())}, and the Neural Engine takes {most} for {case.op.op_type}"


def flexible_shape(case: OpCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    """Whether a size is not known."""
    found = next((value for value in case.values if value.shape is None or None in value.shape), None)
    return None if found is None else f"the shape of {found.name!r} is not fixed: {found.type}"


def long_axis(case: OpCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    """Whether an axis is longer than the engine takes."""
    is_new = conditions.generation >= FIRST_WITH_LONG_AXES
    for value in case.values:
        sizes = value.shape or ()
        first_inner = min(2, max(0, len(sizes) - 2))  # height and width; of rank 5 the depth as well
        for axis, size in enumerate(sizes):
            most = LONGEST_INNER_AXIS if axis >= first_inner and not is_new else LONGEST_AXIS
            if size is not None and size > most:
                return f"axis {axis} of {value.name!r} has {size} elements, more than {most}"
    return None


def large_kernel(case: OpCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    """Whether a kernel or a pooling window is too large."""
    kernel = tuple(_kernel(case.op))
    is_new = conditions.generation >= FIRST_WITH_LARGE_KERNELS
    limits = (_KERNELS if case.op.op_type in ("conv", "conv_transpose") else _WINDOWS)[is_new]
    # Sizes and limits belong together from the last axis on, which is the width.
    beyond = [size for size, most in zip(reversed(kernel), reversed(limits), strict=False) if size > most]
    return f"its kernel is {_by(kernel)}, and the Neural Engine takes {_by(limits)}" if beyond else None


def odd_stride(case: OpCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    """Whether a stride or a dilation has a factor other than 2 and 3."""
    for name in ("strides", "dilations"):
        found = [size for size in _sizes(case.op, name) if not _is_smooth(size)]
        if found and case.op.op_type in ("conv", "conv_transpose"):
            return f"its {name} of {found[0]} are no product of 2s and 3s"
    return None


def _kernel(op: Any) -> Iterator[int]:
    if op.op_type in ("conv", "conv_transpose"):
        weight = op.inputs["weight"]
        yield from (int(size) for size in weight.shape[2:])
    else:
        yield from _sizes(op, "kernel_sizes")


def _sizes(op: Any, name: str) -> list[int]:
    value = op.inputs.get(name)
    return [] if value is None or value.val is None else [int(size) for size in value.val]


def _is_smooth(size: int) -> bool:
    for factor in (2, 3):
        while size > 1 and size % factor == 0:
            size //= factor
    return size == 1


def _by(sizes: tuple[int, ...]) -> str:
    return " x ".join(map(str, sizes))
