"""Lists of tensors, each held as one tensor: its elements stacked along a new first axis.

An axis of the elements whose size is not known before the first write has the size 0 until then.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.pymil import dtype_of, is_symbolic
from ..graph import INT32, INT64, Graph, Tensor
from ..op import Op
from ..registry import lowers
from ..shapes import Size, vector


@lowers("make_list")
def make_list(g: Graph, op: Op) -> Tensor:
    """Zeros."""
    _refuse_strings(op, op.operation.outputs[0])
    known = op.ints("init_length")
    length: Size = known[0] if known else _places(g, op, "init_length")
    element = [0 if is_symbolic(size) else int(size) for size in op.operation.outputs[0].elem_shape]
    shape = vector(g, [length, *element])
    return g.op("ConstantOfShape", shape, value=np.zeros(1, op.output_dtype), dtype=op.output_dtype)


@lowers("list_length")
def list_length(g: Graph, op: Op) -> Tensor:
    """The size of the first axis."""
    var = op.var("ls")
    if not var.dynamic_length and var.init_length is not None:
        return g.constant(int(var.init_length), INT32)
    return g.op("Squeeze", g.op("Shape", _list(g, op), start=0, end=1), [0])


@lowers("list_read", moves=True)
def list_read(g: Graph, op: Op) -> Tensor:
    """One element."""
    return g.op("Gather", _list(g, op), op["index"], axis=0)


@lowers("list_gather", moves=True)
def list_gather(g: Graph, op: Op) -> Tensor:
    """Some elements, stacked."""
    return g.op("Gather", _list(g, op), op["indices"], axis=0)


@lowers("list_write", moves=True)
def list_write(g: Graph, op: Op) -> Tensor:
    """One element replaced; a list of dynamic length grows to have it."""
    return _written(g, op, "index", g.op("Unsqueeze", op["value"], [0]))


@lowers("list_scatter", moves=True)
def list_scatter(g: Graph, op: Op) -> Tensor:
    """Elements replaced; a list of dynamic length grows to have them."""
    return _written(g, op, "indices", op["value"])


def _list(g: Graph, op: Op) -> Tensor:
    """The list that the op works on; lists of constants have no shape of their own in PyMIL."""
    _refuse_strings(op, op.var("ls"))
    constant = op.const("ls")
    return op["ls"] if constant is None else g.constant(np.asarray(constant))


def _written(g: Graph, op: Op, parameter: str, values: Tensor) -> Tensor:
    """The list with other values at the places that an input says."""
    places = _places(g, op, parameter)
    if op.rank(parameter) == 0:
        return g.op("ScatterND", _grown(g, op, places, values), g.op("Unsqueeze", places, [1]), values)
    # ONNX Runtime's ScatterND writes in parallel: of several values at one place any might win.
    others = list(range(1, 1 + len(op.var("ls").elem_shape)))
    index = g.op("Expand", g.op("Unsqueeze", places, others), g.op("Shape", values)) if others else places
    return g.op("ScatterElements", _grown(g, op, _largest(g, places), values), index, values, axis=0)


def _grown(g: Graph, op: Op, last: Tensor, values: Tensor) -> Tensor:
    """The list with room for values up to a place: zeros at its end, and along axes whose size was not known."""
    held, var = _list(g, op), op.var("ls")
    is_open = any(is_symbolic(size) for size in var.elem_shape)
    if not is_open and (not var.dynamic_length or _has_room(var, last)):
        return held
    length = g.op("Add", last, [1]) if var.dynamic_length else [0]
    needed = g.op("Concat", length, g.op("Shape", values, start=1), axis=0) if is_open else length
    size = g.op("Shape", held, end=None if is_open else 1)
    more = g.op("Sub", g.op("Max", size, needed), size)
    rank = 1 + len(var.elem_shape) if is_open else 1
    return g.op("Pad", held, g.op("Concat", [0] * rank, more, axis=0), 0, list(range(rank)))


def _has_room(var: Any, last: Tensor) -> bool:
    """Whether a place is known to lie within the list, which never gets shorter than it was made."""
    return last.constant is not None and var.init_length is not None and last.constant.load() < var.init_length


def _largest(g: Graph, places: Tensor) -> Tensor:
    """The largest of some places, the one before the first where there are none."""
    if places.constant is not None:
        return g.constant([places.constant.load().max(initial=-1)], INT64)
    return g.op("ReduceMax", g.op("Concat", places, [-1], axis=0), [0])


def _places(g: Graph, op: Op, parameter: str) -> Tensor:
    """The numbers that an input holds, one or many, as a vector."""
    known = op.ints(parameter)
    return g.op("Reshape", g.cast(op[parameter], INT64), [-1]) if known is None else g.constant(known, INT64)


def _refuse_strings(op: Op, var: Any) -> None:
    if dtype_of(var).name == "string":
        raise op.refusal("lists of strings can not be computed with")
