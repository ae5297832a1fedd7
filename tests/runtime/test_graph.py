from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from milopt.runtime.engine import Engine
from milopt.runtime.graph import BOOL, FLOAT, INT32, INT64, Body, Graph, Tensor
from milopt.runtime.onnx_model import model_of

INT16 = np.dtype("int16")


def op_types(body: Body) -> list[str]:
    return [node.op_type for node in body.nodes]


def values(g: Graph, results: Sequence[Tensor], **feeds: np.ndarray) -> list[np.ndarray]:
    g.finish(results)
    engine = Engine(g, {name: array.shape for name, array in feeds.items()}, threads=1)
    return engine.run([g.names.get(each.name, each.name) for each in g.main.outputs], feeds)


def constant_inputs(g: Graph, node: int = -1) -> list[np.ndarray]:
    return [g.constants[name].load() for name in g.main.nodes[node].inputs if name in g.constants]


# --- operands


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int32", "float32"])
def test_a_number_takes_the_type_of_its_neighbour_on_either_side(dtype: str) -> None:
    g = Graph()
    x = g.input("x", dtype)

    tensors = [g.op("Sub", x, 1), g.op("Sub", 1, x)]

    assert [tensor.dtype.name for tensor in tensors] == [dtype, dtype]
    assert [constant_inputs(g, node)[0].dtype.name for node in (0, 1)] == [dtype, dtype]
    assert op_types(g.main) == ["Sub", "Sub"]


def test_a_number_with_a_type_of_its_own_is_what_python_has() -> None:
    g = Graph()
    g.op("Pow", g.input("x", FLOAT), 2)

    assert [array.dtype for array in constant_inputs(g)] == [INT64]


def test_a_number_where_the_schema_fixes_the_type() -> None:
    g = Graph()
    g.op("Where", 1, g.input("x", FLOAT), 0)

    assert [array.dtype for array in constant_inputs(g)] == [BOOL, FLOAT]


def test_a_list_is_a_vector_of_int64_even_when_empty() -> None:
    g = Graph()
    g.op("Reshape", g.op("Reshape", g.input("x", FLOAT), [1, -1]), [])

    np.testing.assert_array_equal(constant_inputs(g, 0)[0], np.int64([1, -1]), strict=True)
    np.testing.assert_array_equal(constant_inputs(g, 1)[0], np.int64([]), strict=True)


def test_inputs_that_are_left_out() -> None:
    g = Graph()
    x = g.input("x", FLOAT)
    above, plain = g.op("Clip", x, None, 1), g.op("Clip", x, None, None)

    assert [len(node.inputs) for node in g.main.nodes] == [3, 1]
    for value, expected in zip(values(g, [above, plain], x=np.float32([-2, 2])), ([-2, 1], [-2, 2]), strict=True):
        np.testing.assert_array_equal(value, expected)


def test_attributes_that_are_left_out() -> None:
    g = Graph()
    g.op("Softmax", g.input("x", FLOAT), axis=None)

    assert g.main.nodes[0].attributes == {}


def test_operands_of_several_types_meet_in_that_of_the_first() -> None:
    g = Graph()
    x, y = g.input("x", INT64), g.input("y", INT32)
    total = g.op("Add", x, y)

    np.testing.assert_array_equal(values(g, [total], x=np.int64([2**40]), y=np.int32([1]))[0], [2**40 + 1])


# --- casts


def test_an_op_without_a_kernel_is_cast_around() -> None:
    g = Graph()
    x = g.input("x", INT16)
    larger = g.op("Max", x, 2)

    assert (larger.dtype, op_types(g.main)) == (INT16, ["Cast", "Max", "Cast"])
    np.testing.assert_array_equal(values(g, [larger], x=np.int16([1, 3]))[0], np.int16([2, 3]), strict=True)


def test_each_output_has_its_own_type() -> None:
    g = Graph()
    top, places = g.ops("TopK", g.input("x", INT16), [1], outputs=2)

    assert (top.dtype, places.dtype) == (INT16, INT64)
    first, second = values(g, [top, places], x=np.int16([4, 9, 5]))
    np.testing.assert_array_equal(first, np.int16([9]), strict=True)
    np.testing.assert_array_equal(second, np.int64([1]), strict=True)


def test_a_value_is_cast_once() -> None:
    g = Graph()
    x = g.input("x", INT16)
    g.op("Max", g.op("Min", x, 5), x)

    assert op_types(g.main).count("Cast") == 4  # there and back for each op's result, and once for x


