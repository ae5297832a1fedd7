"""A strategy for valid PyMIL programs: random graphs of up to twelve of the ops in `generated_ops`.

Functions are called so that the order of their names is the printer's, which is all that text keeps of their order.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from milopt.ir.pymil import (
    Function,
    Placeholder,
    Program,
    StateTensorPlaceholder,
    available_target,
    builtin_type,
    get_new_symbol,
    unique_names,
)
from milopt.ir.targets import IOS18, OPSETS, Opset

from .generated_ops import KINDS, is_state
from .generated_values import Draw

# Names that are no words of MIL text, or that mean something in it.
INPUT_NAMES = ("x", "state", "tensor", "fp16", "a b", "1st", "é", "true", "inf")

sizes = st.sampled_from((1, 2, 3, 5, None))
images = st.tuples(sizes, st.integers(1, 3), sizes, sizes)
shapes = st.lists(sizes, min_size=1, max_size=4) | images
known_shapes = st.lists(st.integers(1, 3), min_size=1, max_size=2)


@st.composite
def programs(draw: Draw) -> Program:
    """A PyMIL program: one function or two, of any opset, inputs with unknown sizes, states where there are any."""
    opset, result = draw(st.sampled_from(OPSETS)), Program()
    with unique_names(()):
        for name in ["main", "second"][: draw(st.sampled_from((1, 1, 1, 2)))]:
            result.add_function(name, _function(draw, opset))
    return result


def _function(draw: Draw, opset: Opset) -> Function:
    names = draw(st.lists(st.sampled_from(INPUT_NAMES), min_size=1, max_size=2, unique=True))
    inputs = {name: _input(draw, name) for name in names}
    if opset >= IOS18:
        inputs["cache"] = StateTensorPlaceholder(draw(known_shapes), builtin_type("fp16"), "cache")
    with Function(inputs, available_target(opset)) as function:
        results = _graph(draw, opset, [holder.outputs[0] for holder in inputs.values()])
        function.set_outputs(draw(st.lists(st.sampled_from(results), min_size=1, max_size=3, unique=True)))
    return function


def _input(draw: Draw, name: str) -> Placeholder:
    shape = [get_new_symbol() if size is None else size for size in draw(shapes)]
    return Placeholder(shape, builtin_type(draw(st.sampled_from(["fp16", "fp32"]))), name)


def _graph(draw: Draw, opset: Opset, values: list[Any]) -> list[Any]:
    """Adds ops behind `values` and each other; gives their results."""
    available, results = [each for each in KINDS.values() if each.first <= opset <= each.last], []
    for _ in range(draw(st.integers(1, 12))):
        x = draw(st.sampled_from(values))
        kind = draw(st.sampled_from([each for each in available if each.fits(x)]))
        found = kind.build(draw, x)
        results += found if isinstance(found, list | tuple) else [found]
        values = [*values, *results]
    return results or _graph(draw, opset, [each for each in values if not is_state(each)])
