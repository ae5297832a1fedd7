"""A strategy for programs that are rich in what canonicalization works on: `quantize`, `dequantize`, casts, moving ops,
products and sums with constants, shared values, branches, several outputs; in half and single precision.

The schemes of a program come from a small pool, so that pairs meet often; scales overflow, saturate and round. Nothing
makes a NaN of other numbers: what `quantize` makes of one is not defined.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st
from milopt.ir.pymil import (
    Function,
    Placeholder,
    Program,
    available_target,
    builtin_type,
    dtype_of,
    get_new_symbol,
    is_symbolic,
    mb,
    unique_names,
)
from milopt.ir.targets import IOS17, IOS18

from .generated_values import Draw

SIZES = (1, 2, 3, 5)
SCALES = (1.0, 0.5, 0.125, 0.3, 2.0**-13, 2.0**-14, 3e-6, 300.0, 1000.0)
ZERO_POINTS = {"int8": (None, 0, 3, -128, 127), "uint8": (None, 0, 3, 128, 255)}
FACTORS = (1.0, 2.0, 0.5, 2.0**-12, 4096.0, -1.0, -2.0, 3.0)
ADDENDS = (0.0, -0.0, 1.0, -2.0, 0.3, 1000.0)
MOST_OPS = 14

_FLOATS = ("fp16", "fp32")
_CODES = ("int8", "uint8")


@st.composite
def quantized_programs(draw: Draw, most_ops: int = MOST_OPS) -> Program:
    """A PyMIL program of one function, `main`; its first input may have an unknown size."""
    result = Program()
    with unique_names(()):
        inputs = {name: _input(draw, name) for name in ("x", "y")[: draw(st.integers(1, 2))]}
        opset = available_target(draw(st.sampled_from((IOS17, IOS18))))
        with Function(inputs, opset) as function:
            values = _Graph(draw).grown([each.outputs[0] for each in inputs.values()], draw(st.integers(2, most_ops)))
            results = [value for value in values if value.op is not None]
            function.set_outputs(draw(st.lists(st.sampled_from(results), min_size=1, max_size=4, unique=True)))
        result.add_function("main", function)
    return result


def _input(draw: Draw, name: str) -> Placeholder:
    shape: list[Any] = draw(st.lists(st.sampled_from(SIZES), min_size=1, max_size=3))
    if draw(st.integers(0, 4)) == 0:
        shape[0] = get_new_symbol()
    return Placeholder(shape, builtin_type(draw(st.sampled_from(_FLOATS))), name)


class _Graph:
    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        pool = st.tuples(st.sampled_from(SCALES), st.sampled_from(_CODES), st.integers(0, 4), st.integers(0, 6))
        self._pool = draw(st.lists(pool, min_size=1, max_size=2))

    def grown(self, values: list[Any], count: int, *, nests: bool = True) -> list[Any]:
        """The values, and those of ops that are added behind them; the last values are taken most often."""
        values = list(values)
        for _ in range(count):
            x = values[-1] if self._draw(st.booleans()) else self._draw(st.sampled_from(values))
            add = self._draw(st.sampled_from([each for fits, each in _KINDS if fits(x)]))
            found = add(self, x) if nests or add is not _Graph.branch else None
            values += [] if found is None else [found]
        return values if any(value.op is not None for value in values) else [*values, mb.identity(x=values[0])]

    def _one(self, choices: Any) -> Any:
        return self._draw(st.sampled_from(choices))

    def _number(self, x: Any, choices: tuple[float, ...]) -> Any:
        """A constant of a value's type: one number, or one for each element of its last axis."""
        number = np.asarray(self._one(choices), dtype_of(x).numpy)
        last = x.shape[-1] if x.rank else 1
        return np.full(last, number) if not is_symbolic(last) and self._draw(st.integers(0, 3)) == 0 else number

    def _scheme(self, x: Any, codes: str | None) -> dict[str, Any]:
        """The parameters of a scheme of the pool for a value: its own type's, along an axis or not."""
        scale, own, zero, along = self._one(self._pool)
        codes = codes or own
        dtype = dtype_of(x).numpy if dtype_of(x).is_float else dtype_of_floats(self._pool).numpy
        axes = [axis for axis, size in enumerate(x.shape) if not is_symbolic(size)]
        zero_point = ZERO_POINTS[codes][zero]
        given: dict[str, Any] = {"scale": np.dtype(dtype).type(scale)}
        if zero_point is not None:
            given["zero_point"] = np.dtype(codes).type(zero_point)
        if along in (1, 2) and axes:
            axis = axes[zero % len(axes)]
            steps = np.arange(1, x.shape[axis] + 1) if along == 1 else np.ones(x.shape[axis])
            given["scale"] = (steps * scale).astype(dtype)
            given["axis"] = axis - self._one((0, x.rank))
            if zero_point is not None:
                given["zero_point"] = np.full(x.shape[axis], given["zero_point"])
        return {**given, "codes": codes}

    def quantize(self, x: Any) -> Any:
        scheme = self._scheme(x, None)
        return mb.quantize(input=x, output_dtype=scheme.pop("codes"), **scheme)

    def dequantize(self, x: Any) -> Any:
        scheme = self._scheme(x, dtype_of(x).name)
        scheme.pop("codes")
        return mb.dequantize(input=x, **scheme)

    def round_trip(self, x: Any) -> Any:
        """One scheme both ways, or there and back and there again."""
        scheme = self._scheme(x, None)
        codes = scheme.pop("codes")
        found = mb.dequantize(input=mb.quantize(input=x, output_dtype=codes, **scheme), **scheme)
        if self._draw(st.booleans()):
            moved = self.move(found) if "axis" not in scheme else found
            found = mb.quantize(input=moved, output_dtype=codes, **scheme)
        return found

    def multiply(self, x: Any) -> Any:
        op = self._one((mb.mul, mb.real_div))
        factors = FACTORS if op is mb.mul else tuple(each for each in FACTORS if each)
        return op(x=x, y=self._number(x, factors))

    def add(self, x: Any) -> Any:
        return self._one((mb.add, mb.sub))(x=x, y=self._number(x, ADDENDS))

    def scaled_codes(self, x: Any) -> Any:
        """A product that is quantized, or a dequantized one."""
        if self._draw(st.booleans()):
            return self.quantize(self.multiply(x))
        return self._one((self.multiply, self.add))(self.dequantize(self.quantize(x)))

    def moved_codes(self, x: Any) -> Any:
        """What is moved in front of a quantize, or behind a dequantize."""
        return (
            self.quantize(self.move(x)) if self._draw(st.booleans()) else self.move(self.dequantize(self.quantize(x)))
        )

    def constant(self, x: Any) -> Any:
        """A sum with a constant of few elements that is quantized, dequantized, or both."""
        dtype, size = dtype_of(x).numpy, int(x.shape[-1])
        numbers = np.resize(np.array([0.5, -1.25, 37.0, -200.0, 0.7], dtype), size)
        codes = mb.quantize(input=numbers, output_dtype="int8", scale=np.dtype(dtype).type(self._one(SCALES[:4])))
        if self._draw(st.booleans()):
            codes = mb.const(val=np.resize(np.array([0, 3, -128, 127], np.int8), size))
        return mb.add(x=x, y=mb.dequantize(input=codes, scale=np.dtype(dtype).type(self._one(SCALES[:4]))))

    def combine(self, x: Any) -> Any:
        return self._one((mb.add, mb.mul))(x=x, y=x)

    def cast(self, x: Any) -> Any:
        """Into a type that holds what comes: what does not fit has no meaning that must be kept."""
        name = dtype_of(x).name
        wider = {
            "fp16": _FLOATS,
            "fp32": _FLOATS,
            "int32": ("int32", "fp32", "fp16"),
            "int16": ("int32", "int16", "fp32"),
        }
        return mb.cast(x=x, dtype=self._one(wider.get(name, (name, "int16", "int32", "fp16", "fp32"))))

    def relu(self, x: Any) -> Any:
        return mb.relu(x=x)

    def nothing(self, x: Any) -> Any:
        kinds: list[Callable[[], Any]] = [lambda: mb.identity(x=x)]
        if dtype_of(x).is_float and x.rank:
            kinds += [lambda: mb.concat(values=[x], axis=0), lambda: mb.tile(x=x, reps=[1] * x.rank)]
            kinds += [lambda: mb.pow(x=x, y=np.asarray(1, dtype_of(x).numpy))]
        return self._one(kinds)()

    def move(self, x: Any) -> Any:
        kinds: list[Callable[[Any], Any]] = [self._transpose, self._expand, self._reshape, self._slice]
        if 1 in x.shape and x.rank > 1:
            kinds.append(self._squeeze)
        return self._one(kinds)(x)

    def _transpose(self, x: Any) -> Any:
        perm = self._draw(st.permutations(range(x.rank)))
        return mb.transpose(x=x, perm=[each - self._one((0, x.rank)) for each in perm])

    def _expand(self, x: Any) -> Any:
        return (
            mb.expand_dims(x=x, axes=[self._draw(st.integers(-x.rank - 1, x.rank))]) if x.rank < 4 else mb.identity(x=x)
        )

    def _squeeze(self, x: Any) -> Any:
        axes = [axis for axis, size in enumerate(x.shape) if not is_symbolic(size) and size == 1]
        return mb.squeeze(x=x, axes=[self._one(axes)])

    def _reshape(self, x: Any) -> Any:
        if any(is_symbolic(size) for size in x.shape):
            open_at = [axis for axis, size in enumerate(x.shape) if is_symbolic(size)]
            shape = [-1 if axis in open_at else int(size) for axis, size in enumerate(x.shape)]
            return mb.reshape(x=x, shape=shape) if len(open_at) == 1 else mb.identity(x=x)
        total = prod(x.shape)
        rows = self._one([each for each in range(1, total + 1) if total % each == 0])
        return mb.reshape(x=x, shape=self._one(([rows, total // rows], [total], list(x.shape), [1, *x.shape][:5])))

    def _slice(self, x: Any) -> Any:
        if any(is_symbolic(size) for size in x.shape):
            return mb.slice_by_index(x=x, begin=[0] * x.rank, end=[0] * x.rank, **_masks(x.rank))
        begin = [self._draw(st.integers(0, (size - 1) // 2)) for size in x.shape]
        if self._draw(st.booleans()):
            return mb.slice_by_size(x=x, begin=begin, size=[-1] * x.rank)
        strides = [self._one((1, 1, 2, -1)) if at == 0 else 1 for at in begin]
        masks = {"begin_mask": [step < 0 for step in strides], "end_mask": [True] * x.rank}
        return mb.slice_by_index(x=x, begin=begin, end=list(x.shape), stride=strides, **masks)

    def branch(self, x: Any) -> Any:
        """A `cond`, with ops in both branches that take values from outside; None if both do not agree in type."""
        pred = mb.greater(x=mb.reduce_sum(x=x, keep_dims=False), y=np.asarray(0, dtype_of(x).numpy))
        count = self._draw(st.integers(0, 4))
        then = lambda: self._back(self.grown([x], count, nests=False)[-1], x)  # noqa: E731
        otherwise = lambda: self._back(self.round_trip(x), x)  # noqa: E731
        return mb.cond(pred=pred, _true_fn=then, _false_fn=otherwise)

    def _back(self, value: Any, x: Any) -> Any:
        """A value of the type of x that is made of another one."""
        if value is x or value.sym_type != x.sym_type:
            value = mb.add(x=self._summed(value, x), y=x)
        return mb.identity(x=value)

    def _summed(self, value: Any, x: Any) -> Any:
        as_float = mb.cast(x=value, dtype=dtype_of(x).name)
        low, high = (np.asarray(each, dtype_of(x).numpy) for each in (-100, 100))
        return mb.clip(x=mb.reduce_max(x=as_float, keep_dims=False), alpha=low, beta=high)


def dtype_of_floats(pool: list[Any]) -> Any:
    """The type of the floats that a pool's codes stand for, where only codes are at hand."""
    from milopt.ir.dtypes import dtype_named

    return dtype_named(_FLOATS[len(pool) % 2])


def _masks(rank: int) -> dict[str, list[bool]]:
    return {"begin_mask": [True] * rank, "end_mask": [True] * rank}


def _is_float(x: Any) -> bool:
    return dtype_of(x).is_float and x.rank > 0


def _is_codes(x: Any) -> bool:
    return dtype_of(x).name in _CODES and x.rank > 0


def _is_static_float(x: Any) -> bool:
    return _is_float(x) and not any(is_symbolic(size) for size in x.shape)


def _is_narrow(x: Any) -> bool:
    return x.rank > 0 and dtype_of(x).name in (*_FLOATS, *_CODES)


_KINDS: list[tuple[Callable[[Any], bool], Callable[[_Graph, Any], Any]]] = [
    (_is_float, _Graph.quantize),
    (_is_float, _Graph.quantize),
    (_is_codes, _Graph.dequantize),
    (_is_codes, _Graph.dequantize),
    (_is_float, _Graph.round_trip),
    (_is_float, _Graph.multiply),
    (_is_float, _Graph.add),
    (_is_float, _Graph.scaled_codes),
    (_is_float, _Graph.scaled_codes),
    (_is_float, _Graph.moved_codes),
    (_is_static_float, _Graph.constant),
    (_is_float, _Graph.combine),
    (_is_float, _Graph.relu),
    (_is_narrow, _Graph.move),
    (_is_narrow, _Graph.move),
    (lambda x: True, _Graph.cast),  # noqa: ARG005
    (lambda x: True, _Graph.nothing),  # noqa: ARG005
    (_is_static_float, _Graph.branch),
]
