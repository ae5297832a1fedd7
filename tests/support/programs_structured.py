"""Programs for what surrounds the weights: inputs and outputs, functions, states, control flow, constants."""

from __future__ import annotations

from typing import Any

import numpy as np
from milopt.ir.pymil import Program, available_target, mb, mil_list
from milopt.ir.targets import IOS15, IOS16, IOS17, IOS18

from .program_registry import fp16, fp32, int32, integers, program, register, state, weights

# --- kinds of inputs and outputs


def classifier(x: Any, classes: list[Any]) -> Any:
    """A linear layer, a softmax, and the labels of the classes."""
    scores = mb.linear(x=x, weight=weights(len(classes), 200, dtype="float32"), name="scores")
    probabilities = mb.softmax(x=scores, axis=-1, name="probabilities")
    labels = mb.const(val=mil_list(classes), name="labels")
    return mb.classify(probabilities=probabilities, classes=labels, name="classify")


@program(IOS15, x=fp32(1, 200))
def classifier_strings(x: Any) -> Any:
    """A classifier with names for labels."""
    return classifier(x, [f"kind {index}" for index in range(12)])


@program(IOS15, x=fp32(1, 200))
def classifier_integers(x: Any) -> Any:
    """A classifier with numbers for labels, beyond 32 bits."""
    return classifier(x, [np.int64(2**33 + index) for index in range(12)])


@program(IOS16, image=fp32(1, 3, 20, 30))
def image(image: Any) -> Any:
    """What an image input feeds: three channels, scaled and convolved."""
    scaled = mb.mul(x=image, y=np.float32(1 / 255), name="scaled")
    return mb.conv(x=scaled, weight=weights(16, 3, 7, 7, dtype="float32"), strides=[2, 2], name="conv")


@program(IOS16, image=fp32(1, 3, 20, 30))
def image_scores(image: Any) -> Any:
    """Probabilities from an image; coremltools adds the labels when it converts this."""
    y = mb.conv(x=image, weight=weights(16, 3, 7, 7, dtype="float32"), strides=[2, 2], name="conv")
    y = mb.squeeze(x=mb.reduce_mean(x=y, axes=[2, 3], keep_dims=True, name="mean"), axes=[2, 3], name="vector")
    return mb.softmax(x=y, axis=-1, name="probabilities")


@program(IOS16, image=fp32(1, 3, 20, 30))
def image_to_image(image: Any) -> Any:
    """A brighter image."""
    return mb.mul(x=image, y=np.float32(1.25), name="brighter")


@program(IOS17, x=fp16(None, 40))
def flexible(x: Any) -> Any:
    """An unknown batch size."""
    return mb.softmax(x=mb.linear(x=x, weight=weights(64, 40), name="linear"), axis=-1, name="softmax")


@program(IOS17, x=fp16(1, None, None, 12))
def flexible_reshape(x: Any) -> Any:
    """Two unknown dimensions, and a shape that is computed from them."""
    rows = mb.slice_by_index(x=mb.shape(x=x, name="shape"), begin=[1], end=[2], name="rows")
    target = mb.concat(values=[rows, np.array([-1], np.int32)], axis=0, name="target")
    return mb.reshape(x=x, shape=target, name="reshape")


@program(IOS18, x=fp16(1, 40), cache=state(1, 64))
def states(x: Any, cache: Any) -> Any:
    """A state that is read, added to, written and used again."""
    y = mb.linear(x=x, weight=weights(64, 40), name="linear")
    total = mb.add(x=mb.read_state(input=cache, name="read"), y=y, name="total")
    updated = mb.coreml_update_state(state=cache, value=total, name="updated")
    return mb.mul(x=updated, y=np.float16(2), name="twice")


@program(IOS18, x=fp16(1, 40), first=state(1, 40), second=state(1, 40))
def states_written_only(x: Any, first: Any, second: Any) -> Any:
    """Two states; what the first is written with is not read back."""
    mb.coreml_update_state(state=first, value=x, name="remember")
    old = mb.read_state(input=second, name="old")
    mb.coreml_update_state(state=second, value=mb.add(x=old, y=x, name="sum"), name="accumulate")
    return mb.relu(x=old, name="relu")


@register
def two_functions() -> Program:
    """Two functions that share one weight."""
    shared = weights(64, 40)

    def encode(x: Any) -> Any:
        return mb.linear(x=x, weight=shared, name="encode")

    def decode(x: Any) -> Any:
        return mb.matmul(x=x, y=shared, name="decode")

    result = Program()
    for body, width in ((encode, 40), (decode, 64)):
        spec = fp16(10, width).placeholder()
        function = mb.function(input_specs=[spec], opset_version=available_target(IOS18))(body)
        result.add_function(body.__name__, function)
    result.default_function_name = "encode"
    result.export_as_multifunction = True
    return result


@program(IOS15, x=fp32(6))
def total(x: Any) -> Any:
    """A sum over everything, without an axis left."""
    return mb.reduce_sum(x=x, axes=[0], keep_dims=False, name="total")


@program(IOS17, x=fp32(1))
def one_number(x: Any) -> Any:
    """One number in, one out."""
    return mb.mul(x=x, y=np.float32(2), name="twice")


# --- control flow and lists


@program(IOS17, x=fp16(10, 40), limit=int32(1))
def while_loop(x: Any, limit: Any) -> Any:
    """A loop that applies a weight again and again."""
    weight = mb.const(val=weights(40, 40) + weights(40, 40, seed=1), name="outer_weight")

    def more(count: Any, _: Any) -> Any:
        return mb.less(x=count, y=mb.squeeze(x=limit, name="bound"), name="more")

    def step(count: Any, value: Any) -> Any:
        value = mb.linear(x=value, weight=weight, bias=weights(40), name="step")
        return mb.add(x=count, y=1, name="next"), mb.tanh(x=value, name="bounded")

    return mb.while_loop(_cond=more, _body=step, loop_vars=(mb.const(val=0, name="zero"), x), name="loop")


