from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from milopt.ir.pymil import mb
from milopt.ir.rewriting.algebra import Call, Expression, Literal, Name, parse_rule
from milopt.ir.rewriting.patterns import Pattern, PatternError
from milopt.ir.rewriting.rules import rule
from milopt.ir.targets import IOS17
from support.editing import find_op
from support.programs import fp16, fp32
from support.rewriting import applied, built, chain, half, op_types


def left_side(text: str) -> Call:
    return parse_rule(f"{text} -> x")[0]


def test_the_notation() -> None:
    found = left_side('concat(f(x, z?), axis = -1, perm=[0, 2], mode="same", deep=true, eps=1e-3)')
    inner = Call("f", (Name("x"), Name("z", optional=True)))
    named = {"axis": -1, "perm": (0, 2), "mode": "same", "deep": True, "eps": 1e-3}
    assert found == Call("concat", (inner,), tuple((name, Literal(value)) for name, value in named.items()))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x -> y", "the left side must be an op"),
        ("relu(x)", "column 8: expected '->'"),
        ("relu(x -> x", "column 8: expected ','"),
        ("relu(x) -> ", "column 12: expected an op, a name or a value"),
        ("relu(x) -> x y", "column 14: expected the end"),
        ("relu(X) -> x", "column 6: names are written in lower case, 'X' is not"),
        ("relu(x=a, x=b) -> a", "'x' is given twice"),
        ("relu(x=a, b) -> a", "inputs without names come before"),
        ("pad(x, pad=[a]) -> x", "column 13: expected a value, found 'a'"),
        ("relu(x) -> y", "asks for 'y', which stands for nothing"),
        ("relu(op) -> op", "'op' stands for the whole op"),
    ],
)
def test_faults_of_the_text(text: str, message: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the message is compared below
        rule(text, name="r")
    assert message in str(raised.value)
    assert repr(text) in str(raised.value)


def test_faults_of_functions() -> None:
    with pytest.raises(ValueError, match="where asks for 'y'"):
        rule("relu(x) -> x", name="r", where=lambda y: y is None)
    with pytest.raises(ValueError, match="let 'r' asks for 's'"):
        rule("relu(x) -> mul(x, r)", name="r", let={"r": lambda s: s})
    with pytest.raises(ValueError, match="let computes 'x', which has a value already"):
        rule("relu(x) -> x", name="r", let={"x": lambda: 1})


def test_inputs_that_an_op_does_not_have_are_told_with_those_it_has() -> None:
    with pytest.raises(PatternError, match=r"'relu' has no further input 'y': it has x"):
        applied(chain("relu", 1), [rule("relu(x, y=z) -> x", name="r")])
    with pytest.raises(PatternError, match="'relu' has 1 inputs, not 2"):
        applied(chain("relu", 1), [rule("relu(x, y) -> x", name="r")])


def once(body: Any, pattern: Pattern, **inputs: Any) -> tuple[int, Any]:
    program = built(body, IOS17, **inputs)
    return sum(applied(program, [pattern]).counts.values()), program


@pytest.mark.parametrize(("value", "fits"), [(0, 1), (1, 0), ([0, 0, 0], 1), ([0, 1, 0], 0), ([[0, 0, 0]] * 2, 1)])
def test_numbers_stand_for_constants_of_that_number(value: Any, fits: int) -> None:
    constant = np.asarray(value, np.float16)[()]
    count, _ = once(lambda x: mb.abs(x=mb.add(x=x, y=constant)), rule("add(x, 0) -> x", name="r"))
    assert count == fits


def test_lists_stand_for_exactly_that_constant() -> None:
    swap = rule("transpose(x, perm=[1, 0]) -> identity(x)", name="r", where=lambda op: op.x.shape[0] == op.x.shape[1])

    def body(x: Any) -> Any:
        return mb.transpose(x=x, perm=[1, 0]), mb.transpose(x=x, perm=[0, 1])

    count, program = once(body, swap, x=fp16(3, 3))
    assert (count, op_types(program)) == (1, ["identity", "transpose"])


def test_texts_and_truth_values() -> None:
    def body(x: Any) -> Any:
        return mb.cast(x=x, dtype="fp32"), mb.reduce_sum(x=x, axes=[0], keep_dims=True), mb.reduce_sum(x=x, axes=[0])

    patterns = {
        'cast(x, dtype="fp32") -> cast(abs(x), dtype="fp32")': 1,
        'cast(x, dtype="fp16") -> x': 0,
        "reduce_sum(x, axes=a, keep_dims=true) -> reduce_mean(x, axes=a, keep_dims=true)": 1,
        "reduce_sum(x, axes=a, keep_dims=false) -> reduce_mean(x, axes=a)": 1,
        "reduce_sum(x, axes=a, keep_dims=1) -> reduce_mean(x, axes=a)": 0,
    }
    for text, fits in patterns.items():
        unless_done = rule(text, name="r", where=lambda op: getattr(op.x.op, "op_type", "") != "abs")
        assert once(body, unless_done)[0] == fits, text


def test_what_is_not_mentioned_must_be_the_default() -> None:
    def body(x: Any) -> Any:
        return mb.reduce_sum(x=x, axes=[0], name="default"), mb.reduce_sum(x=x, axes=[0], keep_dims=True, name="other")

    count, program = once(body, rule("reduce_sum(x, axes=a) -> reduce_max(x, axes=a)", name="r"))
    assert count == 1
    assert find_op(program, "default").op_type == "reduce_max"


def test_the_same_name_means_the_same_value_or_equal_constants() -> None:
    def body(x: Any, y: Any) -> Any:
        two, again, other = (mb.const(val=half(value)) for value in (2, 2, 3))
        return (
            mb.sub(x=x, y=x, name="same"),
            mb.sub(x=x, y=y, name="different"),
            mb.sub(x=mb.mul(x=x, y=two), y=mb.mul(x=y, y=again), name="equal"),
            mb.sub(x=mb.mul(x=x, y=two), y=mb.mul(x=y, y=other), name="unequal"),
        )

    inputs = {"x": fp16(2, 3), "y": fp16(2, 3)}
    _, program = once(body, rule("sub(x, x) -> mul(x, 0)", name="r"), **inputs)
    assert find_op(program, "same").op_type == "mul"
    assert find_op(program, "different").op_type == "sub"
    _, program = once(body, rule("sub(mul(x, c), mul(y, c)) -> mul(sub(x, y), c)", name="r"), **inputs)
    assert find_op(program, "equal").op_type == "mul"
    assert find_op(program, "unequal").op_type == "sub"


def test_ops_that_may_swap_match_both_ways() -> None:
    def body(x: Any) -> Any:
        return mb.add(x=mb.relu(x=x), y=x), mb.add(x=x, y=mb.relu(x=x)), mb.sub(x=mb.relu(x=x), y=x)

    assert once(body, rule("add(x, relu(y)) -> maximum(x, y)", name="r"))[0] == 2
    assert once(body, rule("sub(x, relu(y)) -> maximum(x, y)", name="r"))[0] == 0


def test_swapping_tries_again_when_where_says_no() -> None:
    def body(x: Any) -> Any:
        return mb.abs(x=mb.mul(x=mb.const(val=half(2)), y=x))

    scaled = rule("mul(x, c) -> add(x, x)", name="r", where=lambda c: c.val is not None)
    assert once(body, scaled)[0] == 1


def test_values_inside_may_have_other_users() -> None:
    def body(x: Any) -> Any:
        inner = mb.relu(x=x, name="inner")
        return mb.abs(x=mb.relu(x=inner, name="outer")), mb.exp(x=inner)

    count, program = once(body, rule("relu(relu(x)) -> relu(x)", name="r"))
    assert count == 1
    assert sorted(op_types(program)) == ["abs", "exp", "relu", "relu"]


def test_absent_inputs_are_left_out() -> None:
    def body(x: Any) -> Any:
        plain = mb.quantize(input=mb.square(x=x), scale=half(0.5), output_dtype="int8", name="plain")
        zero = np.int8(3)
        shifted = mb.quantize(
            input=mb.square(x=x), scale=half(0.5), zero_point=zero, output_dtype="int8", name="shifted"
        )
        return plain, shifted

    text = (
        "quantize(square(x), scale=s, zero_point=z?, axis=a?, output_dtype=t)"
        " -> quantize(x, scale=s, zero_point=z, axis=a, output_dtype=t)"
    )
    count, program = once(body, rule(text, name="r"))
    assert count == 2
    assert find_op(program, "plain").zero_point is None
    assert int(find_op(program, "shifted").zero_point.val) == 3
    assert once(body, rule(text.replace("?", ""), name="r"))[0] == 0


@pytest.mark.parametrize("spec", [fp16(2, 3), fp32(2, 3)])
def test_numbers_take_the_type_of_what_they_meet(spec: Any) -> None:
    _, program = once(lambda x: mb.add(x=x, y=x, name="out"), rule("add(x, x) -> mul(x, 2)", name="r"), x=spec)
    assert find_op(program, "out").y.dtype == find_op(program, "out").x.dtype


def test_let_computes_constants_of_the_right_side() -> None:
    def body(x: Any) -> Any:
        return mb.transpose(x=mb.transpose(x=x, perm=[1, 2, 0]), perm=[2, 1, 0], name="out")

    merged = rule(
        "transpose(transpose(x, perm=p), perm=q) -> transpose(x, perm=s)",
        name="r",
        let={"r": lambda p, q: p.val[q.val], "s": lambda r: r},
    )
    _, program = once(body, merged, x=fp16(2, 3, 5))
    assert find_op(program, "out").perm.val.tolist() == [0, 2, 1]


def test_a_right_side_may_be_a_constant() -> None:
    zero = rule("sub(x, x) -> z", name="r", let={"z": lambda x: np.zeros(x.shape, np.float16)})
    _, program = once(lambda x: mb.abs(x=mb.sub(x=x, y=x)), zero)
    assert op_types(program) == ["abs"]


def test_variadic_inputs_bind_as_one() -> None:
    def body(x: Any, y: Any) -> Any:
        return mb.abs(x=mb.concat(values=[x, y, x], axis=0, name="joined"), name="out")

    doubled = rule("abs(concat(v, axis=a)) -> concat(v, axis=a)", name="r")
    count, program = once(body, doubled, x=fp16(2, 3), y=fp16(4, 3))
    assert count == 1
    assert [var.name for var in find_op(program, "out").values] == ["x", "y", "x"]


# Each op with the number of values that it takes.
_UNARY, _BINARY = ("relu", "abs"), ("add", "sub")


def trees(depth: int) -> st.SearchStrategy[str]:
    if depth == 0:
        return st.sampled_from(["x", "y"])
    smaller = trees(depth - 1)
    return st.one_of(
        smaller,
        st.tuples(st.sampled_from(_UNARY), smaller).map(lambda each: f"{each[0]}({each[1]})"),
        st.tuples(st.sampled_from(_BINARY), smaller, smaller).map(lambda each: f"{each[0]}({each[1]}, {each[2]})"),
    )


def evaluated(expression: Expression, values: dict[str, Any]) -> Any:
    """What an expression says, built as a program."""
    if isinstance(expression, Name):
        return values[expression.name]
    assert isinstance(expression, Call)
    inputs = [evaluated(each, values) for each in expression.positional]
    return getattr(mb, expression.op_type)(**dict(zip("xy", inputs, strict=False)))


@settings(max_examples=60, deadline=None)
@given(text=trees(3).filter(lambda text: "(" in text))
def test_every_expression_matches_the_program_that_it_describes(text: str) -> None:
    expression = left_side(text)
    program = built(lambda x, y: mb.exp(x=evaluated(expression, {"x": x, "y": y})), x=fp16(2, 3), y=fp16(2, 3))
    root = next(reversed(program.functions["main"].operations)).x.op
    bound: list[dict[str, str]] = []
    names = [name for name in ("x", "y") if name in text]
    where = {
        ("x",): lambda x: bound.append({"x": x.name}) or True,
        ("y",): lambda y: bound.append({"y": y.name}) or True,
        ("x", "y"): lambda x, y: bound.append({"x": x.name, "y": y.name}) or True,
    }[tuple(names)]
    found = applied(program, [rule(f"{text} -> square({names[0]})", name="r", where=where)])
    assert found.counts["r"] >= 1
    assert any(each == {name: name for name in names} for each in bound)
    assert root.enclosing_block is None
