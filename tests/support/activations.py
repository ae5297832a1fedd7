"""Quantized activations for tests: ranges measured the plain way, pairs counted, and how near outputs stay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from milopt.ir.pymil import dtype_of
from milopt.ir.type_words import short_type_words
from milopt.ir.walking import blocks_of, walk
from milopt.passes.analysis.activations.selection import calibration_tensors
from milopt.passes.analysis.activations.values import function_inputs
from milopt.passes.analysis.calibration.function_statistics import FunctionStatistics
from milopt.passes.analysis.calibration.statistics import CalibrationStatistics
from milopt.passes.analysis.calibration.tensor_statistics import TensorStatistics
from milopt.passes.instrumentation.base import Instrumentation
from milopt.passes.pipeline_text import parse_pipeline
from milopt.passes.transforms.insert_quantize_dequantize import InsertQuantizeDequantize
from milopt.runtime.session import Session

from .passes import run_passes

Samples = Iterable[Mapping[str, np.ndarray]]


def values_in(function: Any) -> dict[str, Any]:
    """Every value of a function by name, nested blocks included."""
    found = {value.name: value for block in blocks_of(function) for value in function_inputs(block)}
    return found | {value.name: value for operation in walk(function) for value in operation.outputs}


def given(program: Any, **ranges: tuple[float, float]) -> CalibrationStatistics:
    """Statistics of the values of the function `main` that have just these ranges."""
    values = values_in(program.functions["main"])
    tensors = {name: statistics_of(values[name], *ends) for name, ends in ranges.items()}
    return statistics(tensors)


def statistics(tensors: Mapping[str, TensorStatistics]) -> CalibrationStatistics:
    """Statistics of the function `main`, ranges alone."""
    return CalibrationStatistics(
        model_hash="", collected="ranges", functions={"main": FunctionStatistics(samples=1, tensors=dict(tensors))}
    )


def statistics_of(value: Any, low: float, high: float, **more: Any) -> TensorStatistics:
    """The statistics of a value of which one sample was seen."""
    dtype = dtype_of(value).name
    words = short_type_words(value.sym_type).removeprefix(dtype)
    known: dict[str, Any] = {"elements": 2, "samples": 1, **more}
    return TensorStatistics(name=value.name, dtype=dtype, shape_words=words, minimum=low, maximum=high, **known)


def measured(program: Any, samples: Samples) -> CalibrationStatistics:
    """The least and the greatest number of everything that a plan may ask for in the function `main`."""
    function = program.functions["main"]
    names = calibration_tensors(function)
    session = Session(program, observe=dict.fromkeys(names, ("value",)))
    state = session.make_state() if session.states else None
    seen: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for sample in samples:
        for name, found in session.run_observed(sample, state)[1].items():
            seen[name].append(np.ravel(found["value"]))
    values, tensors = values_in(function), {}
    for name, parts in seen.items():
        elements = np.concatenate(parts)
        if elements.size:
            tensors[name] = statistics_of(values[name], float(elements.min()), float(elements.max()))
    return statistics(tensors)


def inserted(program: Any, *around: Instrumentation, **options: Any) -> Any:
    """A program after the pass, which the verifier has looked at."""
    from milopt.passes.instrumentation.verify_each import VerifyEach

    return run_passes(program, InsertQuantizeDequantize(**options), around=(VerifyEach(), *around)).program


def canonical(program: Any) -> Any:
    """A program after `canonicalize`."""
    from milopt.passes.manager import PassManager

    return PassManager(parse_pipeline("program(function(canonicalize))")).run(program).program


def counts(program: Any) -> Counter[str]:
    """How many ops of each type a program has, nested blocks included."""
    return Counter(operation.op_type for operation in walk(program))


def decibels(expected: np.ndarray, found: np.ndarray) -> float:
    """The ratio of an array to the error of another, in dB."""
    expected, found = expected.astype(np.float64), found.astype(np.float64)
    error = np.square(expected - found).sum()
    return float(10 * np.log10(np.square(expected).sum() / error)) if error else float("inf")
