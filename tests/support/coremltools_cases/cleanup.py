"""Cases of passes that remove what is not needed, and of those that write types and orders anew."""

from __future__ import annotations

from typing import Any

import numpy as np
from milopt.ir.pymil import mb, mil_list
from milopt.ir.targets import IOS17

from ..program_registry import fp16, fp32, int32
from .record import case, constants, named, raises, scalar, wrong_numbers

# --- noop_elimination


@case("noop_elimination", x=fp32(1, 2, 3, 4))
def what_computes_nothing(x: Any) -> Any:
    y = mb.add(x=mb.mul(x=mb.cos(x=x), y=scalar(1)), y=np.zeros((3, 4), np.float32))
    y = mb.transpose(x=mb.pow(x=y, y=scalar(1)), perm=[0, 1, 2, 3])
    return mb.sin(x=mb.tile(x=y, reps=[1, 1, 1, 1]))


@case("noop_elimination", x=fp32(3, 4), fails=wrong_numbers("`floor_div` of floats by 1, which rounds down"))
def floored(x: Any) -> Any:
    return mb.sin(x=mb.floor_div(x=x, y=scalar(1)))


_SAMPLINGS = {
    "STRICT_ALIGN_CORNERS": None,
    "ALIGN_CORNERS": None,
    "DEFAULT": None,
    "OFFSET_CORNERS": wrong_numbers("`resize_bilinear` to the same size, whose points lie between those of the input"),
}


def _add_sampling(mode: str) -> None:
    def body(x: Any) -> Any:
        return mb.sin(x=mb.resize_bilinear(x=x, target_size_height=3, target_size_width=4, sampling_mode=mode))

    case("noop_elimination", x=fp32(1, 2, 3, 4), fails=_SAMPLINGS[mode])(named(body, f"resized_{mode.lower()}"))


for _mode in _SAMPLINGS:
    _add_sampling(_mode)


# --- loop_invariant_elimination


def _three_times(i: Any, *_: Any) -> Any:
    return mb.less(x=i, y=3)


@case("loop_invariant_elimination", x=fp32(3), w=fp32(3))
def loop_hands_value_on(x: Any, w: Any) -> Any:
    def body(i: Any, kept: Any, total: Any) -> Any:
        return mb.add(x=i, y=1), kept, mb.add(x=total, y=kept)

    _, kept, total = mb.while_loop(_cond=_three_times, _body=body, loop_vars=(0, x, w))
    return kept, total


@case("loop_invariant_elimination", x=fp32(3), w=fp32(3),
      fails=wrong_numbers("a loop that takes a value from outside over: it gives the first value"))  # fmt: skip
def loop_takes_value_from_outside(x: Any, w: Any) -> Any:
    def body(i: Any, _: Any) -> Any:
        return mb.add(x=i, y=1), w

    _, value = mb.while_loop(_cond=_three_times, _body=body, loop_vars=(0, x))
    return mb.sin(x=value)


# --- the rest


@case("fuse_reduce_mean", x=fp32(3, 4, 5))
def sum_divided(x: Any) -> Any:
    return mb.real_div(x=mb.reduce_sum(x=x, axes=[-1], keep_dims=True), y=scalar(5))


@case("fuse_reduce_mean", x=fp32(3, 256, 256),
      fails=wrong_numbers("a sum times a number that is within 1e-6 of 1/count, large counts included"))  # fmt: skip
def sum_times_small_number(x: Any) -> Any:
    return mb.mul(x=mb.reduce_sum(x=x, axes=[1, 2], keep_dims=False), y=scalar(1.5e-5))


@case("dead_code_elimination", x=fp32(2, 3))
def unused_op(x: Any) -> Any:
    mb.sin(x=x)
    return mb.cos(x=x)


@case("remove_redundant_ops", x=fp32(2, 3))
def computed_twice(x: Any) -> Any:
    return mb.add(x=mb.exp(x=mb.sin(x=x)), y=mb.sqrt(x=mb.abs(x=mb.sin(x=x))))


@case("remove_symbolic_reshape", x=fp32(None, 4))
def reshaped_by_known_part_of_shape(x: Any) -> Any:
    rows = mb.slice_by_index(x=mb.shape(x=x), begin=[0], end=[1])
    return mb.reshape(x=x, shape=mb.concat(values=[rows, np.array([2, 2], np.int32)], axis=0))


