"""What `quantize-weights` quantizes and how it encodes it; the numbers themselves are tested elsewhere."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import milopt
import numpy as np
import pytest
from milopt.ir.equality import first_difference
from milopt.ir.pymil import dtype_of, mb, opset_of
from milopt.ir.targets import IOS16, IOS17, IOS18, IOS26, Opset
from milopt.ir.upgrading import raise_opset
from milopt.ir.verifier import verify
from milopt.ir.walking import input_values, walk
from milopt.passes.analyses import AnalysisManager
from milopt.passes.analysis.weight_inventory import WeightInventory
from milopt.passes.manager import PassManager, RunResult
from milopt.passes.pipeline import program_pipeline
from milopt.passes.transforms.quantize_weights import QuantizeWeights
from support.editing import find_op, ops_of_type
from support.packages import WEIGHTS, Shelf
from support.program_registry import build_program
from support.programs import PROGRAMS, fp16, fp32, int32, weights
from support.saving import blob_count

AFFINE, BLOCKWISE = "constexpr_affine_dequantize", "constexpr_blockwise_shift_scale"


def quantized(program: Any, **options: Any) -> RunResult:
    return PassManager(program_pipeline(QuantizeWeights(**options))).run(program)


def raised(name: str, opset: Opset) -> Any:
    program = PROGRAMS[name]()
    raise_opset(program, opset)
    return program


def codes(result: RunResult) -> dict[str, str]:
    return {remark.op: remark.code for remark in result.remarks}


def compressed(program: Any) -> list[Any]:
    return [each for each in walk(program) if each.op_type in (AFFINE, BLOCKWISE)]


QUANTIZABLE = [name for name, build in PROGRAMS.items() if opset_of(build()) >= IOS16]
CONSUMERS = {"conv", "conv_transpose", "linear", "matmul", "gather", "lstm", "gru", "rnn"}


def has_weights(program: Any) -> bool:
    """Whether some constant matrix goes into these ops only; it may be refused all the same."""
    return any(
        isinstance(each.outputs[0].val, np.ndarray)
        and each.outputs[0].val.ndim > 1
        and each.outputs[0].val.dtype.kind == "f"
        and {user.op_type for user in each.outputs[0].child_ops} <= CONSUMERS
        for each in walk(program)
        if each.op_type == "const" and each.outputs[0].child_ops
    )


WITH_WEIGHTS = [name for name in QUANTIZABLE if has_weights(PROGRAMS[name]())]


def at_opsets(names: Iterable[str], *opsets: Opset) -> list[Any]:
    """Parameters: each program at each opset that it can be raised to."""
    return [
        pytest.param(name, opset, id=f"{name}-{opset}")
        for name in names
        for opset in opsets
        if opset_of(PROGRAMS[name]()) <= opset
    ]


# --- what holds for every program


@pytest.mark.parametrize("name", QUANTIZABLE)
@pytest.mark.parametrize(
    "options", [{}, {"min_elements": 0, "dtype": "uint8", "mode": "affine"}], ids=["default", "all"]
)
def test_result_is_valid_and_the_program_that_came_in_untouched(name: str, options: dict[str, Any]) -> None:
    program = PROGRAMS[name]()
    result = quantized(program, **options)
    assert verify(result.program) == []
    assert first_difference(program, PROGRAMS[name]()) is None


@pytest.mark.parametrize("name", QUANTIZABLE)
def test_every_large_constant_gets_one_remark(name: str) -> None:
    program = PROGRAMS[name]()
    constants = WeightInventory.run(program, AnalysisManager(program)).constants
    remarks = quantized(program).remarks
    assert [remark.op for remark in remarks] == [constant.op.name for constant in constants]
    assert all(remark.kind in ("passed", "missed", "analysis") and remark.message for remark in remarks)
    assert all(remark.suggestion for remark in remarks if remark.code in ("small", "unused", "axis-conflict"))


@pytest.mark.parametrize(
    ("name", "opset"), at_opsets(WITH_WEIGHTS, IOS16, IOS17, IOS18) + at_opsets(["conv", "linear", "cond"], IOS26)
)
def test_opset_decides_the_op_that_encodes(name: str, opset: Opset) -> None:
    before = raised(name, opset)
    result = quantized(before, min_elements=0)
    new = Counter(each.op_type for each in compressed(result.program))
    new.subtract(Counter(each.op_type for each in compressed(before)))
    done = Counter(BLOCKWISE if opset >= IOS18 else AFFINE for each in result.remarks if each.kind == "passed")
    assert +new == done


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_names_types_and_uses_stay(name: str) -> None:
    before = PROGRAMS[name]()
    after = quantized(before, min_elements=0).program

    def skeleton(program: Any) -> list[tuple[Any, ...]]:
        hidden = {id(value) for each in compressed(program) for _, value in input_values(each)}
        return [
            (
                each.name,
                [(output.name, output.sym_type.__type_info__()) for output in each.outputs],
                [
                    (parameter, value.name)
                    for parameter, value in input_values(each)
                    if each.op_type not in (AFFINE, BLOCKWISE)
                ],
            )
            for each in walk(program)
            if not any(id(output) in hidden for output in each.outputs)
        ]

    assert skeleton(after) == skeleton(before)
    assert [list(function.inputs) for function in after.functions.values()] == [
        list(function.inputs) for function in before.functions.values()
    ]
    assert [[each.name for each in function.outputs] for function in after.functions.values()] == [
        [each.name for each in function.outputs] for function in before.functions.values()
    ]


@pytest.mark.parametrize(("name", "opset"), at_opsets(WITH_WEIGHTS, IOS17, IOS18))
def test_second_run_finds_everything_compressed(name: str, opset: Opset) -> None:
    once = quantized(raised(name, opset), min_elements=0)
    twice = quantized(once.program, min_elements=0)
    assert not twice.changed
    assert first_difference(once.program, twice.program) is None
    assert "passed" not in {remark.kind for remark in twice.remarks}
    done = {remark.op for remark in once.remarks if remark.kind == "passed"}
    parts = {value.name for name in done for _, value in input_values(find_op(twice.program, name))}
    said = [each for each in twice.remarks if each.op in parts]
    assert [each.code for each in said] == ["compressed"] * len(done)


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_two_runs_give_equal_programs(name: str) -> None:
    first, second = (quantized(PROGRAMS[name](), min_elements=0).program for _ in range(2))
    assert first_difference(first, second) is None


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_bytes_in_remarks_are_those_of_the_constants(name: str) -> None:
    result = quantized(PROGRAMS[name](), min_elements=0)
    for remark in result.remarks:
        if remark.kind == "passed":
            found = find_op(result.program, remark.op)
            parts = [value.val for parameter, value in input_values(found) if parameter != "axis"]
            assert remark.data["bytes_after"] == sum(np.asarray(part).nbytes for part in parts)
            assert remark.data["bytes_before"] == np.prod(remark.data["shape"]) * found.scale.val.dtype.itemsize


# --- which axis


def lstm_both_ways(x: Any, h: Any, c: Any) -> Any:
    """An LSTM that reads the sequence in both directions."""
    arrays = {
        "weight_ih": weights(96, 30, dtype="float32"),
        "weight_hh": weights(96, 24, dtype="float32"),
        "weight_ih_back": weights(96, 30, dtype="float32", seed=1),
        "weight_hh_back": weights(96, 24, dtype="float32", seed=1),
        "bias": weights(96, dtype="float32"),
        "bias_back": weights(96, dtype="float32"),
    }
    return mb.lstm(x=x, initial_h=h, initial_c=c, direction="bidirectional", name="lstm", **arrays)


def matmul_of(shape: tuple[int, ...], **options: Any) -> Callable[[], Any]:
    """A product with a constant, on the right unless it is called `x`."""

    def body(x: Any) -> Any:
        operands = {"x": weights(*shape), "y": x} if options.get("left") else {"x": x, "y": weights(*shape)}
        flags = {key: value for key, value in options.items() if key.startswith("transpose")}
        return mb.matmul(**operands, **flags, name="matmul")

    return lambda: build_program(body, IOS17, x=fp16(*options["input"]))


def gather_along(axis: int) -> Callable[[], Any]:
    def body(ids: Any) -> Any:
        return mb.gather(x=weights(100, 32, 3), indices=ids, axis=axis, name="gather")

    return lambda: build_program(body, IOS17, ids=int32(7))


AXES: dict[str, tuple[Callable[[], Any], dict[str, int]]] = {
    "conv": (PROGRAMS["conv"], {"conv_weight_0": 0}),
    "conv in groups": (PROGRAMS["conv_groups"], {"conv_weight_0": 0}),
    "conv depthwise": (PROGRAMS["conv_depthwise"], {"depthwise_weight_0": 0, "pointwise_weight_0": 0}),
    "conv over one axis": (PROGRAMS["conv_1d"], {"conv_weight_0": 0}),
    "conv_transpose": (PROGRAMS["conv_transpose"], {"conv_weight_0": 1}),
    "linear": (PROGRAMS["linear"], {"linear_weight_0": 0}),
    "matmul": (PROGRAMS["matmul"], {"matmul_y_0": 1}),
    "matmul y transposed": (PROGRAMS["matmul_transpose_y"], {"matmul_y_0": 0}),
    "matmul x transposed": (PROGRAMS["matmul_transpose_x"], {"matmul_y_0": 1}),
    "matmul both transposed": (PROGRAMS["matmul_transpose_both"], {"matmul_y_0": 0}),
    "matmul on the left": (PROGRAMS["matmul_const_x"], {"matmul_x_0": 0}),
    "matmul on the left, transposed": (
        matmul_of((40, 64), left=True, transpose_x=True, input=(40, 10)), {"matmul_x_0": 1}
    ),
    "matmul on the left, the other transposed": (
        matmul_of((64, 40), left=True, transpose_y=True, input=(10, 40)), {"matmul_x_0": 0}
    ),
    "matmul of a batch": (matmul_of((3, 40, 64), input=(3, 10, 40)), {"matmul_y_0": 2}),
    "matmul of a batch, transposed": (
        matmul_of((3, 64, 40), transpose_y=True, input=(3, 10, 40)), {"matmul_y_0": 1}
    ),
    "matmul of a batch on the left": (matmul_of((3, 64, 40), left=True, input=(3, 40, 10)), {"matmul_x_0": 1}),
    "gather": (PROGRAMS["embedding"], {"rows_x_0": 0}),
    "gather along 1": (gather_along(1), {"gather_x_0": 1}),
    "gather along the last": (gather_along(-1), {"gather_x_0": 2}),
    "gather along the last but one": (gather_along(-2), {"gather_x_0": 1}),
    "tied embedding": (PROGRAMS["tied_embedding"], {"table": 0}),
    "lstm": (PROGRAMS["lstm"], {"lstm_weight_ih_0": 0, "lstm_weight_hh_0": 0}),
    "lstm both ways": (
        lambda: build_program(lstm_both_ways, IOS16, x=fp32(7, 2, 30), h=fp32(2, 48), c=fp32(2, 48)),
        {f"lstm_weight_{part}_0": 0 for part in ("ih", "hh", "ih_back", "hh_back")},
    ),
    "gru": (PROGRAMS["gru"], {"gru_weight_ih_0": 0, "gru_weight_hh_0": 0}),
    "rnn": (PROGRAMS["rnn"], {"rnn_weight_ih_0": 0, "rnn_weight_hh_0": 0}),
    "two functions": (PROGRAMS["two_functions"], {"encode_weight_0": 0, "decode_y_0": 1}),
}  # fmt: skip


@pytest.mark.parametrize(
    ("case", "opset"),
    [(case, opset) for case in AXES for opset in (IOS17, IOS18) if (case, opset) != ("two functions", IOS17)],
)
def test_scales_lie_along_the_output_channels(case: str, opset: Opset) -> None:
    build, axes = AXES[case]
    program = build()
    raise_opset(program, opset)
    result = quantized(program, min_elements=0)
    assert {remark.op: remark.data["axis"] for remark in result.remarks if remark.kind == "passed"} == axes
    for name, axis in axes.items():
        operation = find_op(result.program, name)
        shape = operation.outputs[0].shape
        if opset == IOS18:
            assert operation.scale.shape == tuple(size if index == axis else 1 for index, size in enumerate(shape))
        else:
            assert operation.axis.val == axis
            assert operation.scale.shape == operation.zero_point.shape == (shape[axis],)


# --- options and what they change


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("mode", ["symmetric", "affine"])
@pytest.mark.parametrize("granularity", ["per-channel", "per-tensor"])
@pytest.mark.parametrize("name", ["conv_transpose", "linear", "lstm"])
def test_options_decide_the_encoding_for_ios17(name: str, dtype: str, mode: str, granularity: str) -> None:
    result = quantized(raised(name, IOS17), dtype=dtype, mode=mode, granularity=granularity)
    found = ops_of_type(result.program, AFFINE)
    assert found
    for operation in found:
        weight = operation.outputs[0]
        axis = 1 if name == "conv_transpose" else 0
        assert operation.quantized_data.shape == weight.shape
        assert operation.quantized_data.val.dtype == operation.zero_point.val.dtype == dtype
        assert operation.scale.dtype == weight.dtype
        shape = () if granularity == "per-tensor" else (weight.shape[axis],)
        assert np.shape(operation.scale.val) == np.shape(operation.zero_point.val) == shape
        assert operation.axis.val == (0 if granularity == "per-tensor" else axis)
        if mode == "symmetric":
            assert set(np.unique(operation.zero_point.val)) == {128 if dtype == "uint8" else 0}
        assert f"{granularity} {mode} {dtype}" in next(
            remark.message for remark in result.remarks if remark.op == operation.name
        )


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("mode", ["symmetric", "affine"])
@pytest.mark.parametrize("granularity", ["per-channel", "per-tensor"])
@pytest.mark.parametrize("name", ["conv_transpose", "linear", "lstm"])
def test_options_decide_the_encoding_for_ios18(name: str, dtype: str, mode: str, granularity: str) -> None:
    result = quantized(raised(name, IOS18), dtype=dtype, mode=mode, granularity=granularity)
    found = ops_of_type(result.program, BLOCKWISE)
    assert found
    for operation in found:
        weight = operation.outputs[0]
        axis = 1 if name == "conv_transpose" else 0
        channels = [size if index == axis else 1 for index, size in enumerate(weight.shape)]
        shape = (1,) * weight.rank if granularity == "per-tensor" else tuple(channels)
        assert operation.data.shape == weight.shape
        assert operation.data.val.dtype == dtype
        assert (operation.scale.shape, operation.scale.dtype) == (shape, weight.dtype)
        if (mode, dtype) == ("symmetric", "int8"):
            assert operation.offset is None
        else:
            assert (operation.offset.shape, operation.offset.val.dtype) == (shape, dtype)
        if (mode, dtype) == ("symmetric", "uint8"):
            assert set(np.unique(operation.offset.val)) == {128}


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_weight_keeps_its_float_type(dtype: str) -> None:
    def body(x: Any) -> Any:
        return mb.linear(x=x, weight=weights(64, 40, dtype=dtype), name="linear")

    spec = fp16(10, 40) if dtype == "float16" else fp32(10, 40)
    operation = find_op(quantized(build_program(body, IOS17, x=spec)).program, "linear_weight_0")
    assert operation.scale.val.dtype == dtype
    assert verify(build_program(body, IOS17, x=spec)) == []


@pytest.mark.parametrize(("elements", "code"), [(2047, "small"), (2048, "small"), (2049, "quantized")])
def test_limit_itself_stays_and_one_more_goes(elements: int, code: str) -> None:
    def body(x: Any) -> Any:
        return mb.linear(x=x, weight=weights(1, elements), name="linear")

    assert codes(quantized(build_program(body, IOS17, x=fp16(10, elements))))["linear_weight_0"] == code


@pytest.mark.parametrize(("limit", "code"), [(2559, "quantized"), (2560, "small"), (0, "quantized")])
def test_limit_is_an_option(limit: int, code: str) -> None:
    assert codes(quantized(PROGRAMS["linear"](), min_elements=limit))["linear_weight_0"] == code


@pytest.mark.parametrize(("elements", "listed"), [(9, False), (10, True)])
def test_constants_too_small_for_a_weight_file_are_no_weights(elements: int, *, listed: bool) -> None:
    def body(x: Any) -> Any:
        return mb.linear(x=x, weight=weights(1, elements), name="linear")

    result = quantized(build_program(body, IOS17, x=fp16(10, elements)), min_elements=0)
    assert ("linear_weight_0" in codes(result)) == listed


# --- weights that several ops use


@pytest.mark.parametrize(("name", "weight"), [("shared_weight", "weight"), ("tied_embedding", "table")])
@pytest.mark.parametrize("opset", [IOS17, IOS18], ids=str)
def test_shared_weight_is_quantized_once(name: str, weight: str, opset: Opset) -> None:
    result = quantized(raised(name, opset))
    (operation,) = compressed(result.program)
    assert operation.name == weight
    assert len(operation.outputs[0].child_ops) == 2
    assert codes(result)[weight] == "quantized"


def test_remark_on_a_shared_weight_names_all_its_users() -> None:
    (remark,) = (each for each in quantized(PROGRAMS["tied_embedding"]()).remarks if each.kind == "passed")
    assert remark.message.endswith(" for gather, linear")


def places(package: Path, name: str) -> dict[str, Any]:
    """Where the parts of a compressed weight lie in the package's weight file."""
    model = milopt.load(package)
    parts = input_values(find_op(model.program, name))
    return {
        parameter: model.weights.find(value.val, dtype_of(value))
        for parameter, value in parts
        if isinstance(value.val, np.ndarray)
    }


