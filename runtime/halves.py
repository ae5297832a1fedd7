"""fp16 to fp32 by ONNX Runtime, whose conversion is vector code: up to twice as fast as numpy's."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from .kernels import IR_VERSION, OPSET


def widened(array: np.ndarray) -> np.ndarray:
    """A new fp32 array with the values of an fp16 array."""
    (result,) = _converter().run(["y"], {"x": np.ascontiguousarray(array).reshape(-1)})
    return np.asarray(result).reshape(array.shape)


@functools.cache
def _converter() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = False  # an arena would keep the memory of the largest weight
    x, y = (
        helper.make_tensor_value_info(name, kind, ["n"])
        for name, kind in (("x", TensorProto.FLOAT16), ("y", TensorProto.FLOAT))
    )
    node = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)
    graph = helper.make_graph([node], "widen", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
