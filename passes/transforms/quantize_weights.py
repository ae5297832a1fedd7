"""The pass `quantize-weights`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs
import numpy as np

from ...ir.errors import TargetError
from ...ir.targets import IOS16, IOS18, Opset
from ...ir.weights.files import release_pages
from ..analysis.weight_inventory import WeightInventory
from ..analysis.weight_plan import Decision, plan_weights
from ..base import UNCHANGED, Outcome, Pass
from ..context import PassContext
from ..numerics import QuantizedTensor, quantize
from ..options import option

_Cache = dict[tuple[Any, ...], tuple[str, dict[str, Any]]]


@attrs.frozen(kw_only=True)
class QuantizeWeights(Pass):
    """Quantizes weights to 8 bits; activations and arithmetic stay float.

    Rules:
        1. The weights of conv, conv_transpose, linear, matmul, gather, lstm, gru and rnn are quantized, one scale
           for each output channel (`WEIGHT_OPERANDS` has the axis of each).
        2. iOS 16 and 17 encode them as `constexpr_affine_dequantize`, iOS 18 and later as
           `constexpr_blockwise_shift_scale`. iOS 15 has no such op: refused.
        3. A weight that several ops use is quantized once; weights that are one in the file stay one.
        4. Left alone, each with a remark: at most `min-elements` elements, rank 1, integers and bools, infinities and
           NaN, compressed already, used by other ops as well, users that want different channel axes, and what
           would not get smaller because its channels are too short for a scale each.

    Before:

        func main<ios18>(tensor<fp16, [2, 6]> x) {
            tensor<fp16, [2, 6]> w =
                const()[val = tensor<fp16, [2, 6]>([[127, -1, 0, 64, 5, 3], [2, -254, 100, 9, 8, 0]])];
            tensor<fp16, [2, 2]> y = linear(bias = tensor<fp16, [2]>([1, 2]), weight = w, x = x);
        } -> (y);

    After, with `min-elements=0`:

        func main<ios18>(tensor<fp16, [2, 6]> x) {
            tensor<fp16, [2, 6]> w = constexpr_blockwise_shift_scale(
                data = tensor<int8, [2, 6]>([[127, -1, 0, 64, 5, 3], [1, -127, 50, 4, 4, 0]]),
                scale = tensor<fp16, [2, 1]>([[1], [2]]));
            tensor<fp16, [2, 2]> y = linear(bias = tensor<fp16, [2]>([1, 2]), weight = w, x = x);
        } -> (y);

    After, with `dtype=uint8 granularity=per-tensor min-elements=0`:

        func main<ios18>(tensor<fp16, [2, 6]> x) {
            tensor<fp16, [2, 6]> w = constexpr_blockwise_shift_scale(
                data = tensor<uint8, [2, 6]>([[192, 128, 128, 160, 130, 130], [129, 1, 178, 132, 132, 128]]),
                offset = tensor<uint8, [1, 1]>([[128]]), scale = tensor<fp16, [1, 1]>([[2]]));
            tensor<fp16, [2, 2]> y = linear(bias = tensor<fp16, [2]>([1, 2]), weight = w, x = x);
        } -> (y);
    """

    targets = "iOS16 and later"
    statistics: ClassVar[Mapping[str, str]] = {
        "weights": "weights that it quantized",
        "left-alone": "weights that it left alone",
        "bytes-saved": "bytes that the quantized ones take less",
    }

    dtype: str = option("int8", help="the type of the codes", choices=("int8", "uint8"))
    mode: str = option(
        "symmetric", help="zero point fixed, or chosen for each channel", choices=("symmetric", "affine")
    )
    granularity: str = option("per-channel", help="what shares a scale", choices=("per-channel", "per-tensor"))
    min_elements: int = option(2048, help="weights of at most this many elements stay", minimum=0)

    def run(self, root: Any, context: PassContext) -> Outcome:
        """See the class."""
        from ...ir.pymil import opset_of

        opset = opset_of(root)
        if opset < IOS16:
            hint = "choose the target iOS16 or later: raise-opset{target=iOS16} in front of it"
            raise TargetError(f"{opset} has no op for compressed weights", hint=hint)
        inventory = context.analyses.get(WeightInventory)
        decisions = plan_weights(
            inventory.constants,
            granularity=self.granularity,  # type: ignore[arg-type]
            min_elements=self.min_elements,
        )
        cache: _Cache = {}
        for decision in decisions:
            if decision.refusal is not None:
                context.count("left-alone")
                _explain(decision, context)
            elif context.admits("quantize", decision.constant.op):
                self._apply(decision, opset, cache, context)
        return Outcome(changed=True) if cache else UNCHANGED

    def _apply(self, decision: Decision, opset: Opset, cache: _Cache, context: PassContext) -> None:
        from ...ir.rewriting.replacing import replace_op

        constant, value = decision.constant, decision.constant.value
        key = (value.ctypes.data, value.strides, value.shape, value.dtype.str, decision.axis)
        if key not in cache:
            cache[key] = _encode(self._quantize(decision), opset)
            release_pages(value)
            context.count("bytes-saved", value.nbytes - _bytes_of(cache[key][1]))
        op_type, inputs = cache[key]
        encoded = replace_op(constant.op, op_type, inputs)
        context.count("weights")
        users = ", ".join(dict.fromkeys(use.op.op_type for use in constant.uses))
        context.remark(
            "passed",
            encoded,
            "quantized",
            f"{self.granularity} {self.mode} {self.dtype} for {users}",
            data={
                "shape": list(value.shape),
                "axis": decision.axis,
                "scheme": self._scheme,
                "bytes_before": value.nbytes,
                "bytes_after": _bytes_of(inputs),
            },
        )

    def _quantize(self, decision: Decision) -> QuantizedTensor:
        return quantize(
            decision.constant.value,
            axis=decision.axis,
            dtype=self.dtype,  # type: ignore[arg-type]
            symmetric=self.mode == "symmetric",
            peaks=decision.peaks,
        )

    @property
    def _scheme(self) -> str:
        return f"{self.dtype} {self.granularity} {self.mode}"


def _explain(decision: Decision, context: PassContext) -> None:
    refusal, constant = decision.refusal, decision.constant
    if refusal is not None:
        context.remark(
            refusal.kind,
            constant.op,
            refusal.code,
            refusal.message,
            suggestion=refusal.suggestion,
            source=refusal.source,
            data={"shape": list(constant.value.shape), "bytes_before": constant.value.nbytes},
        )


def _bytes_of(inputs: dict[str, Any]) -> int:
    """What a weight takes, its scales and zero points included."""
    return sum(part.nbytes for name, part in inputs.items() if name != "axis")


def _encode(tensor: QuantizedTensor, opset: Opset) -> tuple[str, dict[str, Any]]:
    """The op that decodes a tensor in an opset, and its inputs."""
    if opset >= IOS18:
        return "constexpr_blockwise_shift_scale", _blockwise(tensor)
    return "constexpr_affine_dequantize", _affine(tensor)


def _blockwise(tensor: QuantizedTensor) -> dict[str, Any]:
    inputs = {"data": tensor.data, "scale": tensor.broadcast(tensor.scale)}
    if tensor.zero_point is not None:
        inputs["offset"] = tensor.broadcast(tensor.zero_point)
    return inputs


def _affine(tensor: QuantizedTensor) -> dict[str, Any]:
    """The op of iOS 16 takes vectors on an axis, or scalars, and always a zero point."""
    zero_point = np.zeros(tensor.scale.shape, tensor.data.dtype) if tensor.zero_point is None else tensor.zero_point
    per_tensor = tensor.axis is None
    return {
        "quantized_data": tensor.data,
        "scale": tensor.scale[0] if per_tensor else tensor.scale,
        "zero_point": zero_point[0] if per_tensor else zero_point,
        "axis": np.int32(0 if tensor.axis is None else tensor.axis),
    }
