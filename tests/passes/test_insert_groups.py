"""Which values get a pair, and which share a scale: concat, residuals, attention, and ops that keep values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from milopt.ir.pymil import dtype_of, mb
from milopt.ir.targets import IOS17, IOS18
from milopt.passes.analysis.activations import calibration_tensors
from milopt.passes.analysis.activations.choices import Choices, GivenRange
from milopt.passes.analysis.activations.decisions import Decision
from milopt.passes.analysis.activations.plan import plan_activations
from milopt.passes.analysis.activations.tables import FUSED_ACTIVATIONS, QUANTIZED_OPS
from support.activations import canonical, counts, inserted
from support.editing import find_op
from support.program_registry import build_program
from support.programs import fp16, fp32, weights

ALL = ({"tensor": "*", "low": -1.0, "high": 1.0},)


def like(x: Any, *shape: int) -> np.ndarray:
    return weights(*shape, dtype=dtype_of(x).numpy)


def conv(x: Any, name: str, channels: int = 4) -> Any:
    return mb.conv(x=x, weight=like(x, channels, x.shape[1], 1, 1), name=name)


def linear(x: Any, name: str, size: int = 8) -> Any:
    return mb.linear(x=x, weight=like(x, size, x.shape[-1]), name=name)


def image(body: Callable[[Any], Any]) -> Any:
    return build_program(body, IOS17, x=fp16(1, 4, 6, 8))


def rows(body: Callable[[Any], Any]) -> Any:
    return build_program(body, IOS17, x=fp16(10, 8))


def planned(program: Any, **ranges: tuple[float, float]) -> dict[str, Decision]:
    """The decisions by the value's name, where a range of one is known for all that have no other."""
    known = [GivenRange(tensor=name, low=low, high=high) for name, (low, high) in ranges.items()]
    choices = Choices(ranges=(*known, GivenRange(tensor="*", low=-1.0, high=1.0)))
    return {each.tensor.name: each for each in plan_activations(program, None, choices).pairs}


def makers(program: Any, op: str) -> list[str]:
    """The types of the ops that make an op's inputs, constants left out."""
    operation = find_op(program, op)
    values = [each for value in operation.inputs.values() for each in (value if isinstance(value, tuple) else [value])]
    return [value.op.op_type for value in values if value is not None and value.op and value.op.op_type != "const"]


# --- one op of each type


def two(op: Callable[..., Any]) -> Callable[[Any], Any]:
    return lambda x: op(x=x, y=mb.sin(x=x, name="other"), name="op")


SINGLE: dict[str, Callable[[Any], Any]] = {
    "add": two(mb.add),
    "avg_pool": lambda x: mb.avg_pool(x=x, kernel_sizes=[2, 2], strides=[2, 2], pad_type="valid", name="op"),
    "concat": lambda x: mb.concat(values=[x, mb.sin(x=x)], axis=1, name="op"),
    "conv": lambda x: conv(x, "op"),
    "conv_transpose": lambda x: mb.conv_transpose(x=x, weight=like(x, x.shape[1], 3, 2, 2), name="op"),
    "einsum": lambda x: mb.einsum(values=(x, mb.sin(x=x)), equation="nchw,nwhu->nchu", name="op"),
    "linear": lambda x: linear(x, "op"),
    "matmul": lambda x: mb.matmul(x=x, y=mb.sin(x=x), transpose_y=True, name="op"),
    "max_pool": lambda x: mb.max_pool(x=x, kernel_sizes=[2, 2], strides=[2, 2], pad_type="valid", name="op"),
    "mul": two(mb.mul),
    "sub": two(mb.sub),
}


def test_every_type_of_op_has_a_case() -> None:
    assert SINGLE.keys() == QUANTIZED_OPS.keys()


@pytest.mark.parametrize("op_type", SINGLE)
@pytest.mark.parametrize("dtype", [fp16, fp32])
def test_an_op_takes_dequantized_values_and_so_does_what_reads_it(op_type: str, dtype: Callable[..., Any]) -> None:
    size = (1, 8, 8, 8) if op_type == "einsum" else (1, 4, 6, 8)

    def body(x: Any) -> Any:
        result = SINGLE[op_type](x)
        return mb.matmul(x=result, y=result, transpose_y=True, name="y")

    after = inserted(build_program(body, IOS17, x=dtype(*size)), ranges=ALL)
    operation = find_op(after, "op")
    assert operation.op_type == op_type
    assert set(makers(after, "op")) == {"dequantize"}
    assert [each.op_type for each in operation.outputs[0].child_ops] == ["quantize"]
    scale = operation.outputs[0].child_ops[0].scale
    assert scale.val.dtype == (np.float16 if dtype is fp16 else np.float32)


