from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from milopt.ir.errors import ProgramError
from milopt.ir.pymil import mb
from milopt.ir.rewriting.driver import rewrite
from milopt.ir.rewriting.patterns import Pattern, PatternError
from milopt.ir.rewriting.rules import rule
from milopt.ir.targets import IOS15
from support.programs import PROGRAMS
from support.rewriting import NO_IDENTITY, RELU_TO_ABS, applied, built, chain, names, op_types, outputs


class Watching:
    """A pattern that fits nothing and remembers what it was shown."""

    def __init__(self, *ops: str, name: str = "watching", benefit: int = 1) -> None:
        self.seen: list[str] = []
        self.pattern = Pattern(name=name, ops=ops, rewrite=self._see, benefit=benefit)

    def _see(self, operation: Any, _: Any) -> bool:
        assert operation.enclosing_block is not None
        self.seen.append(operation.name)
        return False


def test_a_chain_collapses_with_one_event_for_each_op() -> None:
    program = chain("identity", 5)
    found = applied(program, [NO_IDENTITY])
    assert found.changed
    assert found.counts == {"no-identity": 5}
    assert op_types(program) == ["abs"]


def test_nothing_to_do_changes_nothing() -> None:
    found = applied(chain("relu", 3), [NO_IDENTITY])
    assert (found.changed, found.counts, found.dead) == (False, {}, 0)


def test_ops_are_looked_at_in_order_once_when_nothing_fits() -> None:
    watching = Watching("relu", "abs")
    applied(chain("relu", 3), [watching.pattern])
    assert watching.seen == ["relu_0", "relu_1", "relu_2", "out"]


def test_patterns_see_only_the_types_that_they_begin_at() -> None:
    watching = Watching("abs")
    applied(chain("relu", 3), [watching.pattern])
    assert watching.seen == ["out"]


def test_greater_benefit_comes_first_and_ties_keep_their_order() -> None:
    shown: list[str] = []

    def pattern(name: str, benefit: int) -> Pattern:
        def see(*_: Any) -> bool:
            shown.append(name)
            return False

        return Pattern(name=name, ops=("abs",), rewrite=see, benefit=benefit)

    applied(chain("relu", 1), [pattern("a", 1), pattern("b", 2), pattern("c", 1), pattern("d", 2)])
    assert shown == ["b", "d", "a", "c"]


def test_the_first_that_fits_wins() -> None:
    program = chain("relu", 2)
    found = applied(program, [RELU_TO_ABS, rule("relu(x) -> square(x)", name="relu-to-square", benefit=2)])
    assert found.counts == {"relu-to-square": 2}


def test_what_was_made_is_looked_at_before_the_next_op() -> None:
    watching = Watching("abs", "square")
    applied(chain("relu", 1, last="square"), [RELU_TO_ABS, watching.pattern])
    assert watching.seen[:2] == ["relu_0", "out"]


def test_users_of_what_was_replaced_are_looked_at_again() -> None:
    program = chain("identity", 1, last="abs")
    watching = Watching("abs")
    applied(program, [rule("identity(x) -> relu(x)", name="up"), watching.pattern])
    assert watching.seen == ["out", "out"]  # once in its turn, once when everything is looked at again


def test_users_that_had_their_turn_are_looked_at_again_at_once() -> None:
    """When `last` is looked at, the op in front of `user`, which was looked at, is replaced."""

    def early(operation: Any, rewriter: Any) -> bool:
        first = operation.x.op.x.op
        if first.op_type != "relu":
            return False
        rewriter.replace_by(first, "abs", {"x": first.x})
        return True

    def body(x: Any) -> Any:
        first = mb.relu(x=x, name="first")
        user = mb.exp(x=first, name="user")
        return mb.square(x=user, name="last"), mb.sin(x=x, name="next"), mb.cos(x=first, name="other")

    watching = Watching("exp", "sin")
    applied(built(body), [Pattern(name="early", ops=("square",), rewrite=early), watching.pattern])
    assert watching.seen[:3] == ["user", "user", "next"]


def test_what_lost_a_use_and_who_is_left_with_it_come_before_the_next_op() -> None:
    def body(x: Any) -> Any:
        shared = mb.relu(x=x, name="shared")
        left = mb.exp(x=shared, name="left")
        return left, mb.sub(x=x, y=shared, name="first"), mb.square(x=x, name="next")

    watching = Watching("relu", "square", "exp")
    applied(built(body), [rule("sub(x, y) -> abs(x)", name="keep-left"), watching.pattern])
    assert watching.seen[:5] == ["shared", "left", "shared", "left", "next"]


