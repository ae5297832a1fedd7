"""A relu of dequantized numbers keeps their scale: what it makes is on their grid already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from milopt.ir.equality import first_difference
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS17
from milopt.passes.analysis.activations.choices import Choices
from milopt.passes.analysis.activations.plan import plan_activations
from milopt.runtime.session import Session
from support.activations import given, inserted, statistics, statistics_of, values_in
from support.editing import find_op
from support.program_registry import build_program
from support.programs import fp16, weights

RANGES = {"x": (-1, 1), "a": (-4, 2), "r": (0, 2), "y": (-1, 1)}


def conv(x: Any, name: str) -> Any:
    return mb.conv(x=x, weight=weights(4, x.shape[1], 1, 1), name=name)


def chain(move: Callable[[Any], Any], relu: Callable[..., Any] = mb.relu) -> Any:
    return build_program(lambda x: conv(relu(x=move(conv(x, "a")), name="r"), "y"), IOS17, x=fp16(1, 4, 6, 8))


def transposed(x: Any) -> Any:
    return mb.transpose(x=x, perm=[0, 1, 3, 2])


def pooled(x: Any) -> Any:
    return mb.max_pool(x=x, kernel_sizes=[2, 2], strides=[2, 2], pad_type="valid", name="mp")


def code_of(value: Any) -> tuple[float, int, str]:
    """The scheme of the `quantize` that a dequantized value comes through."""
    made = value.op.input.op
    point = 0 if made.zero_point is None else int(made.zero_point.val)
    return float(made.scale.val), point, made.output_dtype.val


@pytest.mark.parametrize("move", [transposed, pooled])
@pytest.mark.parametrize("mode", ["symmetric", "affine"])
def test_a_relu_keeps_the_scale_of_what_it_takes(move: Callable[[Any], Any], mode: str) -> None:
    program = chain(move)
    after = inserted(program, calibration=given(program, **RANGES), activation_mode=mode)
    first = find_op(after, "a").outputs[0].child_ops[0]
    point = 0 if first.zero_point is None else int(first.zero_point.val)
    assert code_of(find_op(after, "y").x) == (float(first.scale.val), point, "int8")
    assert find_op(after, "y").x.op.input.op.input.op.name == "r"


def test_its_pair_changes_no_number() -> None:
    program = chain(transposed)
    after = inserted(program, calibration=given(program, **RANGES))
    numbers = np.linspace(-1, 1, 192).reshape(1, 4, 6, 8).astype(np.float16)
    session = Session(after, observe=dict.fromkeys(("r", find_op(after, "y").x.name), ("value",)))
    found = [each["value"] for each in session.run_observed({"x": numbers})[1].values()]
    assert np.ptp(found[0]) > 0
    np.testing.assert_array_equal(*found)


def test_it_shares_the_group() -> None:
    program = chain(transposed)
    plan = plan_activations(program, given(program, **RANGES), Choices())
    pairs = {each.tensor.name: each for each in plan.pairs}
    assert pairs["r"].group == pairs["a"].group
    assert pairs["r"].words == "the scale of 'a'"
    assert pairs["x"].group != pairs["a"].group


def test_unsigned_codes_have_the_same_scale() -> None:
    program = chain(transposed)
    after = inserted(program, calibration=given(program, **RANGES), activation_mode="unsigned-after-relu")
    assert code_of(find_op(after, "y").x) == (float(np.float16(4 / 127)), 0, "uint8")


@pytest.mark.parametrize("more", [{"observer": "min-max"}, {"activation_mode": "affine"}])
def test_what_the_user_chose_holds(more: dict[str, Any]) -> None:
    program = chain(transposed)
    after = inserted(program, calibration=given(program, **RANGES), overrides=({"op": "r", **more},))
    assert code_of(find_op(after, "y").x)[0] < 4 / 200
    ranged = inserted(program, calibration=given(program, **RANGES), ranges=({"tensor": "r", "low": 0.0, "high": 1.0},))
    assert code_of(find_op(ranged, "y").x)[0] == np.float16(1 / 127)


@pytest.mark.parametrize("front", [mb.exp, lambda x: mb.exp(x=conv(x, "a"))])
def test_a_relu_of_floats_has_its_own(front: Callable[..., Any]) -> None:
    program = build_program(lambda x: conv(mb.relu(x=front(x=x), name="r"), "y"), IOS17, x=fp16(1, 4, 6, 8))
    names = values_in(program.functions["main"])
    found = statistics({name: statistics_of(names[name], *ends) for name, ends in RANGES.items() if name in names})
    assert code_of(find_op(inserted(program, calibration=found), "y").x)[0] == np.float16(2 / 127)


def test_so_has_a_relu_that_is_computed_with_the_op_in_front() -> None:
    program = chain(lambda x: x)
    after = inserted(program, calibration=given(program, **RANGES))
    assert code_of(find_op(after, "y").x)[0] == np.float16(2 / 127)
    assert find_op(after, "r").x.op.op_type == "conv"


def test_training_lends_its_scale_too() -> None:
    def body(x: Any) -> Any:
        codes = mb.quantize(input=conv(x, "a"), scale=np.float16(0.25), output_dtype="int8")
        return conv(mb.relu(x=mb.dequantize(input=codes, scale=np.float16(0.25)), name="r"), "y")

    program = build_program(body, IOS17, x=fp16(1, 4, 6, 8))
    after = inserted(program, calibration=given(program, **RANGES))
    assert code_of(find_op(after, "y").x) == (0.25, 0, "int8")


def test_a_concat_behind_it_has_one_scale_for_all() -> None:
    def body(x: Any) -> Any:
        rectified = mb.relu(x=transposed(conv(x, "a")), name="r")
        return conv(mb.concat(values=[rectified, mb.sin(x=rectified)], axis=1, name="z"), "y")

    program = build_program(body, IOS17, x=fp16(1, 4, 6, 8))
    after = inserted(program, calibration=given(program, z=(0, 2), **RANGES))
    assert {code_of(each)[0] for each in find_op(after, "z").values} == {float(np.float16(2 / 127))}


@pytest.mark.parametrize("mode", ["symmetric", "affine", "unsigned-after-relu"])
def test_a_second_run_changes_nothing(mode: str) -> None:
    program = chain(pooled)
    found = given(program, **RANGES)
    once = inserted(program, calibration=found, activation_mode=mode)
    assert first_difference(inserted(once, calibration=found, activation_mode=mode), once) is None
