"""The table of ops that generated PyMIL programs are made of: what each takes, and how one is added.

Each function adds one kind of op, with the constants that it needs, behind a value that fits, and gives the values
that later ops may use.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from milopt.ir.pymil import dtype_of, is_symbolic, mb, types
from milopt.ir.targets import IOS15, IOS16, IOS17, IOS18, IOS26, Opset

from .generated_values import Draw
from .program_registry import integers, weights

Fits = Callable[[Any], bool]
Build = Callable[[Draw, Any], Any]
_Choice = dict[str, Callable[[], Any]]


class Kind(NamedTuple):
    """One kind of op.

    Attributes:
        fits: whether it can stand behind a value.
        build: adds it; gives its result or results.
        first: the first opset that has it.
        last: the last one that has it in this form.
    """

    fits: Fits
    build: Build
    first: Opset
    last: Opset


KINDS: dict[str, Kind] = {}


def kind(fits: Fits, *, first: Opset = IOS15, last: Opset = IOS26) -> Callable[[Build], Build]:
    """Puts the decorated builder into `KINDS`, under its own name."""

    def register(build: Build) -> Build:
        KINDS[build.__name__] = Kind(fits, build, first, last)
        return build

    return register


# --- what values fit


def is_state(x: Any) -> bool:
    """A state."""
    return bool(types.is_state(x.sym_type))


def is_number(x: Any) -> bool:
    """A tensor, or one number, that is no truth value."""
    return _is_plain(x) and dtype_of(x).name in ("fp16", "fp32", "int32")


def is_float(x: Any) -> bool:
    """A tensor of floats, or one float."""
    return _is_plain(x) and dtype_of(x).is_float


def is_tensor(x: Any) -> bool:
    """A tensor with an axis at least, whatever its elements."""
    return bool(types.is_tensor(x.sym_type)) and x.rank > 0


def has_rows(x: Any) -> bool:
    """A tensor of floats whose last size is known."""
    return is_tensor(x) and dtype_of(x).is_float and not is_symbolic(x.shape[-1])


def has_known_sizes(x: Any) -> bool:
    """A tensor without unknown sizes."""
    return is_tensor(x) and not any(map(is_symbolic, x.shape))


def is_image(x: Any) -> bool:
    """A tensor of floats with a batch, a known number of channels and two further axes."""
    return is_tensor(x) and dtype_of(x).is_float and x.rank == 4 and not is_symbolic(x.shape[1])


def _is_plain(x: Any) -> bool:
    return bool(types.is_tensor(x.sym_type) or types.is_scalar(x.sym_type))


def _numpy(x: Any) -> str:
    return dtype_of(x).numpy


def _known_axes(x: Any) -> list[int]:
    return [axis for axis, size in enumerate(x.shape) if not is_symbolic(size)]


def _axis(draw: Draw, axes: list[int]) -> int:
    return int(draw(st.sampled_from(axes)))


# --- element by element


@kind(is_float)
def activation(draw: Draw, x: Any) -> Any:
    name = draw(st.sampled_from(["relu", "tanh", "sigmoid", "exp", "square", "abs", "erf", "gelu", "identity"]))
    return getattr(mb, name)(x=x)


@kind(is_number)
def with_constant(draw: Draw, x: Any) -> Any:
    """Arithmetic with a number, the ends of the range and what is no number among them."""
    ends = [3, -1] if dtype_of(x).name == "int32" else [0.1, -0.0, np.inf, -np.inf, np.nan, 6e-8]
    number = np.array(draw(st.sampled_from(ends)), _numpy(x))[()]
    return getattr(mb, draw(st.sampled_from(["add", "sub", "mul", "maximum", "minimum"])))(x=x, y=number)


@kind(is_number)
def with_itself(draw: Draw, x: Any) -> Any:
    return getattr(mb, draw(st.sampled_from(["add", "mul", "maximum"])))(x=x, y=x)


@kind(is_float)
def clip(draw: Draw, x: Any) -> Any:
    low, high = draw(st.sampled_from([(0.0, 6.0), (-1.0, 0.1), (-np.inf, 0.0)]))
    return mb.clip(x=x, alpha=np.array(low, _numpy(x))[()], beta=np.array(high, _numpy(x))[()])


@kind(_is_plain)
def cast(draw: Draw, x: Any) -> Any:
    return mb.cast(x=x, dtype=draw(st.sampled_from(["fp16", "fp32", "int32", "bool"])))


@kind(is_float)
def select(draw: Draw, x: Any) -> Any:
    number = np.array(draw(st.floats(-2, 2, width=16)), _numpy(x))[()]
    mask = getattr(mb, draw(st.sampled_from(["less", "greater", "equal"])))(x=x, y=number)
    return mask, mb.select(cond=mask, a=x, b=x)


# --- weights


@kind(is_image)
def conv(draw: Draw, x: Any) -> Any:
    size = draw(st.sampled_from([1, 3]))
    weight = weights(draw(st.integers(1, 5)), x.shape[1], size, size, dtype=_numpy(x))
    return mb.conv(x=x, weight=weight, pad_type="same", dilations=[1, draw(st.integers(1, 2))])


@kind(has_rows)
def linear(draw: Draw, x: Any) -> Any:
    out = draw(st.integers(1, 7))
    bias = {"bias": weights(out, dtype=_numpy(x), seed=1)} if draw(st.booleans()) else {}
    return mb.linear(x=x, weight=weights(out, x.shape[-1], dtype=_numpy(x)), **bias)


@kind(lambda x: has_rows(x) and x.rank > 1)
def matmul(draw: Draw, x: Any) -> Any:
    weight = weights(draw(st.integers(1, 7)), x.shape[-1], dtype=_numpy(x))
    return mb.matmul(x=x, y=weight, transpose_y=True)


def _behind(x: Any, weight: Any) -> Any:
    if dtype_of(x).name == "fp32":
        x = mb.cast(x=x, dtype="fp16")
    return mb.linear(x=x, weight=weight)


@kind(has_rows, first=IOS16, last=IOS17)
def constexpr_ios16(draw: Draw, x: Any) -> Any:
    """A weight in one of the encodings of iOS 16; `cast` is one, too, which gives single precision."""
    shape = (draw(st.integers(1, 5)), x.shape[-1])
    size, scale = int(prod(shape)), np.abs(weights(shape[0])) + np.float16(0.01)
    choices: _Choice = {
        "affine": lambda: mb.constexpr_affine_dequantize(
            axis=0, quantized_data=integers("int8", *shape), scale=scale, zero_point=np.int8(-128)
        ),
        "lut": lambda: mb.constexpr_lut_to_dense(
            indices=integers("uint8", -(-size * 2 // 8)), lut=weights(4), shape=np.array(shape, np.uint32)
        ),
        "sparse": lambda: mb.constexpr_sparse_to_dense(
            mask=np.packbits(np.ones(size, np.uint8), bitorder="little"), nonzero_data=weights(size),
            shape=np.array(shape, np.uint32),
        ),
        "cast": lambda: mb.cast(x=mb.constexpr_cast(output_dtype="fp32", source_val=weights(*shape)), dtype="fp16"),
    }  # fmt: skip
    return _behind(x, choices[draw(st.sampled_from(sorted(choices)))]())


@kind(has_rows, first=IOS18)
def constexpr_ios18(draw: Draw, x: Any) -> Any:
    """A weight in one of the encodings of iOS 18, whose types are narrower than a byte."""
    shape = (draw(st.integers(1, 5)), x.shape[-1])
    bits = draw(st.sampled_from([1, 2, 3, 4, 6, 8]))
    scale = np.abs(weights(shape[0], 1)) + np.float16(0.01)
    mask = integers("uint1", *shape)
    choices: _Choice = {
        "int4": lambda: mb.constexpr_blockwise_shift_scale(
            data=integers("int4", *shape), offset=integers("int4", shape[0], 1), scale=scale
        ),
        "uint8": lambda: mb.constexpr_blockwise_shift_scale(data=integers("uint8", *shape), scale=scale),
        "lut": lambda: mb.constexpr_lut_to_dense(
            indices=integers(f"uint{bits}", *shape), lut=weights(1, 1, 1 << bits, 1)
        ),
        "sparse": lambda: mb.constexpr_sparse_to_dense(mask=mask, nonzero_data=weights(int(mask.sum()))),
    }
    return _behind(x, choices[draw(st.sampled_from(sorted(choices)))]())


@kind(lambda x: is_tensor(x) and is_float(x), first=IOS17)
def quantize(draw: Draw, x: Any) -> Any:
    scale = np.array(0.05, _numpy(x))[()]
    codes = mb.quantize(input=x, scale=scale, output_dtype=draw(st.sampled_from(["int8", "uint8"])))
    return mb.dequantize(input=codes, scale=scale)


# --- shapes


@kind(lambda x: has_known_sizes(x) and 0 not in x.shape)
def reshape(draw: Draw, x: Any) -> Any:
    first = draw(st.sampled_from([size for size in range(1, 9) if prod(x.shape) % size == 0]))
    return mb.reshape(x=x, shape=[first, -1])


@kind(is_tensor)
def transpose(draw: Draw, x: Any) -> Any:
    return mb.transpose(x=x, perm=draw(st.permutations(range(x.rank))))


@kind(lambda x: is_tensor(x) and bool(_known_axes(x)))
def concat(draw: Draw, x: Any) -> Any:
    return mb.concat(values=[x] * draw(st.integers(1, 3)), axis=_axis(draw, _known_axes(x)))


@kind(lambda x: is_tensor(x) and any(x.shape[axis] > 1 for axis in _known_axes(x)))
def split(draw: Draw, x: Any) -> Any:
    axis = _axis(draw, [axis for axis in _known_axes(x) if x.shape[axis] > 1])
    return mb.split(x=x, split_sizes=[1, x.shape[axis] - 1], axis=axis)


@kind(lambda x: is_tensor(x) and is_number(x) and bool(_known_axes(x)))
def gather(draw: Draw, x: Any) -> Any:
    axis = _axis(draw, _known_axes(x))
    indices = draw(st.lists(st.integers(0, x.shape[axis] - 1), min_size=1, max_size=3))
    return mb.gather(x=x, indices=np.array(indices, np.int32), axis=axis)


@kind(lambda x: is_tensor(x) and is_number(x))
def slice_by_index(draw: Draw, x: Any) -> Any:
    keep = draw(st.lists(st.booleans(), min_size=x.rank, max_size=x.rank))
    return mb.slice_by_index(x=x, begin=[0] * x.rank, end=[1] * x.rank, end_mask=keep)


@kind(lambda x: is_tensor(x) and x.rank < 4)
def expand_dims(draw: Draw, x: Any) -> Any:
    return mb.expand_dims(x=x, axes=[draw(st.integers(-1, x.rank))])


@kind(lambda x: is_tensor(x) and 1 in [x.shape[axis] for axis in _known_axes(x)])
def squeeze(draw: Draw, x: Any) -> Any:
    return mb.squeeze(x=x, axes=[_axis(draw, [axis for axis in _known_axes(x) if x.shape[axis] == 1])])


@kind(lambda x: is_tensor(x) and is_number(x))
def shape(draw: Draw, x: Any) -> Any:
    sizes = mb.shape(x=x)
    return sizes, mb.reshape(x=x, shape=sizes) if draw(st.booleans()) else sizes


# --- several elements


@kind(lambda x: is_tensor(x) and is_float(x))
def reduce(draw: Draw, x: Any) -> Any:
    name = draw(st.sampled_from(["reduce_mean", "reduce_max", "reduce_sum", "reduce_l2_norm", "reduce_argmax"]))
    axis, keep = draw(st.integers(-x.rank, x.rank - 1)), draw(st.booleans())
    return getattr(mb, name)(x=x, keep_dims=keep, **({"axis": axis} if name == "reduce_argmax" else {"axes": [axis]}))


@kind(lambda x: is_tensor(x) and is_float(x))
def softmax(draw: Draw, x: Any) -> Any:
    return mb.softmax(x=x, axis=draw(st.integers(-x.rank, x.rank - 1)))


@kind(has_rows)
def layer_norm(draw: Draw, x: Any) -> Any:
    width, dtype = x.shape[-1], _numpy(x)
    scale = {"gamma": weights(width, dtype=dtype), "beta": weights(width, dtype=dtype, seed=1)}
    return mb.layer_norm(x=x, axes=[-1], epsilon=np.array(1e-5, dtype)[()], **(scale if draw(st.booleans()) else {}))


@kind(has_rows)
def topk(draw: Draw, x: Any) -> Any:
    return mb.topk(x=x, k=1, axis=-1, ascending=draw(st.booleans()))


@kind(is_image)
def max_pool(draw: Draw, x: Any) -> Any:
    return mb.max_pool(x=x, kernel_sizes=[2, 2], strides=[1, draw(st.integers(1, 2))], pad_type="same")


# --- control flow, lists and states


def _chosen(x: Any) -> Any:
    return mb.cast(x=mb.reduce_max(x=x, keep_dims=False) if is_tensor(x) else x, dtype="bool")


@kind(is_float)
def cond(draw: Draw, x: Any) -> Any:
    """A choice, another one inside it at times; branches give an outer value, or one of their own."""
    nested = draw(st.booleans())
    half = np.array(0.5, _numpy(x))[()]
    return mb.cond(
        pred=_chosen(x),
        _true_fn=lambda: cond(draw, x) if nested else mb.tanh(x=x),
        _false_fn=lambda: mb.mul(x=mb.relu(x=x), y=half),
    )


@kind(is_float)
def while_loop(draw: Draw, x: Any) -> Any:
    """A loop that counts; a choice in its body at times."""
    nested, zero = draw(st.booleans()), mb.const(val=np.int32(0))
    _, result = mb.while_loop(
        _cond=lambda count, _: mb.less(x=count, y=3),
        _body=lambda count, value: (mb.add(x=count, y=1), cond(draw, value) if nested else mb.tanh(x=value)),
        loop_vars=(zero, x),
    )
    return result


@kind(lambda x: has_known_sizes(x) and is_float(x))
def lists(draw: Draw, x: Any) -> Any:
    made = mb.make_list(
        init_length=draw(st.integers(1, 3)), dynamic_length=True, elem_shape=x.shape, dtype=dtype_of(x).name
    )
    written = mb.list_write(ls=made, index=0, value=x)
    return mb.list_read(ls=written, index=0), mb.list_length(ls=written)


@kind(is_state, first=IOS18)
def read_state(draw: Draw, x: Any) -> Any:  # noqa: ARG001 - nothing is left to choose
    return mb.read_state(input=x)


@kind(is_state, first=IOS18)
def update_state(draw: Draw, x: Any) -> Any:
    """A state that grows. What it was written with is read back, or else another op follows.

    The protobuf has one form for an update that is read and for one that is not but is followed by a read.
    """
    grown = mb.add(x=mb.read_state(input=x), y=np.float16(1))
    updated = mb.coreml_update_state(state=x, value=grown)
    return mb.relu(x=updated) if draw(st.booleans()) else mb.relu(x=grown)
