"""Random values: ONNX's generators, which give the same sequence in each session for the same seed.

A session goes on with its sequence from run to run. Without a seed (-1) it is another one in each process.
"""

from __future__ import annotations

import numpy as np

from ..graph import FLOAT, INT32, INT64, Graph, Tensor
from ..op import Op
from ..registry import lowers
from ..shapes import Size, sizes, vector


@lowers("random_bernoulli")
def random_bernoulli(g: Graph, op: Op) -> Tensor:
    """One where a uniform number of [0, 1) is less than the probability."""
    uniform = _random(g, op, "RandomUniform", low=0.0, high=1.0)
    return g.cast(g.op("Less", uniform, op.number("prob", 0.5)), op.output_dtype)


@lowers("random_categorical")
def random_categorical(g: Graph, op: Op) -> Tensor:
    """Samples with replacement for each vector along the last axis, as indices in the type of x."""
    rank = op.rank("x")
    count = int(op.number("size", 1))
    logits = op["x"] if op.text("mode", "logits") == "logits" else g.op("Log", op["x"])
    rows = logits if rank == 2 else g.op("Flatten", logits, axis=rank - 1)
    samples = g.op("Multinomial", rows, sample_size=count, seed=_seed(op), dtype=INT32)
    if rank != 2:
        outer: list[Size] = sizes(g, op["x"], op.shape("x"))[:-1]
        samples = g.op("Reshape", samples, vector(g, [*outer, count]))
    return g.cast(samples, op.output_dtype)


@lowers("random_normal")
def random_normal(g: Graph, op: Op) -> Tensor:
    """The normal distribution."""
    mean, deviation = op.number("mean"), op.number("stddev", 1)
    if deviation > 0:
        return _random(g, op, "RandomNormal", mean=mean, scale=deviation)
    if deviation < 0:
        raise op.refusal("stddev is negative")
    # ONNX Runtime may end the whole process for a deviation of zero.
    return g.op("ConstantOfShape", _shape(g, op), value=np.asarray([mean], FLOAT), dtype=FLOAT)


@lowers("random_uniform")
def random_uniform(g: Graph, op: Op) -> Tensor:
    """The uniform distribution over [low, high); what rounding makes of numbers close to `high` is kept below it."""
    low, high = np.asarray(op.const("low")), np.asarray(op.const("high"))
    if high < low:
        raise op.refusal("high is less than low")
    uniform = _random(g, op, "RandomUniform", low=float(low), high=float(high))
    return g.op("Min", uniform, float(np.nextafter(high, low)))


def _random(g: Graph, op: Op, op_type: str, **distribution: float) -> Tensor:
    """Random numbers in the op's shape."""
    shape = op.ints("shape")
    if shape:
        return g.op(op_type, shape=shape, seed=_seed(op), dtype=FLOAT, **distribution)
    like = g.op("ConstantOfShape", _shape(g, op), dtype=FLOAT)
    return g.op(f"{op_type}Like", like, seed=_seed(op), dtype=FLOAT, **distribution)


def _shape(g: Graph, op: Op) -> Tensor:
    return g.cast(op["shape"], INT64)


def _seed(op: Op) -> float | None:
    """The seed as a number that a float holds, spread: ONNX Runtime's sequences start close to zero for small ones."""
    seed = int(op.number("seed", -1))
    return None if seed == -1 else float((seed + 1) * 0x9E3779B1 % 2**32 >> 8)