@case("const_elimination", x=fp32(3))
def computed_constant(x: Any) -> Any:
    return mb.add(x=x, y=mb.sin(x=mb.const(val=constants(3))))


@case("const_deduplication", x=fp32(128), z=fp32(128))
def equal_constants(x: Any, z: Any) -> Any:
    return mb.add(x=x, y=mb.const(val=constants(128))), mb.mul(x=z, y=mb.const(val=constants(128)))


@case("topological_reorder", x=fp32(2, 3), z=fp32(3, 2))
def early_transpose(x: Any, z: Any) -> Any:
    early = mb.transpose(x=x, perm=[1, 0])
    return mb.add(x=early, y=mb.sin(x=z)), mb.cast(x=early, dtype="int32"), early


# --- cast_optimization

_NUMBERS = [[0.5, -0.5, 1.5, 0], [-2.7, 3.2, 0.2, -100], [100, 7, 5, -3]]
_TRUTH = "floats to {} to truth values: 0.5 was false, and is true"
_CASTS = {
    "single_to_half_to_single": ("fp16", "fp32", fp32(3, 4), None),
    "float_to_int32_to_float": ("int32", "fp32", fp32(3, 4), None),
    "float_to_int32_to_bool": ("int32", "bool", fp32(3, 4), wrong_numbers(_TRUTH.format("int32"))),
    "float_to_int8_to_bool": ("int8", "bool", fp32(3, 4), wrong_numbers(_TRUTH.format("int8"))),
    "half_to_int32_to_bool": ("int32", "bool", fp16(3, 4), wrong_numbers(_TRUTH.format("int32") + " (half precision)")),
}


def _add_cast(name: str) -> None:
    between, last, kind, fails = _CASTS[name]

    def body(x: Any) -> Any:
        return mb.cast(x=mb.cast(x=x, dtype=between), dtype=last)

    given = {"x": _NUMBERS}
    add = case("cast_optimization", IOS17, x=kind, given=given, changes=fails is not None, fails=fails)
    add(named(body, name))


for _name in _CASTS:
    _add_cast(_name)


# --- add_int16_cast

_WIDE = "integers beyond 16 bits: the pass narrows data, not indices only"


@case(
    "add_int16_cast", IOS17, x=int32(6, 4), given={"x": np.arange(24).reshape(6, 4) * 9000}, fails=wrong_numbers(_WIDE)
)
def large_integers_gathered(x: Any) -> Any:
    return mb.gather(x=x, indices=np.array([0, 2], np.int32), axis=0)


@case("add_int16_cast", IOS17, x=int32(6, 1), given={"x": np.arange(6).reshape(6, 1) * 90000},
      fails=wrong_numbers(f"{_WIDE} (`squeeze`)"))  # fmt: skip
def large_integers_squeezed(x: Any) -> Any:
    return mb.squeeze(x=x, axes=[1])


@case("add_int16_cast", IOS17, x=int32(6, 4), given={"x": np.arange(24).reshape(6, 4) * 90000},
      fails=wrong_numbers(f"{_WIDE} (`topk`)"))  # fmt: skip
def greatest_of_large_integers(x: Any) -> Any:
    return mb.topk(x=x, k=2, axis=1)


@case("add_int16_cast", IOS17, x=fp32(6, 4), i=int32(3), given={"i": [-1, 2, -6]})
def negative_indices_narrowed(x: Any, i: Any) -> Any:
    return mb.gather(x=x, indices=i, axis=0)


# --- add_fp16_cast


@case("add_fp16_cast", x=fp32(3, 5))
def linear_in_half_precision(x: Any) -> Any:
    return mb.linear(x=x, weight=constants(7, 5), bias=constants(7))


@case("add_fp16_cast", x=fp32(2, 3), fails=raises("a classifier, whose labels are a list; it is usually added later"))
def classified(x: Any) -> Any:
    labels = mb.const(val=mil_list(["cat", "dog", "emu"]), name="labels")
    scores = mb.reduce_mean(x=x, axes=[0], keep_dims=False)
    return mb.classify(probabilities=scores, classes=labels)
