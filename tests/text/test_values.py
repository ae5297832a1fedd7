"""Numbers in text: the ends of every type, what is out of them, how floats are rounded, and arrays back and forth."""

from __future__ import annotations

from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from milopt.ir.diagnostics import TextError
from milopt.ir.dtypes import DTYPES, DType, dtype_named
from milopt.ir.proto.values import fill_tensor
from milopt.ir.text.formatting import Formatter, tensor_elements
from milopt.ir.text.parser import parse_proto
from support.generated_values import dimension, elements, tensor_type
from support.hostile_texts import attribute

INTEGERS = [dtype for dtype in DTYPES if "int" in dtype.name]
FLOATS = [dtype for dtype in DTYPES if dtype.is_float]
FORMATTERS = [Formatter(scalars_as_tensors=as_tensors, blob=lambda *_: "") for as_tensors in (False, True)]


def read(text: str) -> np.ndarray:
    """The array of a typed tensor in a text."""
    value = parse_proto(attribute(text)).program.attributes["a"]
    kind = value.type.tensorType
    dtype = next(each for each in DTYPES if each.proto == kind.dataType)
    shape = [each.constant.size for each in kind.dimensions]
    return np.array(tensor_elements(value.immediateValue.tensor, dtype, prod(shape)), dtype.numpy).reshape(shape)


def message(text: str) -> str:
    """What a text is told."""
    with pytest.raises(TextError) as caught:
        parse_proto(attribute(text))
    (found,) = caught.value.diagnostics
    return found.message


def limits(dtype: DType) -> tuple[int, int]:
    low = 0 if dtype.name.startswith("u") else -(1 << dtype.bits - 1)
    return low, low + (1 << dtype.bits) - 1


# --- integers


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_ends_of_every_integer_type(dtype: DType) -> None:
    low, high = limits(dtype)
    assert read(f"tensor<{dtype}, [4]>([{low}, {high}, 0, {hex(high)}])").tolist() == [low, high, 0, high]
    assert read(f"{dtype}({high})").tolist() == high


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_beyond_the_ends_of_every_integer_type(dtype: DType) -> None:
    low, high = limits(dtype)
    for value in (low - 1, high + 1):
        expected = f"{value} is outside the range of {dtype}: {low} to {high}"
        assert message(f"{dtype}({value})") == expected
        assert message(f"tensor<{dtype}, [3]>([0, {value}, {value}])") == expected


NO_INTEGERS = ("1.0", "1e3", "0x", "0x1p+0", "1_000", "--1", "1-", "inf", "true", "x", "'1'", "\u0663", "0b1")
NO_FLOATS = ("1.2.3", "0x", "0x1p", "0xp1", "1e", "e1", ".", "-", "infinity", "1_0", "1f", "\u0663.0", "NaN", "1p1")


@pytest.mark.parametrize("word", NO_INTEGERS)
def test_what_is_no_whole_number(word: str) -> None:
    assert message(f"tensor<int32, [1]>([{word}])") == f"expected a whole number of type int32, found {word!r}"


@pytest.mark.parametrize("word", ["+1", "01", "0x1", "0X1", "1 ", "\n1"])
def test_other_spellings_of_one(word: str) -> None:
    assert read(f"tensor<int16, [1]>([{word}])").tolist() == [1]


# --- truth values and strings


@pytest.mark.parametrize("word", ["1", "0", "True", "FALSE", "tru", "nan"])
def test_what_is_no_truth_value(word: str) -> None:
    assert message(f"tensor<bool, [1]>([{word}])") == f"expected true or false, found {word!r}"
    assert message(f"bool({word})") == f"expected true or false, found {word!r}"


def test_what_is_no_string() -> None:
    assert message("tensor<string, [1]>([1])") == "expected a string, found '1'"
    assert message("string(a)") == "expected a string, found 'a'"
    assert message('int32("1")') == "expected a value of type int32, found a string"