def test_casting_back_from_a_wider_type_is_the_value_itself() -> None:
    g = Graph()
    x = g.input("x", INT32)

    assert g.cast(g.cast(x, INT64), INT32) is x
    assert g.cast(x, INT32) is x


def test_casting_back_from_a_narrower_type_is_not() -> None:
    g = Graph()
    x = g.input("x", INT32)
    back = g.cast(g.cast(x, "int8"), INT32)

    np.testing.assert_array_equal(values(g, [back], x=np.int32([300]))[0], [44])


def test_casting_back_what_is_said_to_fit_is_the_value_itself() -> None:
    g = Graph()
    x = g.input("x", FLOAT)
    size = g.op("Shape", x)

    assert g.cast(g.cast(size, INT32, fits=True), INT64) is size


def test_constants_are_cast_without_an_op() -> None:
    g = Graph()
    cast = g.cast(g.constant(np.int32([1, 0, 2])), BOOL)

    assert (op_types(g.main), cast.dtype) == ([], BOOL)
    np.testing.assert_array_equal(g.constants[cast.name].load(), [True, False, True])


def test_float_constants_become_integers_by_the_rule_of_the_kernel() -> None:
    g = Graph()
    cast = g.cast(g.constant(np.float32([1.9, -1.9])), INT32)

    np.testing.assert_array_equal(values(g, [cast])[0], np.int32([1, -1]), strict=True)


# --- constants and names


def test_small_constants_are_shared_when_all_of_them_is_equal() -> None:
    g = Graph()
    zero = g.constant(0.0, FLOAT)

    assert g.constant(np.float32(0)) is zero
    others = [g.constant(-0.0, FLOAT), g.constant(0, INT32), g.constant(np.zeros(1, np.float32))]
    assert zero not in others
    large = np.zeros(100, np.float32)
    assert g.constant(large) is not g.constant(large)


def test_constants_that_no_op_uses_are_not_written() -> None:
    g = Graph()
    g.constant(np.float32([1, 2]))
    g.finish([g.op("Add", g.input("x", FLOAT), np.float32([3]))])

    assert [each.dims for each in model_of(g, {}).graph.initializer] == [[1]]


def test_names_stay_unique() -> None:
    g = Graph()
    g.scope = "x"
    x, other = g.input("x", FLOAT), g.input("x", FLOAT)
    made = [g.op("Relu", x), g.op("Relu", other), g.input("x_Relu", FLOAT)]

    assert len({tensor.name for tensor in (x, other, *made)}) == 5


def test_the_first_new_name_of_a_value_counts() -> None:
    g = Graph()
    x = g.input("x", FLOAT)
    first, second = g.op("Relu", x), g.op("Abs", x)
    for tensor, name in ((first, "y"), (first, "z"), (second, "y"), (second, "x"), (second, "w")):
        g.rename(tensor, name)

    g.finish([first, second])

    assert [each.name for each in model_of(g, {}).graph.output] == ["y", "w"]


# --- outputs


def test_outputs_that_no_op_of_their_own_makes() -> None:
    g = Graph()
    x = g.input("x", FLOAT)
    y = g.op("Relu", x)
    held = g.constant(np.int32([7]))

    results = values(g, [x, y, y, held], x=np.float32([-1, 2]))

    assert op_types(g.main) == ["Relu", "Identity", "Identity", "Identity"]
    for result, expected in zip(results, ([-1, 2], [0, 2], [0, 2], [7]), strict=True):
        np.testing.assert_array_equal(result, expected)


# --- nested graphs


@pytest.mark.parametrize("chosen", [True, False])
def test_branches_give_outer_values_constants_and_duplicates(chosen: Any) -> None:
    g = Graph()
    condition, x = g.input("condition", BOOL), g.input("x", FLOAT)
    outer = g.op("Neg", x)
    with g.body() as then:
        then.outputs = [outer, g.constant(np.float32([5])), x]
    with g.body() as otherwise:
        made = g.op("Abs", x)
        otherwise.outputs = [made, made, g.op("Add", made, outer)]

    results = g.subgraph("If", [condition], {"then_branch": then, "else_branch": otherwise})

    assert op_types(then) == ["Identity"] * 3
    assert op_types(otherwise) == ["Abs", "Add", "Identity"]
    expected = ([1], [5], [-1]) if chosen else ([1], [1], [2])
    for result, value in zip(values(g, results, condition=np.array(chosen), x=np.float32([-1])), expected, strict=True):
        np.testing.assert_array_equal(result, value)


