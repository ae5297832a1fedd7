"""Grounding: do two programs compute the same? Random inputs, and those at which rounding and ranges show."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any
from unittest.mock import patch

import attrs
import numpy as np
import onnxruntime
from milopt.ir.pymil import dtype_of, is_symbolic
from milopt.runtime.session import Session
from milopt.runtime.types import Precision

PRECISIONS: tuple[Precision, ...] = ("float32", "float16")
_OPEN_SIZES = (3, 1)  # what sizes that are not known are tried with
# Numbers at which steps of the scales that tests use change: ties between codes, both ends of their ranges and beyond
# them, zeros of both signs, what is large, subnormal and infinite.
EDGES = (
    0.0, -0.0, 0.5, 1.5, 2.5, -0.5, -1.5, 0.0625, 0.1875, 63.75, 127.0, 127.5, 128.0, -128.5, 255.5, 15.9375, 65504.0,
    -65504.0, 40000.0, 6e-8, -6e-8, 6.1e-5, 3.05e-5, 2.0**-11 + 2.0**-21, 1e-3, 0.15, 0.45, np.inf, -np.inf,
)  # fmt: skip


class PlainOptions(onnxruntime.SessionOptions):  # type: ignore[misc]
    """Options of ONNX Runtime without its optimizers, which must not decide whether programs agree.

    Those of 1.31 put a quantize and a dequantize op in front of a transposition that is quantized, and change what else
    is taken from there, be it an output.
    """

    def __init__(self) -> None:
        super().__init__()
        self.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL


@attrs.frozen
class Bound:
    """How far results may lie apart; exactly the same without any.

    Attributes:
        steps: the difference of integers.
        relative: the difference of floats, as a part of the greater one.
    """

    steps: int = 0
    relative: float = 0.0


EXACT = Bound()


def inputs_of(program: Any, seed: int) -> Iterator[dict[str, np.ndarray]]:
    """Inputs for a program's default function: normal numbers of several sizes, and edges; all codes of integers."""
    function = program.functions[program.default_function_name]
    for kind, size in product((_normal, _edges), _OPEN_SIZES):
        generator = np.random.default_rng(seed)
        yield {name: _filled(var, generator, kind, size) for name, var in function.inputs.items()}


def _filled(var: Any, generator: np.random.Generator, kind: Any, open_size: int) -> np.ndarray:
    shape = [open_size if is_symbolic(size) else int(size) for size in var.shape]
    dtype = np.dtype(dtype_of(var).numpy)
    if dtype.kind == "f":
        return np.asarray(kind(generator, shape)).astype(dtype)
    if dtype.kind == "b":
        return generator.integers(0, 2, shape).astype(dtype)
    limits = np.iinfo(dtype if dtype.itemsize == 1 else np.int8)
    return generator.integers(limits.min, limits.max + 1, shape).astype(dtype)


def _normal(generator: np.random.Generator, shape: list[int]) -> np.ndarray:
    return generator.standard_normal(shape) * 2.0 ** generator.integers(-6, 9, shape)


def _edges(generator: np.random.Generator, shape: list[int]) -> np.ndarray:
    return generator.choice(EDGES, shape)


def assert_same_results(before: Any, after: Any, *, seed: int = 0, bound: Bound = EXACT) -> None:
    """Checks that two programs give the same for the same, in both precisions.

    Args:
        before: a PyMIL program.
        after: another one with the same inputs and outputs.
        seed: of the inputs.
        bound: how far results may lie apart.
    """
    assert_same_outputs(before, after, *inputs_of(before, seed), bound=bound)


def assert_same_outputs(before: Any, after: Any, *each: dict[str, np.ndarray], bound: Bound = EXACT) -> None:
    """Checks that two programs give the same for given inputs, in both precisions."""
    for precision in PRECISIONS:
        sessions = [_plain_session(program, precision) for program in (before, after)]
        for inputs in each:
            wanted, found = (session.run(inputs) for session in sessions)
            assert list(found) == list(wanted)
            for name in wanted:
                _assert_same(wanted[name], found[name], bound, f"{precision} {name}, for {inputs}")


def _plain_session(program: Any, precision: Precision) -> Session:
    with patch("onnxruntime.SessionOptions", PlainOptions):
        return Session(program, precision=precision)


def _assert_same(wanted: np.ndarray, found: np.ndarray, bound: Bound, where: str) -> None:
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape), where
    if wanted.dtype.kind == "f" and bound.relative:
        np.testing.assert_allclose(found, wanted, rtol=bound.relative, atol=0, err_msg=where)
    elif wanted.dtype.kind in "iu" and bound.steps:
        assert np.max(np.abs(found.astype(np.int64) - wanted), initial=0) <= bound.steps, where
    else:
        np.testing.assert_array_equal(found, wanted, err_msg=where)
        np.testing.assert_array_equal(np.signbit(found), np.signbit(wanted), err_msg=where)
