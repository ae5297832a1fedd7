"""Differences of programs: every kind of edit gives the facts that describe it, and no others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from milopt.ir.copying import copy_program
from milopt.ir.diffing.comparing import diff_programs
from milopt.ir.diffing.constants import list_changes
from milopt.ir.diffing.options import DEFAULT, DiffOptions
from milopt.ir.pymil import mb, mil_list, types
from milopt.ir.targets import IOS17, IOS18
from milopt.ir.text.reading import parse_program
from milopt.ir.walking import walk
from support.diffing import edited, told
from support.editing import declare_opset, find_op, replace_constant
from support.packages import Shelf
from support.program_registry import build_program, fp16, fp32, state
from support.programs import PROGRAMS, weights

STRUCTURE = DiffOptions(names=False)


def rename_everything(program: Any) -> None:
    """Gives every op and value that is no input of a function a new name, without a trace of the old one."""
    for number, operation in enumerate(walk(program)):
        operation.name = f"new{number}"
        for index, output in enumerate(operation.outputs):
            output.name = f"new{number}_{index}" if index else f"new{number}"
        for index, var in enumerate(var for block in operation.blocks for var in block.inputs):
            var.name = f"inner{number}_{index}"


# --- nothing


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("options", [DEFAULT, STRUCTURE], ids=["names", "structure"])
def test_equal_programs_do_not_differ(name: str, options: DiffOptions) -> None:
    program = PROGRAMS[name]()
    assert not diff_programs(program, PROGRAMS[name](), options)
    assert not diff_programs(program, copy_program(program), options)


@pytest.mark.parametrize("name", ["conv", "lstm", "while_loop", "cond_in_loop", "states", "variadic", "sparse_int4"])
def test_program_that_was_written_and_read_does_not_differ(name: str, shelf: Shelf) -> None:
    import milopt

    assert not diff_programs(PROGRAMS[name](), milopt.load(shelf[name]).program)


@pytest.mark.parametrize("name", PROGRAMS)
def test_new_names_are_all_that_is_told_of_a_renamed_program(name: str) -> None:
    renamed = PROGRAMS[name]()
    rename_everything(renamed)
    diff = diff_programs(PROGRAMS[name](), renamed)
    kinds = {key for key, count in diff.counts().items() if count}
    assert kinds <= {"ops_renamed", "weights_renamed", "function_changes"}
    assert {change.kind for function in diff.functions for change in function.changes} <= {"output name"}
    operations = [op for op in walk(renamed) if op.op_type != "const" and not op.op_type.startswith("constexpr_")]
    assert diff.counts()["ops_renamed"] == len(operations) + (name == "unused_weight")
    assert not diff_programs(PROGRAMS[name](), renamed, STRUCTURE)


def test_order_of_constants_and_independent_ops_does_not_count() -> None:
    def joined(*order: str) -> Any:
        def body(x: Any) -> Any:
            made = {}
            for name in order:
                weight = mb.const(val=weights(64, 40, seed=ord(name)), name=f"weight_{name}")
                made[name] = mb.linear(x=x, weight=weight, name=name)
            return mb.concat(values=[made["a"], made["b"]], axis=0, name="joined")

        return build_program(body, IOS17, x=fp16(10, 40))

    assert not diff_programs(joined("a", "b"), joined("b", "a"))
    assert not diff_programs(joined("a", "b"), joined("b", "a"), STRUCTURE)


# --- ops that come, go and change


def chain(*op_types: str, prefix: str = "") -> Any:
    """Elementwise ops one after another; `mul` has a constant."""

    def body(x: Any) -> Any:
        for index, op_type in enumerate(op_types):
            more = {"y": np.float16(2)} if op_type == "mul" else {}
            x = getattr(mb, op_type)(x=x, name=f"{prefix}{op_type}_{index}", **more)
        return x

    return build_program(body, IOS17, x=fp16(10, 64))


def insert_op(program: Any) -> None:
    relu = find_op(program, "relu")
    with relu.enclosing_block:
        new = mb.tanh(x=relu.outputs[0], name="extra", before_op=find_op(program, "second"))
    find_op(program, "second")._input_vars["x"] = new


def test_inserted_op_is_one_op_and_one_new_input() -> None:
    assert edited("linear_chain", insert_op) == [
        "+ tanh 'extra': tensor<fp16, [10, 64]>",
        "~ linear 'second': x: relu -> extra",
    ]


def test_removed_op_is_one_op_and_one_new_input() -> None:
    program = PROGRAMS["linear_chain"]()
    insert_op(program)
    assert told(diff_programs(program, PROGRAMS["linear_chain"]())) == [
        "- tanh 'extra': tensor<fp16, [10, 64]>",
        "~ linear 'second': x: extra -> relu",
    ]


BEFORE = ("relu", "sigmoid", "mul", "tanh", "relu", "sigmoid", "mul", "tanh", "relu")


def test_op_inserted_among_other_names_is_found_by_structure() -> None:
    after = chain(*BEFORE[:4], "exp2", *BEFORE[4:], prefix="z")
    assert told(diff_programs(chain(*BEFORE), after, STRUCTURE)) == [
        "+ exp2 'zexp2_4': tensor<fp16, [10, 64]>",
        "~ relu 'zrelu_5': x: tanh_3 (now ztanh_3) -> zexp2_4",
    ]


def test_what_stands_between_two_inserted_ops_is_found_by_structure() -> None:
    after = chain(*BEFORE[:1], "exp2", *BEFORE[1:2], "relu", "exp2", *BEFORE[3:], prefix="z")
    before = chain(*BEFORE[:2], "relu", *BEFORE[3:])
    diff = diff_programs(before, after, STRUCTURE)
    assert [op.name for op in diff.functions[0].added] == ["zexp2_1", "zexp2_4"]
    assert diff.functions[0].removed == ()
    assert [(change.old.name, change.new.name) for change in diff.functions[0].changed] == [
        ("sigmoid_1", "zsigmoid_2"),
        ("tanh_3", "ztanh_5"),
    ]


def test_one_of_many_equal_branches_is_removed() -> None:
    def branches(count: int, prefix: str) -> Any:
        def body(x: Any) -> Any:
            parts = [mb.relu(x=x, name=f"{prefix}{index}") for index in range(count)]
            return mb.concat(values=[*parts, mb.tanh(x=x, name=f"{prefix}tanh")], axis=0, name=f"{prefix}joined")

        return build_program(body, IOS17, x=fp16(1, 4))

    assert told(diff_programs(branches(4, "a"), branches(3, "b"), STRUCTURE)) == [
        "~ output 'bjoined': tensor<fp16, [5, 4]> -> tensor<fp16, [4, 4]>",
        "- relu 'a3': tensor<fp16, [1, 4]>",
        "~ concat 'bjoined': values: [b0, b1, b2, a3, btanh] -> [b0, b1, b2, btanh]",
    ]


def test_numbers_in_names_that_moved_on_do_not_mislead() -> None:
    """As when a converter numbers ops: what was `relu_2` is `relu_3`, and another op is `relu_2` now."""

    def numbered(*seeds: int) -> Any:
        def body(x: Any) -> Any:
            for index, seed in enumerate(seeds):
                x = mb.linear(x=x, weight=weights(64, 64, seed=seed), name=f"linear_{index}")
                x = mb.relu(x=x, name=f"relu_{index}")
            return x

        return build_program(body, IOS17, x=fp16(10, 64))

    diff = diff_programs(numbered(1, 2, 3, 4), numbered(1, 5, 2, 3, 4)).functions[0]
    assert [op.name for op in diff.added] == ["linear_1", "relu_1"]
    assert (diff.removed, {change.kind for change in diff.weights}) == ((), {"name"})
    names = {(change.old.name, change.new.name): change.is_renaming for change in diff.changed}
    moved_on = [(f"{kind}_{index}", f"{kind}_{index + 1}") for kind in ("linear", "relu") for index in (1, 2, 3)]
    assert names == {pair: pair != ("linear_1", "linear_2") for pair in moved_on}


def change_strides(program: Any) -> None:
    replace_constant(find_op(program, "conv_strides_0"), np.array([2, 3], np.int32))


def test_changed_parameter_is_told_with_both_values() -> None:
    assert edited("conv_groups", change_strides) == ["~ conv 'conv': strides: [1, 2] -> [2, 3]"]


def test_parameter_that_is_given_or_not_is_told() -> None:
    program = PROGRAMS["conv_groups"]()
    del find_op(program, "conv")._input_vars["groups"]
    assert told(diff_programs(PROGRAMS["conv_groups"](), program)) == ["~ conv 'conv': groups = 2 (gone)"]
    assert told(diff_programs(program, PROGRAMS["conv_groups"]())) == ["~ conv 'conv': groups = 2 (new)"]


def test_another_type_of_a_parameter_is_told() -> None:
    def scaled(value: Any, spec: Any) -> Any:
        return build_program(lambda x: mb.mul(x=x, y=value, name="scaled"), IOS17, x=spec)

    assert told(diff_programs(scaled(np.float16(2), fp16(3, 4)), scaled(np.float32(2), fp32(3, 4)))) == [
        "~ input 'x': tensor<fp16, [3, 4]> -> tensor<fp32, [3, 4]>",
        "~ output 'scaled': tensor<fp16, [3, 4]> -> tensor<fp32, [3, 4]>",
        "~ mul 'scaled': y: fp16 2.0 -> fp32 2.0",
    ]


def test_another_type_of_an_output_is_told_of_the_function_alone() -> None:
    def clipped(spec: Any) -> Any:
        return build_program(lambda x: mb.relu(x=mb.tanh(x=x, name="inner"), name="outer"), IOS17, x=spec)

    for options in (DEFAULT, STRUCTURE):
        assert told(diff_programs(clipped(fp16(3, 4)), clipped(fp32(3, 4)), options)) == [
            "~ input 'x': tensor<fp16, [3, 4]> -> tensor<fp32, [3, 4]>",
            "~ output 'outer': tensor<fp16, [3, 4]> -> tensor<fp32, [3, 4]>",
            "~ tanh 'inner': output 0: tensor<fp16, [3, 4]> -> tensor<fp32, [3, 4]>",
        ]


def test_swapped_inputs_are_told() -> None:
    def program(*, swapped: bool) -> Any:
        def body(x: Any) -> Any:
            one, other = mb.relu(x=x, name="one"), mb.tanh(x=x, name="other")
            one, other = (other, one) if swapped else (one, other)
            return mb.sub(x=one, y=other, name="difference")

        return build_program(body, IOS17, x=fp16(10, 64))

    expected = ["~ sub 'difference': x: one -> other", "~ sub 'difference': y: other -> one"]
    for options in (DEFAULT, STRUCTURE):
        assert told(diff_programs(program(swapped=False), program(swapped=True), options)) == expected


def change_type(program: Any) -> None:
    find_op(program, "relu").outputs[0]._sym_type = types.tensor(types.fp32, (10, 64))


def rename_op(program: Any) -> None:
    find_op(program, "relu").name = "other"


def rename_output(program: Any) -> None:
    find_op(program, "relu").outputs[0].name = "other"


def change_attribute(program: Any) -> None:
    find_op(program, "relu")._milopt_attributes = {"note": 1}


def other_outputs(program: Any) -> None:
    program.functions["main"].set_outputs([find_op(program, "relu").outputs[0]])


def drop_bias(program: Any) -> None:
    del find_op(program, "second")._input_vars["bias"]


FACTS: list[tuple[Callable[[Any], None], list[str]]] = [
    (change_type, ["~ relu 'relu': output 0: tensor<fp16, [10, 64]> -> tensor<fp32, [10, 64]>"]),
    (rename_op, ["~ relu 'relu': renamed to 'other'"]),
    (rename_output, ["~ relu 'relu': output 0 renamed from 'relu' to 'other'"]),
    (
        drop_bias,
        [
            "+ const 'second_bias_0': tensor<fp16, [50]>",
            "~ linear 'second': bias = second_bias_0 (tensor<fp16, [50]>) (gone)",
        ],
    ),
    (change_attribute, ["~ relu 'relu': attribute note = 1 (new)"]),
    (
        other_outputs,
        [
            "~ output 'second': renamed to 'relu'",
            "~ output 'relu': tensor<fp16, [10, 50]> -> tensor<fp16, [10, 64]>",
            "~ output 'relu': second -> relu",
        ],
    ),
    (lambda p: declare_opset(p.functions["main"], IOS18), ["~ opset: iOS17 -> iOS18"]),
]


@pytest.mark.parametrize(("edit", "facts"), FACTS, ids=lambda value: getattr(value, "__name__", ""))
def test_fact_is_told(edit: Callable[[Any], None], facts: list[str]) -> None:
    assert edited("linear_chain", edit) == facts


def test_values_of_a_variadic_input_are_told_one_by_one_or_as_a_list() -> None:
    def turn(program: Any) -> None:
        joined = find_op(program, "joined")
        joined._input_vars["values"] = [joined.values[1], joined.values[0], joined.values[2]]

    def shorten(program: Any) -> None:
        joined = find_op(program, "joined")
        joined._input_vars["values"] = joined.values[:2]

    assert edited("variadic", turn) == [
        "~ concat 'joined': values[0]: split_1 -> split_0",
        "~ concat 'joined': values[1]: split_0 -> split_1",
    ]
    assert edited("variadic", shorten) == [
        "~ concat 'joined': values: [split_1, split_0, split_1] -> [split_1, split_0]"
    ]


def test_values_of_a_long_variadic_input_are_told_where_they_differ() -> None:
    def shorten(program: Any) -> None:
        joined = find_op(program, "joined")
        joined._input_vars["values"] = (*joined.values[:20], *joined.values[21:])

    def program() -> Any:
        def body(x: Any) -> Any:
            parts = [mb.relu(x=x, name=f"part{index}") for index in range(40)]
            return mb.concat(values=parts, axis=0, name="joined")

        return build_program(body, IOS17, x=fp16(1, 4))

    shorter = program()
    shorten(shorter)
    (line,) = told(diff_programs(program(), shorter))
    assert line == "~ concat 'joined': values: [... 20 more, part20, ... 19 more] -> [... 20 more, ... 19 more]"


def test_changed_class_label_is_told_by_itself() -> None:
    def labelled(*labels: str) -> Any:
        def body(x: Any) -> Any:
            return mb.classify(probabilities=x, classes=mb.const(val=mil_list(list(labels))), name="classify")

        return build_program(body, IOS17, x=fp32(1, 3))

    assert told(diff_programs(labelled("a", "b", "c"), labelled("a", "x", "c"))) == [
        """~ classify 'classify': classes[1]: "b" -> "x\""""
    ]
    assert told(diff_programs(labelled("a", "b", "c"), labelled("d", "b", "c"))) == [
        """~ classify 'classify': classes[0]: "a" -> "d\""""
    ]


