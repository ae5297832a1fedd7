"""The adapter to coremltools: types, op versions, names and edits."""

from __future__ import annotations

import contextlib
import tracemalloc

import pytest
from milopt.ir.dtypes import DTYPES, DType, dtype_named, dtype_of_proto
from milopt.ir.errors import ProgramError
from milopt.ir.pymil import (
    builtin_type,
    curr_block,
    dtype_of,
    inside,
    mb,
    new_operation,
    op_class,
    opset_of,
    proto,
    types,
    unique_names,
)
from milopt.ir.targets import IOS15, IOS16, IOS17, IOS18, IOS26
from milopt.ir.text.reading import parse_program
from milopt.ir.walking import blocks_of, function_of, input_values, names_in, walk
from support.editing import find_op
from support.programs import PROGRAMS, weights

PROTO_NAMES = {"bool": "BOOL", "string": "STRING", "fp16": "FLOAT16", "fp32": "FLOAT32", "fp64": "FLOAT64"}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_element_type_has_the_number_and_the_width_of_coremltools(dtype: DType) -> None:
    name = PROTO_NAMES.get(dtype.name, dtype.name.upper())
    assert proto.MIL_pb2.DataType.Value(name) == dtype.proto
    builtin = builtin_type(dtype)
    assert types.BUILTIN_TO_PROTO_TYPES[builtin] == dtype.proto
    if dtype.name not in ("string", "bool"):
        assert builtin.get_bitwidth() == dtype.bits


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_element_type_is_found_by_name_and_by_number(dtype: DType) -> None:
    assert dtype_named(dtype.name) is dtype
    assert dtype_of_proto(dtype.proto) is dtype


def test_unknown_element_types_are_refused() -> None:
    with pytest.raises(ProgramError, match="unknown element type 'int5'"):
        dtype_named("int5")
    with pytest.raises(ProgramError, match="unknown element type number 99"):
        dtype_of_proto(99)


@pytest.mark.parametrize(
    ("program", "op", "name"),
    [
        ("linear", "linear", "fp16"),
        ("linear_fp32", "linear", "fp32"),
        ("constants", "integers", "int32"),
        ("states", "read", "fp16"),
        ("lists", "made", "fp16"),
        ("classifier_strings", "labels", "string"),
        ("classifier_integers", "labels", "int64"),
        ("lut_3_bits", "weight_indices_0", "uint3"),
        ("blockwise_int4", "weight_data_0", "int4"),
        ("sparse", "weight_mask_0", "uint1"),
    ],
)
def test_element_type_of_a_value(program: str, op: str, name: str) -> None:
    assert dtype_of(find_op(PROGRAMS[program](), op).outputs[0]).name == name


def test_element_type_of_a_state() -> None:
    assert dtype_of(PROGRAMS["states"]().functions["main"].inputs["cache"]).name == "fp16"


# --- versions of ops


def test_op_class_is_the_newest_that_the_opset_may_use() -> None:
    assert op_class("linear", IOS15) is op_class("linear", IOS16)
    assert op_class("gather", IOS16) is not op_class("gather", IOS17)
    assert op_class("constexpr_lut_to_dense", IOS17) is not op_class("constexpr_lut_to_dense", IOS18)
    assert op_class("constexpr_lut_to_dense", IOS18) is op_class("constexpr_lut_to_dense", IOS26)


def test_op_class_names_what_is_wrong_and_where() -> None:
    with pytest.raises(ProgramError, match=r"^op 'y': unknown op 'convv' \(did you mean 'conv'\?\)$"):
        op_class("convv", IOS17, "op 'y'")
    with pytest.raises(ProgramError, match=r"^op 'y': op 'read_state' is not in the opset iOS17 \(it came with iOS18"):
        op_class("read_state", IOS17, "op 'y'")


def test_opset_of_a_program_without_functions_is_refused() -> None:
    program = PROGRAMS["linear"]()
    program.functions.clear()
    with pytest.raises(ProgramError, match="no functions"):
        opset_of(program)


# --- building


