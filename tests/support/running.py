"""Runs small programs, for tests of what ops compute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from milopt.ir.pymil import Function, Program, available_target, dtype_of, mb, types
from milopt.ir.targets import IOS15, Opset
from milopt.runtime.op import shape_of
from milopt.runtime.session import Session
from milopt.runtime.types import Precision

from .program_registry import Input, build_program

_MIL_NAMES = {"float16": "fp16", "float32": "fp32"}


def program_of(body: Callable[..., Any], opset: Opset, inputs: dict[str, np.ndarray], *, symbolic: bool) -> Program:
    """A program with an input for each array, of its type and shape; `symbolic` leaves all its sizes open."""
    specs = {
        name: Input(
            (None,) * array.ndim if symbolic else array.shape, _MIL_NAMES.get(array.dtype.name, array.dtype.name)
        )
        for name, array in inputs.items()
    }
    return build_program(body, opset, **specs)


def run(
    body: Callable[..., Any],
    opset: Opset = IOS15,
    *,
    symbolic: bool = False,
    precision: Precision = "float32",
    **inputs: np.ndarray,
) -> list[np.ndarray]:
    """The outputs, in order, of the program that `body` builds from its inputs.

    Args:
        body: takes a PyMIL value for each input, gives one or several.
        opset: of the program.
        symbolic: the program knows no size of its inputs.
        precision: of float math.
        inputs: the arrays to run it on; they also say the inputs' types.
    """
    session = Session(program_of(body, opset, inputs, symbolic=symbolic), precision=precision)
    return list(session.run(inputs).values())


def inferred(body: Callable[..., Any], opset: Opset = IOS15, **inputs: np.ndarray) -> list[np.ndarray]:
    """What PyMIL's own value inference gives for the same, with the arrays as constants."""
    with Function({}, opset_version=available_target(opset)):
        outputs = body(**{name: mb.const(val=array, name=name) for name, array in inputs.items()})
    return [output.val for output in (outputs if isinstance(outputs, list | tuple) else [outputs])]


def plausible_inputs(function: Any, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Arrays that a PyMIL function takes: normal floats, small whole numbers; 3 for each unknown size."""
    generator = np.random.default_rng(seed)
    return {
        name: plausible(generator, [size or 3 for size in shape_of(var)], dtype_of(var).numpy)
        for name, var in function.inputs.items()
        if not types.is_state(var.sym_type)
    }


def plausible(generator: np.random.Generator, shape: Sequence[int], dtype: str) -> np.ndarray:
    """An array of normal floats, or of the whole numbers 0 and 1, which are indices of most things."""
    if np.dtype(dtype).kind == "f":
        return generator.standard_normal(shape).astype(dtype)
    return generator.integers(0, 2, shape).astype(dtype)