# --- functions, states, nested blocks


def test_functions_that_come_and_go_are_told() -> None:
    one, both = PROGRAMS["two_functions"](), PROGRAMS["two_functions"]()
    del one.functions["decode"]
    diff = diff_programs(one, both)
    assert (diff.added, diff.removed, diff.functions) == (("decode",), (), ())
    assert diff_programs(both, one).removed == ("decode",)
    assert not diff_programs(one, both, DiffOptions(function="encode"))


def test_change_is_told_in_its_function() -> None:
    program = PROGRAMS["two_functions"]()
    replace_constant(find_op(program, "decode_transpose_x_0"), np.bool_(True))  # noqa: FBT003 - the value
    (found,) = diff_programs(PROGRAMS["two_functions"](), program).functions
    assert found.name == "decode"
    assert [str(c.subject) for c in found.changed[0].changes] == ["transpose_x"]


def test_inputs_are_paired_by_name_then_by_type() -> None:
    def body_of(*names: str) -> Callable[..., Any]:
        scope: dict[str, Any] = {"mb": mb}
        exec(f"def body({', '.join(names)}):\n    return mb.relu(x={names[0]}, name='out')", scope)  # noqa: S102
        return scope["body"]  # type: ignore[no-any-return]

    def made(**inputs: Any) -> Any:
        return build_program(body_of(*inputs), IOS17, **inputs)

    assert told(diff_programs(made(x=fp16(3, 4)), made(y=fp16(3, 4)))) == ["~ input 'x': renamed to 'y'"]
    assert not diff_programs(made(x=fp16(3, 4)), made(y=fp16(3, 4)), STRUCTURE)
    assert told(diff_programs(made(x=fp16(3, 4)), made(x=fp16(3, 4), mask=fp16(5)))) == [
        "+ input 'mask': tensor<fp16, [5]>"
    ]
    assert told(diff_programs(made(x=fp16(3, 4), mask=fp16(5)), made(x=fp16(3, 4)))) == [
        "- input 'mask': tensor<fp16, [5]>"
    ]
    assert told(diff_programs(made(x=fp16(3, 4), m=fp16(5)), made(m=fp16(5), x=fp16(3, 4))))[0] == (
        "~ order of inputs: x, m -> m, x"
    )