# --- floats


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_ends_of_every_float_type(dtype: DType) -> None:
    info = np.finfo(dtype.numpy)
    ends = [float(each) for each in (info.max, info.min, info.tiny, info.smallest_subnormal, -0.0)]
    for words in (map(repr, ends), map(float.hex, ends)):
        found = read(f"tensor<{dtype}, [5]>([{', '.join(words)}])")
        assert found.dtype == dtype.numpy
        assert found.tolist() == ends
        assert np.signbit(found).tolist() == [False, True, False, False, True]


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_floats_that_are_no_numbers(dtype: DType) -> None:
    found = read(f"tensor<{dtype}, [4]>([inf, -inf, +inf, nan])")
    assert found[:3].tolist() == [float("inf"), -float("inf"), float("inf")]
    assert np.isnan(found[3])


@pytest.mark.parametrize(
    ("dtype", "word"),
    [
        ("fp16", "65520"),
        ("fp16", "-65520.0"),
        ("fp16", "0x1p+16"),
        ("fp16", "1e5"),
        ("fp32", "0x1p+128"),
        ("fp32", "3.4028235677973366e38"),
    ],
)
def test_floats_beyond_the_range(dtype: str, word: str) -> None:
    assert message(f"tensor<{dtype}, [2]>([0, {word}])") == f"{word} is beyond the range of {dtype}"


@pytest.mark.parametrize("word", ["1e999", "-1e999", "0x1p+1024"])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_floats_beyond_every_range_do_not_become_infinite(dtype: DType, word: str) -> None:
    assert message(f"{dtype}({word})") == f"{word} is beyond the range of {dtype}"


@pytest.mark.parametrize("word", NO_FLOATS)
def test_what_is_no_float(word: str) -> None:
    assert message(f"tensor<fp16, [1]>([{word}])") == f"expected a number of type fp16, found {word!r}"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("65519.996", 65504.0),  # below the middle between the largest number and what would be the next
        ("1.00048828125", 1.0),  # ties go to the even neighbour
        ("1.00146484375", 1.001953125),
        ("1.000488281251", 1.0009765625),
        ("0x1.002p+0", 1.0),
        ("0x1.006p+0", 1.001953125),
        ("0x1.0020001p+0", 1.0009765625),
        ("0x1.8p-24", 2.0**-23),
        ("0x1p-25", 0.0),
        ("0x1.0001p-25", 2.0**-24),
        ("-0x1p-26", -0.0),
        ("0.1", 0.0999755859375),
        ("0x1.1000000000000p-20", 1.0625 * 2.0**-20),
    ],
)
def test_rounding_to_fp16(word: str, expected: float) -> None:
    found = read(f"fp16({word})")
    assert found.tobytes() == np.float16(expected).tobytes()
    assert read(f"tensor<fp16, [1]>([{word}])").tobytes() == found.tobytes()


@settings(deadline=None, max_examples=100, derandomize=True, database=None)
@given(st.fractions(-65504, 65504, max_denominator=10**6))
def test_decimals_become_the_nearest_half(number: Fraction) -> None:
    found = read(f"fp16({float(number)!r})")
    exact = Fraction(float(number))
    with np.errstate(over="ignore"):
        neighbours = [np.nextafter(found, np.float16(side)) for side in (-np.inf, np.inf)]
    distances = [abs(Fraction(float(each)) - exact) for each in neighbours if np.isfinite(each)]
    assert abs(Fraction(float(found)) - exact) <= min(distances)


