"""Generated programs survive text: protobuf programs of every construct, and valid PyMIL programs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from coremltools.converters.mil.backend.mil.helper import create_tensor_value
from hypothesis import HealthCheck, given, settings
from milopt.ir.dtypes import DTYPES, DType, dtype_named
from milopt.ir.equality import first_difference
from milopt.ir.pymil import builtin_type, types
from milopt.ir.text.parser import parse_proto
from milopt.ir.text.printer import print_program, print_proto
from milopt.ir.text.reading import parse_program
from milopt.ir.verifier import verify
from support.generated import program_with, proto_programs
from support.generated_pymil import programs
from support.generated_values import MIL, dictionary_type, dimension, tensor_type, tensor_value

quick = settings(
    deadline=None, database=None, derandomize=True, max_examples=40, suppress_health_check=[HealthCheck.too_slow]
)
DIALECTS: tuple[Any, ...] = ("1.0", "1.3")
FP16, STRING = dtype_named("fp16"), dtype_named("string")
# Values at which a type is most likely to be mistaken for another.
EXTREMES = {
    "bool": [True, False],
    "string": ["", '"\\\n', "\U0001f600\0"],
    "fp16": [65504.0, -(2.0**-24), -0.0, float("inf"), float("-inf"), float("nan")],
    "fp32": [3.4028234663852886e38, -(2.0**-149), -0.0, float("inf"), float("-inf"), float("nan")],
    "fp64": [1.7976931348623157e308, -5e-324, -0.0, float("inf"), float("-inf"), float("nan")],
}


def extremes(dtype: DType) -> list[Any]:
    low = 0 if dtype.name.startswith("u") else -(1 << max(dtype.bits, 1) - 1)
    return EXTREMES.get(dtype.name) or [low, low + (1 << dtype.bits) - 1, 1]


def serialized(program: Any) -> bytes:
    return bytes(program.SerializeToString(deterministic=True))


def check_program_comes_back(program: Any, dialect: Any) -> None:
    text = print_proto(program, dialect=dialect)
    parsed = parse_proto(text)
    assert parsed.dialect == dialect
    assert serialized(parsed.program) == serialized(program), text
    assert print_proto(parsed.program, dialect=dialect) == text


@quick
@given(proto_programs())
def test_protobuf_programs_come_back(program: Any) -> None:
    for dialect in DIALECTS:
        check_program_comes_back(program, dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_ends_of_every_type_come_back(dtype: DType, dialect: Any) -> None:
    values = extremes(dtype)
    one_axis = tensor_value(tensor_type(dtype, [dimension(len(values))]), values)
    scalar, nothing = tensor_value(tensor_type(dtype, []), values[:1]), tensor_type(dtype, [dimension(3), dimension(0)])
    program = program_with(one_axis=one_axis, scalar=scalar, nothing=tensor_value(nothing, []))
    check_program_comes_back(program, dialect)


# coremltools writes no uint64, and takes strings apart with numpy, which loses NULs at their ends.
@pytest.mark.parametrize("dtype", [dtype for dtype in DTYPES if dtype.name not in ("string", "uint64")], ids=str)
def test_generated_values_are_held_as_coremltools_holds_them(dtype: DType) -> None:
    values = extremes(dtype)
    array = np.array(values, types.nptype_from_builtin(builtin_type(dtype)))
    ours = tensor_value(tensor_type(dtype, [dimension(len(values))]), values)
    assert serialized(ours) == serialized(create_tensor_value(array))


@quick
@given(programs())
def test_pymil_programs_come_back(program: Any) -> None:
    assert verify(program) == []
    for dialect in DIALECTS:
        text = print_program(program, weights="inline", dialect=dialect)
        found = parse_program(text)
        assert first_difference(found, program) is None, text
        assert verify(found) == []
        assert print_program(found, weights="inline", dialect=dialect) == text


# --- what text does not carry, and what comes back instead


def test_entries_of_dictionaries_come_back_sorted() -> None:
    string = tensor_type(STRING, [])
    dictionary = MIL.Value(type=dictionary_type(string, string))
    for key in ("b", "a"):
        dictionary.immediateValue.dictionary.values.add(
            key=tensor_value(string, [key]), value=tensor_value(string, [""])
        )
    found = parse_proto(print_proto(program_with(d=dictionary))).program.attributes["d"]
    entries = found.immediateValue.dictionary.values
    assert [entry.key.immediateValue.tensor.strings.values[0] for entry in entries] == ["a", "b"]


@pytest.mark.parametrize("bits", [0x7E00, 0xFE00, 0x7C01])
def test_every_nan_comes_back_as_the_same(bits: int) -> None:
    value = tensor_value(tensor_type(FP16, []), [0.0])
    value.immediateValue.tensor.bytes.values = np.uint16(bits).tobytes()
    found = parse_proto(print_proto(program_with(n=value))).program.attributes["n"]
    assert found.immediateValue.tensor.bytes.values == np.float16("nan").tobytes()


def test_a_program_without_attributes_comes_back_with_an_empty_build_info() -> None:
    found = parse_proto(print_proto(MIL.Program(version=1))).program
    assert list(found.attributes) == ["buildInfo"]
    assert not found.attributes["buildInfo"].immediateValue.dictionary.values