def test_a_loop_gives_back_its_inputs_and_what_it_gathers() -> None:
    g = Graph()
    x = g.input("x", INT16)
    with g.body(("i", INT64), ("go", BOOL), ("total", INT16), ("kept", INT16)) as body:
        _, go, total, kept = body.inputs
        body.shapes.update({body.inputs[0].name: [], go.name: []})
        larger = g.op("Max", g.op("Add", total, 2), kept)
        body.outputs = [go, larger, kept, larger]

    total, kept, gathered = g.subgraph("Loop", [np.array(3), None, x, x], {"body": body})

    assert [tensor.dtype for tensor in (total, kept, gathered)] == [INT16, INT16, INT16]
    results = values(g, [total, kept, gathered], x=np.int16([1]))
    for result, expected in zip(results, ([7], [1], [[3], [5], [7]]), strict=True):
        np.testing.assert_array_equal(result, np.int16(expected), strict=True)


def test_sequences_gather_tensors_of_any_shape_through_loops_and_branches() -> None:
    g = Graph()
    x = g.input("x", FLOAT)
    empty = g.sequence(FLOAT)
    with g.body(("i", INT64), ("go", BOOL), ("grown", x), ("gathered", empty)) as body:
        number, go, grown, gathered = body.inputs
        body.shapes.update({number.name: [], go.name: []})
        with g.body() as then:
            then.outputs = [g.appended(gathered, grown)]
        with g.body() as otherwise:
            otherwise.outputs = [gathered]
        is_even = g.op("Equal", g.op("Mod", number, 2), 0)
        (gathered,) = g.subgraph("If", [is_even], {"then_branch": then, "else_branch": otherwise})
        body.outputs = [go, g.op("Concat", grown, grown, axis=0), gathered]

    _, gathered = g.subgraph("Loop", [np.array(4), None, x, empty], {"body": body})

    assert gathered.is_sequence
    first, third = values(g, [gathered], x=np.float32([7]))[0]
    np.testing.assert_array_equal(first, [7])
    np.testing.assert_array_equal(third, [7] * 4)


def test_casts_reach_into_nested_graphs_but_not_out_of_them() -> None:
    g = Graph()
    condition, x = g.input("condition", BOOL), g.input("x", INT32)
    y = g.op("Neg", x)
    outer = g.cast(x, FLOAT)
    with g.body() as then:
        assert g.cast(x, FLOAT) is outer
        inner = g.cast(y, FLOAT)
        then.outputs = [inner]
    with g.body() as otherwise:
        assert g.cast(y, FLOAT) is not inner
        otherwise.outputs = [outer]

    (result,) = g.subgraph("If", [condition], {"then_branch": then, "else_branch": otherwise})

    assert g.cast(y, FLOAT) is not inner
    np.testing.assert_array_equal(values(g, [result], condition=np.bool_([1]), x=np.int32([3]))[0], np.float32([-3]))


def test_a_failed_body_leaves_the_graph_as_it_was() -> None:
    g = Graph()
    with pytest.raises(KeyError), g.body():
        raise KeyError

    g.op("Relu", g.input("x", FLOAT))
    assert op_types(g.main) == ["Relu"]


def test_constants_of_nested_graphs_are_written_with_the_outermost() -> None:
    g = Graph()
    condition, x = g.input("condition", BOOL), g.input("x", FLOAT)
    bodies = {}
    for branch, number in (("then_branch", 2), ("else_branch", 3)):
        with g.body() as body:
            body.outputs = [g.op("Mul", x, number)]
        bodies[branch] = body
    g.finish(g.subgraph("If", [condition], bodies))

    model = model_of(g, {})

    assert sorted(float(onnx.numpy_helper.to_array(each)) for each in model.graph.initializer) == [2, 3]


def test_ops_that_no_output_needs_are_dropped() -> None:
    graph = Graph()
    x = graph.input("x", np.float32)
    flag = graph.op("Greater", graph.op("ReduceMax", x, keepdims=0), 0.0)
    needed = graph.op("Exp", x)  # by the branch only
    graph.op("Neg", graph.op("Abs", x))
    bodies = {}
    for name in ("then_branch", "else_branch"):
        with graph.body() as body:
            body.outputs = [graph.op("Sqrt", needed)]
        bodies[name] = body

    graph.finish(graph.subgraph("If", [flag], bodies))

    assert [node.op_type for node in graph.main.nodes] == ["ReduceMax", "Greater", "Exp", "If"]