# --- shapes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tensor<int8, [2]>([])", "0 elements where the shape says 2"),
        ("tensor<int8, [2]>([1, 2, 3])", "3 elements where the shape says 2"),
        ("tensor<int8, [0]>([1])", "1 element where the shape says 0"),
        ("tensor<int8, [2, 2]>([[1, 2]])", "1 element where the shape says 2"),
        ("tensor<int8, [2, 2]>([[1, 2], [3, 4], [5, 6]])", "3 elements where the shape says 2"),
        ("tensor<int8, [2, 2]>([[1, 2], [3, 4, 5]])", "3 elements where the shape says 2"),
        ("tensor<int8, [2, 2]>([1, 2, 3, 4])", "expected '[' for a dimension of 2, found '1'"),
        ("tensor<int8, [2]>([[1], [2]])", "expected ']' or ',' after an element, found '['"),
        ("tensor<int8, []>([1])", "expected a value of type int8, found '['"),
        ("tensor<int8, [1, 2]>(1)", "expected '[' for the shape [1, 2], found '1'"),
        ('tensor<string, [2]>(["a", "b", "c"])', "3 elements where the shape says 2"),
        ("tensor<int8, [3, ?, 2]>([[[1, 2]], [[3, 4]]])", "2 elements where the shape says 3"),
        ("tensor<int8, [?, 2]>([[1, 2], [3]])", "1 element where the shape says 2"),
        ("tensor<int8, [2, ?]>([[1], [2, 3]])", "rows of 1, 2 elements where the shape says '?'"),
        ("tensor<int8, [2, ?]>([[1, 2, 3], [4]])", "rows of 1, 3 elements where the shape says '?'"),
        ("tensor<int8, [?, ?]>([[1], [2]])", "a value of the shape [?, ?] is ambiguous"),
        ("tensor<int8, [?, 0]>([])", "a value of the shape [?, 0] is ambiguous"),
    ],
)
def test_shapes_that_values_do_not_have(text: str, words: str) -> None:
    assert message(text) == words


@pytest.mark.parametrize(
    ("text", "expected"),
    [("tensor<int8, [?, 2]>([[1, 2], [3, 4]])", [1, 2, 3, 4]), ("tensor<int8, [2, ?]>([[1], [2]])", [1, 2])],
)
def test_unknown_sizes_follow_from_the_rows(text: str, expected: list[int]) -> None:
    tensor = parse_proto(attribute(text)).program.attributes["a"].immediateValue.tensor
    assert np.frombuffer(tensor.bytes.values, np.int8).tolist() == expected


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3), (2, 0, 3)])
def test_tensors_without_elements(shape: tuple[int, ...]) -> None:
    assert read(f"tensor<fp16, {list(shape)}>([])").shape == shape


def test_row_longer_than_what_is_looked_at_together() -> None:
    numbers = np.arange(60_000, dtype=np.int32) * 7919 % 100_003
    assert read(f"tensor<int32, [60000]>([{', '.join(map(str, numbers))}])").tolist() == numbers.tolist()
    found = message(f"tensor<int32, [60000]>([{', '.join(map(str, numbers[:-1]))}, 1.5])")
    assert found == "expected a whole number of type int32, found '1.5'"


# --- back and forth


@st.composite
def arrays(draw: Any, dtype: DType) -> np.ndarray | list[str]:
    """Arrays of any shape of at most a few elements, extremes often."""
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    size = prod(shape)
    items = draw(st.lists(elements(dtype), min_size=size, max_size=size))
    return np.array(items, object if dtype.name == "string" else dtype.numpy).reshape(shape)


def written(array: np.ndarray, dtype: DType, formatter: Formatter) -> str:
    """The text of an array."""
    from milopt.ir.pymil import proto

    value = proto.MIL_pb2.Value(type=tensor_type(dtype, [dimension(size) for size in array.shape]))
    flat = array.reshape(-1)
    fill_tensor(value.immediateValue.tensor, flat.tolist() if dtype.name == "string" else flat, dtype)
    return formatter.value(value)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@settings(deadline=None, max_examples=30, derandomize=True, database=None)
@given(data=st.data())
def test_arrays_come_back(dtype: DType, data: st.DataObject) -> None:
    array = data.draw(arrays(dtype))
    for formatter in FORMATTERS:
        text = written(array, dtype, formatter)
        found = read(text) if dtype.name != "string" else strings_of(text)
        if dtype.name == "string":
            assert found == array.reshape(-1).tolist()
        else:
            assert found.shape == array.shape
            assert found.tobytes() == array.tobytes()


def strings_of(text: str) -> list[str]:
    tensor = parse_proto(attribute(text)).program.attributes["a"].immediateValue.tensor
    return list(tensor.strings.values)


def test_every_half_comes_back() -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = halves[~np.isnan(halves)]
    found = read(written(halves, dtype_named("fp16"), FORMATTERS[0]))
    assert found.tobytes() == halves.tobytes()
