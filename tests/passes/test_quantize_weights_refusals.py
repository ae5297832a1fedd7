"""What `quantize-weights` leaves alone: the reason, its code, and the constant as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from milopt.ir.errors import PassFailure
from milopt.ir.pymil import mb, opset_of
from milopt.ir.targets import IOS16, IOS17, IOS18, Opset
from milopt.passes.manager import PassManager, RunResult
from milopt.passes.pipeline import program_pipeline
from milopt.passes.transforms.quantize_weights import QuantizeWeights
from support.editing import find_op
from support.program_registry import build_program
from support.programs import PROGRAMS, fp16, weights


def quantized(program: Any, **options: Any) -> RunResult:
    return PassManager(program_pipeline(QuantizeWeights(**options))).run(program)


def codes(result: RunResult) -> dict[str, str]:
    return {remark.op: remark.code for remark in result.remarks}


def one_weight(body: Callable[[Any, Any], Any], array: np.ndarray | None = None) -> Any:
    """A program whose function makes something of its input and of a constant called `w`."""
    value = weights(64, 64) if array is None else array
    return build_program(lambda x: body(x, mb.const(val=value, name="w")), IOS17, x=fp16(10, 64))


def with_bad_number(number: float) -> np.ndarray:
    array = weights(64, 64)
    array[-1, -1] = number
    return array


def linear(x: Any, w: Any) -> Any:
    return mb.linear(x=x, weight=w, name="y")


def linear_and_more(x: Any, w: Any) -> Any:
    return mb.add(x=mb.matmul(x=w, y=x, transpose_y=True), y=mb.reduce_sum(x=w, axes=[1], keep_dims=True), name="y")


def linear_returned(x: Any, w: Any) -> Any:
    return linear(x, w), w


def returned_from_a_branch(x: Any, w: Any) -> Any:
    chosen = mb.greater(x=mb.reduce_sum(x=x, keep_dims=False), y=np.float16(0))
    return mb.cond(pred=chosen, _true_fn=lambda: w, _false_fn=lambda: mb.matmul(x=w, y=w), name="choice")


def conflict(x: Any, w: Any) -> Any:
    return mb.matmul(x=mb.linear(x=x, weight=w, name="left"), y=w, name="right")


REFUSALS: dict[str, tuple[Callable[[], Any], str, str, str]] = {
    "small": (lambda: one_weight(linear, weights(3, 64)), "analysis", "small",
              "it has 192 elements, not more than 2048"),
    "rank": (lambda: one_weight(lambda x, w: mb.add(x=x, y=mb.reduce_sum(x=w)), weights(4000)), "analysis", "rank",
             "tensors of rank 1 stay: biases, norms and tables"),
    "integers": (lambda: one_weight(lambda x, w: mb.add(x=x, y=mb.cast(x=mb.reduce_sum(x=w), dtype="fp16")),
                                    np.ones((64, 64), np.int32)), "analysis", "not-float", "it is int32, not a float"),
    "truth values": (lambda: one_weight(lambda x, w: mb.select(cond=w, a=mb.reduce_sum(x=x, axes=[0]), b=np.float16(0)),
                                        np.eye(64, dtype=bool)), "analysis", "not-float", "it is bool, not a float"),
    "infinity": (lambda: one_weight(linear, with_bad_number(np.inf)), "missed", "non-finite",
                 "it holds infinities or NaN, which no scale can encode"),
    "minus infinity": (lambda: one_weight(linear, with_bad_number(-np.inf)), "missed", "non-finite",
                       "it holds infinities or NaN, which no scale can encode"),
    "not a number": (lambda: one_weight(linear, with_bad_number(np.nan)), "missed", "non-finite",
                     "it holds infinities or NaN, which no scale can encode"),
    "added": (lambda: one_weight(lambda x, w: mb.add(x=x, y=w, name="sum"), weights(10, 640).reshape(100, 1, 64)),
              "missed", "not-a-weight",
              "it is input 'y' of add 'sum', which is not known to decode compressed weights"),
    "the input of a linear": (lambda: one_weight(lambda x, w: (mb.linear(x=w, weight=weights(3, 64), name="y"),
                                                               mb.relu(x=x))), "missed", "not-a-weight",
                              "it is input 'x' of linear 'y', which is not known to decode compressed weights"),
    "added as well": (lambda: one_weight(linear_and_more), "missed", "not-a-weight",
                      "it is input 'x' of reduce_sum 'reduce_sum_0', which is not known to decode compressed weights"),
    "one of several values": (lambda: one_weight(lambda x, w: mb.concat(values=[x, w], axis=0, name="both")), "missed",
                              "not-a-weight",
                              "it is input 'values' of concat 'both', which is not known to decode compressed weights"),
    "output": (lambda: one_weight(linear_returned), "missed", "output", "a block returns it as it is"),
    "output of a branch": (lambda: one_weight(returned_from_a_branch), "missed", "output",
                           "a block returns it as it is"),
    "unused": (lambda: one_weight(lambda x, _: mb.relu(x=x)), "missed", "unused", "no op uses it"),
    "axes": (lambda: one_weight(conflict), "missed", "axis-conflict",
             "its users want different channel axes: linear 'left' axis 0, matmul 'right' axis 1"),
    "axes of one op": (lambda: one_weight(lambda x, w: mb.matmul(x=x, y=mb.matmul(x=w, y=w, name="square"))), "missed",
                       "axis-conflict",
                       "its users want different channel axes: matmul 'square' axis 0, matmul 'square' axis 1"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_constant_that_stays_is_told_why(case: str) -> None:
    build, kind, code, message = REFUSALS[case]
    program = build()
    result = quantized(program)
    (remark,) = (each for each in result.remarks if each.op == "w")
    assert (remark.kind, remark.code, remark.message) == (kind, code, message)
    assert remark.data["bytes_before"] == find_op(program, "w").outputs[0].val.nbytes
    assert find_op(result.program, "w").op_type == "const"


@pytest.mark.parametrize("case", ["axes", "axes of one op"])
def test_conflict_of_axes_is_none_per_tensor(case: str) -> None:
    result = quantized(REFUSALS[case][0](), granularity="per-tensor")
    assert codes(result)["w"] == "quantized"
    assert find_op(result.program, "w").op_type == "constexpr_affine_dequantize"


def test_conflict_says_what_to_do() -> None:
    (remark,) = (each for each in quantized(REFUSALS["axes"][0]()).remarks if each.op == "w")
    assert remark.suggestion == "use granularity=per-tensor, or give each user a constant of its own"


@pytest.mark.parametrize(
    ("name", "op", "part"),
    [
        ("affine_int8", "constexpr_affine_dequantize", "weight_quantized_data_0"),
        ("lut_4_bits", "constexpr_lut_to_dense", "weight_indices_0"),
        ("sparse", "constexpr_sparse_to_dense", "weight_nonzero_data_0"),
        ("blockwise_int4", "constexpr_blockwise_shift_scale", "weight_data_0"),
        ("sparse_int4", "constexpr_sparse_blockwise_shift_scale", "values_nonzero_data_0"),
    ],
)
def test_compressed_weight_is_left_alone(name: str, op: str, part: str) -> None:
    result = quantized(PROGRAMS[name](), min_elements=0)
    assert not result.changed
    (remark,) = (each for each in result.remarks if each.op == part)
    assert (remark.kind, remark.code) == ("analysis", "compressed")
    assert remark.message == f"it is part of {op}: compressed already"


def test_weight_beside_compressed_ones_is_quantized() -> None:
    result = quantized(PROGRAMS["sub_byte_types"]())
    assert [remark.op for remark in result.remarks if remark.kind == "passed"] == ["dense_weight_0"]


@pytest.mark.parametrize("name", [name for name, build in PROGRAMS.items() if opset_of(build()) < IOS16])
def test_ios15_has_no_op_for_it(name: str) -> None:
    with pytest.raises(PassFailure) as caught:
        quantized(PROGRAMS[name]())
    assert str(caught.value) == (
        "pass 'quantize-weights': iOS15 has no op for compressed weights "
        "(choose the target iOS16 or later: raise-opset{target=iOS16} in front of it)"
    )


def test_refused_weight_does_not_keep_the_others_back() -> None:
    def body(x: Any) -> Any:
        bad = mb.const(val=with_bad_number(np.inf), name="bad")
        return mb.linear(x=mb.linear(x=x, weight=bad, name="first"), weight=weights(50, 64), name="second")

    result = quantized(build_program(body, IOS17, x=fp16(10, 64)))
    assert codes(result) == {"bad": "non-finite", "first_bias_0": "rank", "second_weight_0": "quantized",
                             "second_bias_0": "rank"}  # fmt: skip


@pytest.mark.parametrize("opset", [IOS17, IOS18], ids=str)
@pytest.mark.parametrize("width", [1, 2])
def test_weight_that_would_not_get_smaller_stays(width: int, opset: Opset) -> None:
    def body(x: Any) -> Any:
        return mb.linear(x=x, weight=weights(4000, width), name="linear")

    result = quantized(build_program(body, opset, x=fp16(10, width)))
    (remark,) = (each for each in result.remarks if each.op == "linear_weight_0")
    assert remark.kind != "passed"
    assert find_op(result.program, "linear_weight_0").op_type == "const"


@pytest.mark.parametrize("name", [name for name, build in PROGRAMS.items() if opset_of(build()) >= IOS16])
def test_no_weight_gets_larger(name: str) -> None:
    for remark in quantized(PROGRAMS[name](), min_elements=0).remarks:
        assert remark.kind != "passed" or remark.data["bytes_after"] < remark.data["bytes_before"]


def test_nothing_to_do_is_no_change() -> None:
    result = quantized(PROGRAMS["matmul_inputs"]())
    assert not result.changed
    assert result.remarks == ()
