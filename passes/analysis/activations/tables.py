"""Facts about ops and quantized activations: which take them, which keep values, which are fused, which ranges hold.

Names of files of coremltools 9.0 stand for `coremltools/optimize/coreml/`, or `converters/mil/mil/` for `passes/`
and `ops/`.
"""

from __future__ import annotations

from typing import Any, Literal

import attrs

_PREFIX = "coremltools 9.0 _quantization_passes.py:1645, the ops that it puts pairs in front of"
_SUFFIX = "coremltools 9.0 passes/defs/optimize_activation_quantization.py:24, the activations in front of output pairs"
_TORCH = "coremltools 9.0 optimize/torch/quantization/_backend_config.py, the ops that quantization-aware training has"
_INT8_CONV = "a convolution on an upsampled input: the same arithmetic as conv"
_CONTRACTION = "a contraction, computed as matmul is"

Constants = Literal["weight", "refuse", "join"]


@attrs.frozen
class QuantizedOp:
    """A type of op that takes quantized activations.

    Attributes:
        op_type: which.
        activations: its inputs that are activations; those of variadic inputs are all of their values.
        constants: what a constant among them means: it is a weight, which `quantize-weights` is for; the op is left
            alone; or it joins the others' scale and is quantized with them.
        weights: inputs that must be constants.
        fuses: whether an activation behind it is computed with it.
        source: where that is known from.
    """

    op_type: str
    activations: tuple[str, ...]
    constants: Constants
    source: str
    weights: tuple[str, ...] = ()
    fuses: bool = True


QUANTIZED_OPS = {
    row.op_type: row
    for row in (
        QuantizedOp("conv", ("x",), "weight", _PREFIX, weights=("weight",)),
        QuantizedOp("conv_transpose", ("x",), "weight", _INT8_CONV, weights=("weight",)),
        QuantizedOp("linear", ("x",), "weight", _PREFIX, weights=("weight",)),
        QuantizedOp("matmul", ("x", "y"), "weight", _TORCH),
        QuantizedOp("einsum", ("values",), "weight", _CONTRACTION),
        QuantizedOp("add", ("x", "y"), "refuse", _PREFIX),
        QuantizedOp("sub", ("x", "y"), "refuse", "an add of a negative number"),
        QuantizedOp("mul", ("x", "y"), "refuse", _TORCH),
        QuantizedOp("concat", ("values",), "join", _TORCH, fuses=False),
        QuantizedOp("avg_pool", ("x",), "weight", _PREFIX),
        QuantizedOp("max_pool", ("x",), "weight", _PREFIX, fuses=False),
    )
}
"""The ops around which pairs are put, by type."""

CARRIERS = {
    "batch_to_space": "x",
    "crop": "x",
    "depth_to_space": "x",
    "expand_dims": "x",
    "flatten2d": "x",
    "gather": "x",
    "gather_along_axis": "x",
    "gather_nd": "x",
    "identity": "x",
    "max_pool": "x",
    "pad": "x",
    "pixel_shuffle": "x",
    "pixel_unshuffle": "x",
    "reshape": "x",
    "reshape_like": "x",
    "resize_nearest_neighbor": "x",
    "reverse": "x",
    "reverse_sequence": "x",
    "slice_by_index": "x",
    "slice_by_size": "x",
    "sliding_windows": "x",
    "space_to_batch": "x",
    "space_to_depth": "x",
    "split": "x",
    "squeeze": "x",
    "tile": "x",
    "transpose": "x",
    "upsample_nearest_neighbor": "x",
}
"""Ops whose output holds values of one input, or zero: both share a scale. Type to parameter; see `carried_input`.

Source: the ops' docstrings in coremltools 9.0.
"""


def carried_input(operation: Any) -> Any | None:
    """The input whose values an op keeps; None if it is no carrier, or fills in other numbers than zero."""
    parameter = CARRIERS.get(operation.op_type)
    if parameter is None or (operation.op_type == "pad" and not _pads_with_zero(operation)):
        return None
    return operation.inputs[parameter]


def _pads_with_zero(operation: Any) -> bool:
    """Whether no other number than those of the input, and zero, gets into the output of a `pad`."""
    mode, number = operation.inputs.get("mode"), operation.inputs.get("constant_val")
    if mode is not None and mode.val != "constant":
        return True
    return number is None or (number.val is not None and float(number.val) == 0)


_APPLE = "Apple's Core ML guide on quantized activations: an activation between op and output pair is fused"
FUSED_ACTIVATIONS = {
    "leaky_relu": _SUFFIX,
    "relu": _SUFFIX,
    "relu6": _SUFFIX,
    "scaled_tanh": _SUFFIX,
    "sigmoid": _SUFFIX,
    "sigmoid_hard": _SUFFIX,
    "tanh": _SUFFIX,
    "clip": _TORCH,
    "elu": _TORCH,
    "gelu": _TORCH,
    "prelu": _TORCH,
    "silu": _TORCH,
    "clamped_relu": _APPLE,
    "softplus": _APPLE,
    "softsign": _APPLE,
    "thresholded_relu": _APPLE,
}
"""Activations that stay between an op and the pair of its output, by type, each with its source."""

ACTIVATION_PARTS = frozenset(
    {
        *FUSED_ACTIVATIONS,
        *("abs", "add", "cos", "erf", "exp", "maximum", "minimum", "mul", "pow", "real_div", "sin", "square", "sub"),
    }
)
"""Ops that activations written out consist of, such as `x * sigmoid(x)`."""

RESCALERS = frozenset({"add", "batch_norm", "mul", "real_div", "sub"})
"""Ops that coremltools fuses into the op in front, where their other operands are constants."""

FLOAT_READERS = {
    "instance_norm": "norms are computed in fp16 and no pattern fuses a dequantize into them",
    "layer_norm": "norms are computed in fp16 and no pattern fuses a dequantize into them",
    "scaled_dot_product_attention": "attention as one op is computed in fp16 and no pattern fuses a dequantize into it",
    "softmax": "softmax is computed in fp16 and no pattern fuses a dequantize into it",
}
"""Ops that are computed in floats and gain nothing from a quantized input: where only these read a value, no pair."""

STATE_WRITERS = frozenset({"coreml_update_state", "write_state"})
"""Ops whose input is what a state holds from then on: it stays float."""