def test_ops_that_left_are_not_looked_at() -> None:
    def both(operation: Any, rewriter: Any) -> bool:
        (second,) = operation.outputs[0].child_ops
        rewriter.replace(second, operation.outputs[0])
        return True

    watching = Watching("relu", "exp")
    program = chain("relu", 2, last="exp")
    first_only = Pattern(name="both", ops=("relu",), rewrite=lambda op, r: op.x.name == "x" and both(op, r))
    applied(program, [Pattern(name="stop", ops=("exp",), rewrite=lambda *_: False), watching.pattern])
    limited = iter([True])
    applied(program, [first_only, watching.pattern], admit=lambda *_: next(limited, False))
    assert watching.seen.count("relu_1") == 1


def test_an_op_whose_operand_becomes_its_own_is_looked_at_again() -> None:
    def alone(operation: Any, rewriter: Any) -> bool:
        if len(operation.x.child_ops) > 1:
            return False
        rewriter.replace_by(operation, "square", {"x": operation.x})
        return True

    def body(x: Any) -> Any:
        shared = mb.relu(x=x, name="shared")
        return mb.abs(x=shared, name="one"), mb.exp(x=mb.identity(x=shared, name="gone"), name="other")

    program = built(body)
    drop = rule("exp(identity(relu(x))) -> exp(x)", name="drop")
    found = applied(program, [Pattern(name="alone", ops=("abs",), rewrite=alone), drop])
    assert found.counts == {"drop": 1, "alone": 1}


def test_nested_blocks_belong_to_it() -> None:
    program = PROGRAMS["cond_in_loop"]()
    before = Counter(op_types(program))
    found = applied(program, [RELU_TO_ABS])
    assert found.counts["relu-to-abs"] == before["relu"] > 0
    assert "relu" not in op_types(program)


def test_a_block_may_be_the_root() -> None:
    def body(x: Any) -> Any:
        flag = mb.cast(x=mb.squeeze(x=mb.slice_by_size(x=x, begin=[0, 0], size=[1, 1])), dtype="bool")
        yes, no = (lambda: mb.relu(x=x, name="yes")), (lambda: mb.relu(x=x, name="no"))
        return mb.relu(x=mb.cond(pred=flag, _true_fn=yes, _false_fn=no, name="choice"), name="out")

    program = built(body)
    choice = next(op for op in program.functions["main"].operations if op.op_type == "cond")
    found = applied(program, [RELU_TO_ABS], root=choice.blocks[1])
    assert found.counts == {"relu-to-abs": 1}
    assert op_types(program)[-4:] == ["cond", "relu", "abs", "relu"]


def test_functions_keep_apart() -> None:
    program = PROGRAMS["two_functions"]()
    watching = Watching(*set(op_types(program)))
    first = next(iter(program.functions.values()))
    rewrite(first, [watching.pattern])
    assert watching.seen == names(first)


def test_two_runs_are_alike() -> None:
    runs = []
    for _ in range(2):
        program = chain("relu", 20, last="identity")
        rewrite(program, [RELU_TO_ABS, rule("abs(abs(x)) -> abs(x)", name="once"), NO_IDENTITY])
        runs.append((names(program), outputs(program)))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("admitted", [0, 1, 3, 9])
def test_admission_is_asked_once_for_each_rewrite_that_is_kept(admitted: int) -> None:
    asked: list[tuple[str, str]] = []

    def admit(pattern: Pattern, operation: Any) -> bool:
        if len(asked) >= admitted:
            return False
        asked.append((pattern.name, operation.name))
        return True

    program = chain("identity", 5)
    found = applied(program, [NO_IDENTITY], admit=admit)
    assert found.counts.get("no-identity", 0) == len(asked) == min(admitted, 5)
    assert asked == [("no-identity", f"identity_{index}") for index in range(min(admitted, 5))]
    assert len(op_types(program)) == 6 - min(admitted, 5)


def test_a_refused_rewrite_leaves_no_trace() -> None:
    program = chain("relu", 3)
    text = str(program)
    scale = rule("relu(x) -> mul(relu(x), 2)", name="scale")
    found = applied(program, [scale], admit=lambda *_: False)
    assert not found.changed
    assert str(program) == text


def test_going_in_circles_is_told() -> None:
    there, back = RELU_TO_ABS, rule("abs(x) -> relu(x)", name="abs-to-relu")
    with pytest.raises(
        ProgramError, match=r"pattern '(relu-to-abs|abs-to-relu)', op 'relu_0'.*no end.*undoes"
    ) as raised:
        rewrite(chain("relu", 1, last="exp"), [there, back])
    assert isinstance(raised.value, PatternError)
    assert raised.value.subject is not None
    assert raised.value.subject.op == "relu_0"


def test_growing_without_end_is_told() -> None:
    with pytest.raises(PatternError, match=r"'grow'.*no end"):
        rewrite(chain("relu", 1), [rule("relu(x) -> relu(abs(x))", name="grow")])


def test_an_error_in_a_pattern_names_it_and_the_op() -> None:
    def broken(operation: Any, _: Any) -> bool:
        return bool(operation.no_such_thing)

    with pytest.raises(PatternError) as raised:
        rewrite(chain("relu", 1), [Pattern(name="broken", ops=("relu",), rewrite=broken)])
    assert str(raised.value).startswith("pattern 'broken', op 'relu_0' (relu): failed with AttributeError")
    assert isinstance(raised.value.__cause__, AttributeError)