def test_order_of_uses_of_a_state_counts() -> None:
    def program(*, late: bool) -> Any:
        def body(x: Any, cache: Any) -> Any:
            read = None if late else mb.read_state(input=cache, name="read")
            mb.coreml_update_state(state=cache, value=x, name="write")
            return mb.add(x=read or mb.read_state(input=cache, name="read"), y=x, name="sum")

        return build_program(body, IOS18, x=fp16(1, 40), cache=state(1, 40))

    assert told(diff_programs(program(late=False), program(late=True))) == [
        "~ order of uses of state 'cache': read, write -> write, read"
    ]


def test_change_in_a_nested_block_is_told_with_its_place() -> None:
    def change(program: Any) -> None:
        replace_constant(find_op(program, "halved_y_1"), np.float16(0.25))

    assert edited("cond_in_loop", change) == ["~ mul 'halved' in loop.1/choice.1: y: 0.5 -> 0.25"]


def test_op_that_leaves_a_nested_block_is_moved() -> None:
    def program(*, inside: bool) -> Any:
        def body(x: Any) -> Any:
            outer = None if inside else mb.tanh(x=x, name="work")
            chosen = mb.less(x=mb.reduce_sum(x=x, name="sum"), y=np.float16(0), name="chosen")
            return mb.cond(
                pred=chosen,
                _true_fn=lambda: mb.relu(x=outer or mb.tanh(x=x, name="work"), name="yes"),
                _false_fn=lambda: mb.exp(x=x, name="no"),
                name="choice",
            )

        return build_program(body, IOS17, x=fp16(3, 4))

    there, back = (diff_programs(program(inside=side), program(inside=not side)) for side in (True, False))
    assert told(there) == ["~ tanh 'work': moved from choice.0 to outside of blocks"]
    assert told(back) == ["~ tanh 'work': moved from outside of blocks to choice.0"]