@program(IOS17, x=fp16(10, 40), flag=int32(1))
def cond(x: Any, flag: Any) -> Any:
    """A choice; one branch holds its weight, the other uses one from outside."""
    outer = mb.const(val=weights(64, 40), name="outer_weight")
    chosen = mb.cast(x=mb.squeeze(x=flag, name="scalar"), dtype="bool", name="chosen")

    def yes() -> Any:
        return mb.linear(x=x, weight=mb.const(val=weights(64, 40, seed=1), name="inner_weight"), name="yes")

    def no() -> Any:
        return mb.linear(x=x, weight=outer, name="no")

    return mb.cond(pred=chosen, _true_fn=yes, _false_fn=no, name="choice")


@program(IOS17, x=fp16(10, 40), flag=int32(1))
def cond_in_loop(x: Any, flag: Any) -> Any:
    """A choice inside a loop."""
    chosen = mb.cast(x=mb.squeeze(x=flag, name="scalar"), dtype="bool", name="chosen")

    def more(count: Any, _: Any) -> Any:
        return mb.less(x=count, y=3, name="more")

    def step(count: Any, value: Any) -> Any:
        result = mb.cond(pred=chosen, _true_fn=lambda: mb.relu(x=value, name="rectified"),
                         _false_fn=lambda: mb.mul(x=value, y=np.float16(0.5), name="halved"),
                         name="choice")  # fmt: skip
        return mb.add(x=count, y=1, name="next"), result

    return mb.while_loop(_cond=more, _body=step, loop_vars=(mb.const(val=0, name="zero"), x), name="loop")


@program(IOS17, x=fp16(1, 40))
def lists(x: Any) -> Any:
    """A list that is made, written, measured and gathered from."""
    made = mb.make_list(init_length=3, dynamic_length=True, elem_shape=(1, 40), dtype="fp16", name="made")
    written = mb.list_write(ls=made, index=1, value=x, name="written")
    return (
        mb.list_read(ls=written, index=1, name="element"),
        mb.list_length(ls=written, name="length"),
        mb.list_gather(ls=written, indices=[0, 2], name="gathered"),
    )


@program(IOS17, x=fp16(3, 40))
def list_in_loop(x: Any) -> Any:
    """A list as a variable of a loop."""
    made = mb.make_list(init_length=3, dynamic_length=True, elem_shape=(1, 40), dtype="fp16", name="made")

    def more(count: Any, _: Any) -> Any:
        return mb.less(x=count, y=3, name="more")

    def step(count: Any, ls: Any) -> Any:
        row = mb.expand_dims(x=mb.gather(x=x, indices=count, axis=0, name="row"), axes=[0], name="wide")
        return mb.add(x=count, y=1, name="next"), mb.list_write(ls=ls, index=count, value=row, name="written")

    start = mb.const(val=0, name="zero")
    _, filled = mb.while_loop(_cond=more, _body=step, loop_vars=(start, made), name="loop")
    return mb.list_gather(ls=filled, indices=[2, 0], name="gathered")


# --- constants of every kind


@program(IOS18, x=fp16(20, 30), ids=int32(5))
def constants(x: Any, ids: Any) -> Any:
    """Large constants of integers and truth values, and ones of 16 bits."""
    mask = np.random.default_rng(1).random((20, 30)) < 0.5
    chosen = mb.select(cond=mask, a=x, b=np.float16(0), name="chosen")
    table = np.random.default_rng(2).integers(-(2**31), 2**31, 50, dtype=np.int32)
    shorts = mb.gather(x=integers("int16", 40, 3), indices=ids, axis=0, name="shorts")
    return chosen, mb.gather(x=table, indices=ids, axis=0, name="integers"), mb.cast(
        x=shorts, dtype="int32", name="widened")  # fmt: skip


@program(IOS17, x=fp16(20, 30))
def infinite_constant(x: Any) -> Any:
    """A mask of minus infinity above the diagonal, and single infinities and a zero below 0."""
    mask = np.triu(np.full((20, 30), -np.inf, np.float16), 1)
    y = mb.softmax(x=mb.add(x=x, y=mask, name="masked"), axis=-1, name="softmax")
    return mb.minimum(x=mb.mul(x=y, y=np.float16(-0.0), name="zeros"), y=np.float16(np.inf), name="least")


@program(IOS17, x=fp16(10, 40))
def small_shapes(x: Any) -> Any:
    """Constants without an axis, with axes of size 1, and with no elements at all."""
    y = mb.add(x=mb.mul(x=x, y=np.float16(2), name="scalar"), y=np.ones((1, 1), np.float16), name="ones")
    return mb.concat(values=[y, np.zeros((0, 40), np.float16)], axis=0, name="nothing_more")


@program(IOS17, x=fp16(10, 40))
def variadic(x: Any) -> Any:
    """Ops with several inputs and outputs under one parameter, and an input that is an output."""
    left, right = mb.split(x=x, split_sizes=[30, 10], axis=1, name="split")
    joined = mb.concat(values=[right, left, right], axis=1, name="joined")
    values, indices = mb.topk(x=joined, k=3, axis=1, name="topk")
    return values, indices, mb.identity(x=x, name="same")


@program(IOS15, shape=int32(None))
def unknown_rank(shape: Any) -> Any:
    """A shape of unknown length, so that the output's rank is unknown."""
    return mb.fill(shape=shape, value=np.float32(3), name="filled")