def test_a_pattern_that_says_yes_and_does_nothing_is_told() -> None:
    lazy = Pattern(name="lazy", ops=("relu",), rewrite=lambda *_: True)
    with pytest.raises(PatternError, match=r"'lazy'.*edited nothing"):
        rewrite(chain("relu", 1), [lazy])


def test_a_pattern_that_answers_nothing_is_told() -> None:
    silent = Pattern(name="silent", ops=("relu",), rewrite=lambda *_: None)
    with pytest.raises(PatternError, match=r"'silent', op 'relu_0' \(relu\): it returned None"):
        rewrite(chain("relu", 1), [silent])


@pytest.mark.parametrize("name", ["no blanks", "CamelCase", "under_score", "", "-a", "a--b", "a-", "ä", None])
def test_names_are_in_kebab_case(name: Any) -> None:
    with pytest.raises(ValueError, match=f"pattern {name!r}: names are written in kebab case"):
        Pattern(name=name, ops=("relu",), rewrite=lambda *_: False)
    with pytest.raises(ValueError, match="kebab case"):
        rule("relu(x) -> x", name=name)


@pytest.mark.parametrize("ops", ["relu", (), ["relu"], (None,)])
def test_patterns_begin_at_a_tuple_of_op_types(ops: Any) -> None:
    with pytest.raises(ValueError, match=r"pattern 'p': it begins at .*give a tuple of op types"):
        Pattern(name="p", ops=ops, rewrite=lambda *_: False)


@pytest.mark.parametrize(
    "pattern",
    [
        Pattern(name="wrong", ops=("abs", "rellu"), rewrite=lambda *_: False),
        rule("rellu(x) -> x", name="wrong"),
        rule("abs(x=rellu(x)) -> x", name="wrong"),
        rule("abs(x) -> abs(rellu(x))", name="wrong"),
    ],
)
def test_ops_that_no_opset_has_are_told_before_anything_is_done(pattern: Pattern) -> None:
    program = chain("identity", 1)
    with pytest.raises(PatternError, match=r"^pattern 'wrong': unknown op 'rellu' \(did you mean 'relu'\?\)$"):
        rewrite(program, [NO_IDENTITY, pattern])
    assert op_types(program) == ["identity", "abs"]


def test_ops_of_later_opsets_may_be_named() -> None:
    program = built(lambda x: mb.abs(x=x), IOS15)
    assert not applied(program, [rule("read_state(x) -> x", name="later")]).changed


def test_two_patterns_of_one_name_are_refused() -> None:
    twin = rule("relu(x) -> square(x)", name=NO_IDENTITY.name)
    with pytest.raises(PatternError, match=r"^pattern 'no-identity': there is another one of this name"):
        rewrite(chain("relu", 1), [NO_IDENTITY, twin])


def test_remarks_are_said_once_and_only_of_what_stays() -> None:
    def talk(operation: Any, rewriter: Any) -> bool:
        rewriter.remark("missed", operation, "seen", "it was seen", suggestion="look away")
        return False

    def fail(operation: Any, rewriter: Any) -> bool:
        rewriter.remark("passed", operation, "never", "this does not stay")
        rewriter.replace(operation, rewriter.constant(1, "other_type"))
        return True

    said: list[tuple[Any, ...]] = []

    def remark(kind: str, operation: Any, code: str, message: str, **more: Any) -> None:
        assert operation.enclosing_block is not None
        said.append((kind, operation.name, code, message, more))

    patterns = [
        Pattern(name="talk", ops=("relu",), rewrite=talk),
        Pattern(name="fail", ops=("relu",), rewrite=fail),
        rule("abs(x) -> square(x)", name="touch"),
    ]
    applied(chain("relu", 1), patterns, remark=remark)
    assert said == [("missed", "relu_0", "seen", "it was seen", {"suggestion": "look away"})]


def test_work_is_linear_in_the_program() -> None:
    """50,000 ops: no op is looked at more often than its rewrites and one more round ask for."""
    looked = Counter[str]()
    length = 50_000
    program = chain("relu", 10)
    block = program.functions["main"]
    with block:
        x = block.outputs[0]
        for index in range(length):
            x = mb.relu(x=x, name=f"r{index}") if index % 2 else mb.identity(x=x, name=f"i{index}")
        block.set_outputs([x])

    def count(operation: Any, _: Any) -> bool:
        looked[operation.name] += 1
        return False

    watching = Pattern(name="count", ops=("relu",), rewrite=count)
    found = rewrite(program, [watching, NO_IDENTITY])
    assert found.counts == {"no-identity": length // 2}
    assert sum(looked.values()) <= 3 * length
    assert max(looked.values()) <= 4
