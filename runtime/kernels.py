"""Which element types ONNX Runtime's CPU kernels take, asked of ONNX Runtime itself, and what ONNX's schemas say.

A lowering writes the ONNX op that it means; `Graph` casts around kernels that lack a type, by these tables.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
import onnx

OPSET = 21
IR_VERSION = 10  # of ONNX 1.16, the first with this opset

_SPELLINGS = {"float": "float32", "double": "float64"}
# Where a kernel lacks a type, the values are cast to the first of these that it has; the last ones may lose digits.
_WIDER = {
    "bool": ("uint8", "int32", "int64", "float32"),
    "int8": ("int16", "int32", "int64", "float32"),
    "uint8": ("int16", "int32", "int64", "float32"),
    "int16": ("int32", "int64", "float32"),
    "uint16": ("int32", "int64", "float32"),
    "int32": ("int64", "float64", "float32"),
    "uint32": ("int64", "float64", "float32"),
    "int64": ("float64", "float32", "int32"),
    "uint64": ("int64", "float64"),
    "float16": ("float32", "float64"),
    "float32": ("float64",),
    "float64": ("float32",),
}


@attrs.frozen
class Signature:
    """What an ONNX op takes and gives.

    Attributes:
        inputs: the type variable (`T`), or the numpy name of the only type, of each input.
        outputs: the same of each output.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def input(self, index: int) -> str:
        """The type variable or type of an input; beyond the last, that of a variadic op's last."""
        return self.inputs[min(index, len(self.inputs) - 1)]


@functools.cache
def signature(op_type: str) -> Signature:
    """The signature of an ONNX op in the opset that milopt writes."""
    schema = onnx.defs.get_schema(op_type, OPSET, "")
    # A variable for a single type, as of the outputs of Shape and Less, is that type.
    single = {
        each.type_param_str: each.allowed_type_strs[0]
        for each in schema.type_constraints
        if len(each.allowed_type_strs) == 1
    }
    return Signature(
        inputs=tuple(_spelled(single.get(each.type_str, each.type_str)) for each in schema.inputs),
        outputs=tuple(_spelled(single.get(each.type_str, each.type_str)) for each in schema.outputs),
    )


def type_for(op_type: str, variable: str, wanted: np.dtype[Any]) -> np.dtype[Any]:
    """The type nearest to `wanted` that ONNX Runtime has a kernel for, `wanted` itself where it can be.

    Args:
        op_type: an ONNX op.
        variable: one of its type variables, `T`.
        wanted: the type of the values.
    """
    offered = _kernels().get(op_type, {}).get(variable)
    if offered is None or wanted.name in offered or wanted.name not in _WIDER:
        return wanted
    return np.dtype(next((name for name in _WIDER[wanted.name] if name in offered), wanted.name))


@functools.cache
def _kernels() -> Mapping[str, Mapping[str, frozenset[str]]]:
    """The numpy names of the types that CPU kernels take, by op and type variable."""
    from onnxruntime.capi import onnxruntime_pybind11_state as native

    found: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for kernel in native.get_all_opkernel_def():
        first, last = kernel.version_range
        if kernel.provider == "CPUExecutionProvider" and kernel.domain == "" and first <= OPSET <= last:
            for variable, kinds in kernel.type_constraints.items():
                found[kernel.op_name][variable].update(map(_spelled, kinds))
    return {op: {name: frozenset(kinds) for name, kinds in types.items()} for op, types in found.items()}


def _spelled(kind: str) -> str:
    """`float32` for `tensor(float)`; a type variable as it is."""
    inner = kind.removeprefix("tensor(").removesuffix(")")
    return _SPELLINGS.get(inner, inner) if kind.startswith("tensor(") else kind