@pytest.mark.parametrize("activation", sorted(FUSED_ACTIVATIONS))
def test_an_activation_stays_within_the_pair(activation: str) -> None:
    more: dict[str, dict[str, Any]] = {
        "clip": {"alpha": np.float16(-1), "beta": np.float16(1)},
        "clamped_relu": {"alpha": np.float16(0.5), "beta": np.float16(1)},
        "elu": {"alpha": np.float16(1)},
        "leaky_relu": {"alpha": np.float16(0.1)},
        "prelu": {"alpha": np.full(4, 0.1, np.float16)},
        "scaled_tanh": {"alpha": np.float16(1), "beta": np.float16(1)},
        "sigmoid_hard": {"alpha": np.float16(0.2), "beta": np.float16(0.5)},
        "thresholded_relu": {"alpha": np.float16(1)},
    }

    def body(x: Any) -> Any:
        active = getattr(mb, activation)(x=conv(x, "first"), name="active", **more.get(activation, {}))
        return conv(active, "second")

    after = inserted(image(body), ranges=ALL)
    assert [each.op_type for each in find_op(after, "first").outputs[0].child_ops] == [activation]
    assert makers(after, "active") == ["conv"]
    assert makers(after, "second") == ["dequantize"]
    assert counts(after)["quantize"] == 2


def silu(x: Any) -> Any:
    return mb.mul(x=x, y=mb.sigmoid(x=x), name="active")


def hard_swish(x: Any) -> Any:
    gate = mb.relu6(x=mb.add(x=x, y=np.float16(3)))
    return mb.mul(x=mb.mul(x=x, y=gate), y=np.float16(1 / 6), name="active")


def mish(x: Any) -> Any:
    return mb.mul(x=x, y=mb.tanh(x=mb.softplus(x=x)), name="active")


@pytest.mark.parametrize("written_out", [silu, hard_swish, mish])
def test_an_activation_written_out_stays_within_the_pair(written_out: Callable[[Any], Any]) -> None:
    after = inserted(image(lambda x: conv(written_out(conv(x, "first")), "second")), ranges=ALL)
    assert counts(after)["quantize"] == 2
    assert [each.op_type for each in find_op(after, "active").outputs[0].child_ops] == ["quantize"]


def test_a_gate_of_another_value_is_no_activation() -> None:
    def body(x: Any) -> Any:
        first = conv(x, "first")
        return conv(
            mb.mul(x=first, y=mb.sigmoid(x=mb.reduce_mean(x=first, axes=[2, 3], keep_dims=True)), name="g"), "z"
        )

    after = inserted(image(body), ranges=ALL)
    assert makers(after, "g") == ["dequantize", "dequantize"]


# --- one pair for a value


def test_a_value_has_one_pair_however_many_take_it() -> None:
    def body(x: Any) -> Any:
        return conv(x, "a"), conv(x, "b"), mb.exp(x=x, name="float"), mb.add(x=x, y=x, name="twice")

    after = inserted(image(body), ranges=ALL)
    assert counts(after)["quantize"] == 1
    assert makers(after, "twice") == ["dequantize", "dequantize"]
    assert makers(after, "float") == []  # it reads the input as it was


def test_everything_reads_what_leaves_an_op_through_its_pair() -> None:
    def body(x: Any) -> Any:
        first = conv(x, "first")
        return conv(first, "second"), mb.exp(x=first, name="float"), mb.softmax(x=first, name="soft")

    after = inserted(image(body), ranges=ALL)
    assert makers(after, "float") == makers(after, "soft") == makers(after, "second") == ["dequantize"]


def test_a_residual_quantizes_both_inputs() -> None:
    def body(x: Any) -> Any:
        first = mb.relu(x=conv(x, "first"), name="r")
        return conv(mb.relu(x=mb.add(x=conv(first, "second"), y=first, name="sum"), name="out"), "last")

    program = image(body)
    plan = planned(program, r=(0, 2), second=(-3, 3), out=(0, 4))
    assert [*plan] == ["x", "r", "second", "out"]
    assert {each.op_type for each in plan["r"].readers} == {"conv", "add"}
    after = inserted(program, ranges=ALL)
    assert makers(after, "sum") == ["dequantize", "dequantize"]
    assert makers(after, "out") == ["add"]