def test_invalid_op_is_named() -> None:
    program = PROGRAMS["linear"]()
    function = program.functions["main"]
    inputs = {"x": function.inputs["x"], "weight": weights(64, 41)}
    with inside(function), pytest.raises(ProgramError, match=r"^op 'wrong': op of type 'linear' is not valid: "):
        new_operation(op_class("linear", IOS17), name="wrong", inputs=inputs)


def test_new_op_stands_before_the_one_that_is_named() -> None:
    program = PROGRAMS["linear_chain"]()
    function, second = program.functions["main"], find_op(program, "second")
    with inside(function):
        new_operation(op_class("tanh", IOS17), name="tanh", inputs={"x": second.x}, before=second)
    names = [operation.name for operation in function.operations if operation.op_type != "const"]
    assert names == ["first", "relu", "tanh", "second"]


def test_current_block_is_restored() -> None:
    outer, inner = (PROGRAMS[name]().functions["main"] for name in ("linear", "conv"))
    with inside(outer):
        with contextlib.suppress(KeyError), inside(inner):
            assert curr_block() is inner
            raise KeyError
        assert curr_block() is outer


def test_names_are_free_and_the_same_in_every_run() -> None:
    def names() -> list[str]:
        program = PROGRAMS["linear"]()
        function = program.functions["main"]
        with unique_names(["relu_0", "relu_2", "relu_3"]), inside(function):
            return [mb.relu(x=function.inputs["x"]).name for _ in range(3)]

    assert names() == names() == ["relu_1", "relu_4", "relu_5"]


def test_names_of_coremltools_are_counted_on_afterwards() -> None:
    before = mb.name_count
    with pytest.raises(KeyError), unique_names([]):
        raise KeyError
    assert mb.name_count is before


# --- walking


def test_walk_visits_every_op_once_and_owners_first() -> None:
    names = [operation.name for operation in walk(PROGRAMS["cond_in_loop"]()) if operation.op_type != "const"]
    assert names == ["scalar", "chosen", "loop", "more", "choice", "rectified", "halved", "next"]


def test_blocks_are_functions_and_what_is_nested_in_them() -> None:
    assert len(list(blocks_of(PROGRAMS["cond_in_loop"]()))) == 5
    assert len(list(blocks_of(PROGRAMS["two_functions"]()))) == 2


def test_function_of_a_nested_op() -> None:
    program = PROGRAMS["cond_in_loop"]()
    assert function_of(find_op(program, "halved")) is program.functions["main"]


def test_variadic_inputs_are_listed_one_by_one() -> None:
    program = PROGRAMS["variadic"]()
    pairs = [(key, var.name) for key, var in input_values(find_op(program, "joined")) if key == "values"]
    assert pairs == [("values", "split_1"), ("values", "split_0"), ("values", "split_1")]


def test_names_of_inputs_ops_and_outputs_are_listed() -> None:
    names = set(names_in(PROGRAMS["while_loop"]()))
    assert {"x", "limit", "loop", "loop_0", "loop_1", "step", "zero_x0", "x_x0"} <= names


@pytest.mark.parametrize("shape", ["[2000000000]", "[100000, 100000]"])
def test_huge_values_are_not_computed_from_small_ones(shape: str) -> None:
    """A text of a few lines must not ask for gigabytes."""
    sizes = shape.strip("[]").split(",")
    text = (
        "program(1.3) { func main<ios17>(tensor<fp16, [1]> x) { "
        f"tensor<int32, [{len(sizes)}]> s = const()[val = tensor<int32, [{len(sizes)}]>({shape})]; "
        f"tensor<fp16, {shape}> y = fill(shape = s, value = fp16(1)); }} -> (y); }}"
    )
    tracemalloc.start()
    try:
        program = parse_program(text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert program.functions["main"].outputs[0].val is None
    assert peak < 20 << 20


def test_small_values_are_computed_as_before() -> None:
    program = parse_program(
        "program(1.3) { func main<ios17>(tensor<fp16, [1]> x) { "
        "tensor<fp16, [3]> y = fill(shape = tensor<int32, [1]>([3]), value = fp16(1)); } -> (y); }"
    )
    assert program.functions["main"].outputs[0].val.tolist() == [1, 1, 1]