def blob_sizes(package: Path) -> list[int]:
    """The sizes of all blobs in a package's weight file, as the file itself counts them."""
    data = (package / WEIGHTS).read_bytes()
    sizes, position = [], 64
    for _ in range(blob_count(package / WEIGHTS)):
        sentinel, _, size, start = struct.unpack_from("<IIQQ", data, position)
        assert sentinel == 0xDEADBEEF
        sizes.append(size)
        position = -(-(start + size) // 64) * 64
    return sizes


@pytest.mark.parametrize("target", ["iOS17", "iOS18"])
def test_shared_weight_is_saved_as_one_blob(target: str, shelf: Shelf, tmp_path: Path) -> None:
    milopt.optimize(milopt.load(shelf["shared_weight"]), target=target).model.save(tmp_path / "small.mlpackage")
    assert blob_sizes(tmp_path / "small.mlpackage").count(64 * 40) == 1


@pytest.mark.parametrize("target", ["iOS17", "iOS18"])
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_blob_that_is_referred_to_twice_stays_one_blob(target: str, dtype: str, shelf: Shelf, tmp_path: Path) -> None:
    model = milopt.load(shelf["shared_blob"])
    milopt.optimize(model, target=target, dtype=dtype).model.save(tmp_path / "small.mlpackage")
    left, right = (places(tmp_path / "small.mlpackage", f"{side}_weight_0") for side in ("left", "right"))
    assert {"data" if target == "iOS18" else "quantized_data", "scale"} <= set(left)
    assert None not in left.values()
    assert left == right


def test_equal_weights_at_two_places_stay_two(shelf: Shelf, tmp_path: Path) -> None:
    milopt.optimize(milopt.load(shelf["equal_weights"])).model.save(tmp_path / "small.mlpackage")
    assert blob_sizes(tmp_path / "small.mlpackage").count(64 * 40) == 2


def test_one_array_with_two_axes_is_quantized_along_each() -> None:
    result = quantized(PROGRAMS["two_functions"]())
    encode, decode = compressed(result.program)
    assert (encode.scale.shape, decode.scale.shape) == ((64, 1), (1, 40))


def test_one_array_of_two_functions_is_quantized_once_per_tensor() -> None:
    encode, decode = compressed(quantized(PROGRAMS["two_functions"](), granularity="per-tensor").program)
    assert np.shares_memory(encode.data.val, decode.data.val)
    assert np.shares_memory(encode.scale.val, decode.scale.val)


def test_transposed_view_of_an_array_is_another_weight() -> None:
    square = weights(64, 64)

    def body(x: Any) -> Any:
        return mb.linear(x=mb.linear(x=x, weight=square, name="first"), weight=square.T, name="second")

    program = quantized(build_program(body, IOS18, x=fp16(10, 64))).program
    first, second = (find_op(program, f"{name}_weight_0") for name in ("first", "second"))
    for operation, weight in ((first, square), (second, square.T)):
        decoded = operation.data.val.astype(np.float32) * operation.scale.val.astype(np.float32)
        np.testing.assert_allclose(decoded, weight, atol=float(operation.scale.val.max()))


@pytest.mark.parametrize("opset", [IOS17, IOS18], ids=str)
def test_weights_of_nested_blocks_are_found(opset: Opset) -> None:
    result = quantized(raised("cond", opset))
    assert {op for op, code in codes(result).items() if code == "quantized"} == {"outer_weight", "inner_weight"}
    outer, inner = (find_op(result.program, name) for name in ("outer_weight", "inner_weight"))
    main = result.program.functions["main"]
    assert outer.enclosing_block is main
    assert inner.enclosing_block is find_op(result.program, "yes").enclosing_block is not main


def test_weight_that_is_used_in_a_nested_block_stays_outside() -> None:
    result = quantized(PROGRAMS["while_loop"](), min_elements=0)
    weight, step = find_op(result.program, "outer_weight"), find_op(result.program, "step")
    assert weight.op_type == AFFINE
    assert step.weight is weight.outputs[0]
    assert step.enclosing_block is not weight.enclosing_block is result.program.functions["main"]