def test_attention_quantizes_both_inputs_of_both_matmuls() -> None:
    def body(x: Any) -> Any:
        query, key, value = (linear(x, name) for name in ("query", "key", "value"))
        scores = mb.matmul(x=query, y=key, transpose_y=True, name="scores")
        chances = mb.softmax(x=mb.mul(x=scores, y=np.float16(0.25)), axis=-1, name="chances")
        return linear(mb.matmul(x=chances, y=value, name="mixed"), "last")

    program = rows(body)
    plan = {each.tensor.name: each for each in plan_activations(program, None, Choices(ranges=(
        GivenRange(tensor="[xqkvm]*", low=-2.0, high=2.0),))).pairs}  # fmt: skip
    assert [*plan] == ["x", "query", "key", "value", "chances", "mixed"]
    assert plan["chances"].words == "known of softmax"
    assert plan["chances"].scheme.scale == np.float16(1 / 127)
    assert len({each.group for each in plan.values()}) == len(plan)
    after = inserted(program, ranges=ALL)
    assert makers(after, "scores") == makers(after, "mixed") == ["dequantize", "dequantize"]


# --- shared scales


def joined(x: Any, behind: Callable[[Any], Any]) -> Any:
    parts = [mb.relu(x=conv(x, "a"), name="ra"), conv(x, "b"), mb.sin(x=x, name="s")]
    return behind(mb.concat(values=parts, axis=1, name="z"))


def test_a_concat_and_its_inputs_share_a_scale() -> None:
    plan = planned(image(lambda x: joined(x, lambda z: conv(z, "last"))), ra=(0, 2), b=(-5, 3), s=(-1, 1))
    group = [plan[name] for name in ("ra", "b", "s", "z")]
    assert {each.group for each in group} == {plan["z"].group}
    assert {float(each.scheme.scale) for each in group} == {float(np.float16(5 / 127))}
    assert (plan["z"].range.low, plan["z"].range.high) == (-5, 3)
    assert plan["x"].group != plan["z"].group


def test_concats_of_concats_share_a_scale() -> None:
    def body(x: Any) -> Any:
        inner = mb.concat(values=[conv(x, "a"), conv(x, "b")], axis=1, name="inner")
        return conv(mb.concat(values=[conv(x, "c"), inner], axis=1, name="outer"), "last")

    plan = planned(image(body), a=(-1, 1), b=(-2, 2), c=(-3, 3))
    assert len({plan[name].group for name in ("a", "b", "c", "inner", "outer")}) == 1
    assert plan["a"].scheme.scale == np.float16(3 / 127)


def test_a_constant_joins() -> None:
    constant = np.full((1, 2, 6, 8), 7, np.float16)

    def body(x: Any) -> Any:
        return conv(mb.concat(values=[x, mb.const(val=constant, name="c")], axis=1, name="z"), "last")

    program = image(body)
    plan = {each.tensor.name: each for each in plan_activations(program, None, Choices(ranges=(
        GivenRange(tensor="x", low=-1.0, high=1.0),))).pairs}  # fmt: skip
    assert plan["x"].scheme.scale == plan["c"].scheme.scale == np.float16(7 / 127)
    after = inserted(program, ranges=ALL)
    assert counts(inserted(after, ranges=ALL)) == counts(after)


def test_a_concat_for_floats_alone_shares_nothing() -> None:
    plan = planned(image(lambda x: joined(x, lambda z: mb.exp(x=z))), ra=(0, 2), b=(-5, 3))
    assert "z" not in plan
    assert plan["ra"].group != plan["b"].group


CARRIED: dict[str, Callable[[Any], Any]] = {
    "crop": lambda x: mb.crop(x=x, crop_height=[1, 1], crop_width=[1, 1]),
    "depth_to_space": lambda x: mb.depth_to_space(x=x, block_size=2),
    "expand_dims": lambda x: mb.squeeze(x=mb.expand_dims(x=x, axes=[0]), axes=[0]),
    "gather": lambda x: mb.gather(x=x, indices=[0, 2], axis=1),
    "identity": lambda x: mb.identity(x=x),
    "max_pool": lambda x: mb.max_pool(x=x, kernel_sizes=[2, 2], strides=[2, 2], pad_type="valid"),
    "pad": lambda x: mb.pad(x=x, pad=[0, 0, 0, 0, 1, 1, 1, 1], constant_val=np.float16(0)),
    "pixel_shuffle": lambda x: mb.pixel_shuffle(x=x, upscale_factor=2),
    "reflect": lambda x: mb.pad(x=x, pad=[1, 1, 1, 1], mode="reflect", constant_val=np.float16(7)),
    "reshape": lambda x: mb.reshape(x=x, shape=(1, 4, 8, 6)),
    "reverse": lambda x: mb.reverse(x=x, axes=[2]),
    "slice_by_index": lambda x: mb.slice_by_index(x=x, begin=[0, 0, 1, 1], end=[1, 4, 5, 5]),
    "slice_by_size": lambda x: mb.slice_by_size(x=x, begin=[0, 0, 1, 1], size=[1, 4, 3, 3]),
    "space_to_depth": lambda x: mb.space_to_depth(x=x, block_size=2),
    "split": lambda x: mb.split(x=x, num_splits=2, axis=1)[1],
    "tile": lambda x: mb.tile(x=x, reps=[1, 1, 2, 1]),
    "transpose": lambda x: mb.transpose(x=x, perm=[0, 1, 3, 2]),
    "upsample": lambda x: mb.upsample_nearest_neighbor(x=x, scale_factor_height=2, scale_factor_width=2),
}