def test_another_result_of_a_block_is_told_of_its_owner() -> None:
    def change(program: Any) -> None:
        (body,) = [block for block in find_op(program, "choice").blocks if find_op(program, "yes") in block.operations]
        body._outputs = [program.functions["main"].inputs["x"]]

    assert edited("cond", change) == ["~ cond 'choice': block 0 output 0: yes -> x"]


@pytest.mark.parametrize(
    ("old", "new", "facts"),
    [
        (["a", "b"], ["a", "c"], [("p[1]", "b", "c")]),
        (["a"], ["a", "b"], [("p", "[a]", "[a, b]")]),
        ([], ["a"], [("p", "[]", "[a]")]),
        (["a"] * 10, ["a"] * 9, [("p", "[... 9 more, a]", "[... 9 more]")]),
        ([*"abcdefghij"], [*"abcdefghxyij"], [("p", "[... 8 more, ... 2 more]", "[... 8 more, x, y, ... 2 more]")]),
    ],
)  # fmt: skip
def test_lists_are_told_where_they_differ(old: list[str], new: list[str], facts: list[tuple[str, ...]]) -> None:
    assert [(c.subject, c.old, c.new) for c in list_changes("parameter", "p", old, new)] == facts


CHAIN = """program(1.3)
{
    func main<ios17>(tensor<fp16, [4]> x) {
            tensor<fp16, [4]> a = exp(x = x);
            tensor<fp16, [4]> b = %s(x = a);
            tensor<fp16, [4]> c = tanh(x = b);
        } -> (c);
}
"""


def test_op_that_gave_way_to_one_of_another_type_is_one_change() -> None:
    old, new = (parse_program(CHAIN % op_type) for op_type in ("relu", "relu6"))
    assert told(diff_programs(old, new)) == ["~ op 'b': relu -> relu6"]