@pytest.mark.parametrize("carrier", CARRIED)
def test_what_keeps_values_keeps_the_scale(carrier: str) -> None:
    program = image(lambda x: conv(CARRIED[carrier](conv(x, "first")), "second"))
    plan = plan_activations(program, None, Choices(ranges=(
        GivenRange(tensor="x", low=-1.0, high=1.0), GivenRange(tensor="first", low=-3.0, high=2.0))))  # fmt: skip
    assert {float(each.scheme.scale) for each in plan.pairs[1:]} == {float(np.float16(3 / 127))}
    assert all(each.refusal is None for each in plan.ops)
    assert calibration_tensors(program.functions["main"]) == ["x", "first", "second"]


def test_padding_with_another_number_keeps_no_scale() -> None:
    def body(x: Any) -> Any:
        return conv(mb.pad(x=x, pad=[1, 1, 1, 1], constant_val=np.float16(9), name="p"), "op")

    assert [*planned(image(body))] == ["p"]
    assert "p" in calibration_tensors(image(body).functions["main"])


def test_codes_move_where_an_op_moves_values() -> None:
    def body(x: Any) -> Any:
        moved = mb.transpose(x=mb.reshape(x=linear(x, "first"), shape=(10, 4, 2)), perm=[1, 0, 2], name="moved")
        return mb.matmul(x=moved, y=moved, transpose_y=True, name="op")

    after = inserted(rows(body), ranges=ALL)
    assert counts(after)["quantize"] == 2  # none behind the transpose
    moved = find_op(canonical(after), "op").x.op
    assert moved.op_type == "dequantize"
    assert [moved.input.op.op_type, moved.input.op.x.op.op_type] == ["transpose", "reshape"]


def test_codes_move_where_others_read_what_is_moved() -> None:
    def body(x: Any) -> Any:
        first = linear(x, "first")
        return linear(mb.transpose(x=first, perm=[1, 0]), "second", 3), linear(first, "third")

    after = canonical(inserted(rows(body), ranges=ALL))
    assert [each.x.op.op_type for each in (find_op(after, "second"), find_op(after, "third"))] == ["dequantize"] * 2
    assert find_op(after, "second").x.op.input.op.op_type == "transpose"
    assert counts(after)["quantize"] == 2


def test_float_readers_on_the_way_read_floats() -> None:
    def body(x: Any) -> Any:
        moved = mb.transpose(x=x, perm=[1, 0])
        return linear(moved, "op"), mb.exp(x=moved, name="float")

    after = inserted(rows(body), ranges=ALL)
    assert makers(after, "float") == ["transpose"]
    assert find_op(after, "float").x.op.x is after.functions["main"].inputs["x"]


# --- outputs


def test_outputs_stay_float_unless_asked_for() -> None:
    def body(x: Any) -> Any:
        first = conv(x, "first")
        return first, conv(first, "second"), mb.cast(x=mb.transpose(x=first, perm=[0, 1, 3, 2]), dtype="fp32", name="t")

    program = image(body)
    after = inserted(program, ranges=ALL)
    assert [each.op.op_type for each in after.functions["main"].outputs] == ["conv", "conv", "cast"]
    assert find_op(after, "t").x.op.x.op.op_type == "conv"
    asked = inserted(program, ranges=ALL, outputs=True)
    assert [each.op.op_type for each in asked.functions["main"].outputs] == ["dequantize", "dequantize", "cast"]
    assert [each.name for each in asked.functions["main"].outputs] == ["first", "second", "t"]
    assert find_op(asked, "t").x.op.x.op.op_type == "dequantize"
    assert counts(inserted(asked, ranges=ALL, outputs=True)) == counts(asked)


def test_only_the_ranges_that_are_asked_for_are_measured() -> None:
    def body(x: Any) -> Any:
        quantized = mb.quantize(input=x, scale=np.float16(1), output_dtype="int8")
        first = linear(mb.dequantize(input=quantized, scale=np.float16(1)), "first")
        return mb.exp(x=mb.softmax(x=mb.relu(x=first, name="r")), name="y")

    program = build_program(body, IOS18, x=fp16(10, 8))
    assert calibration_tensors(program.functions["main"]) == ["r"]
