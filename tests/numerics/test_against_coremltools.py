"""milopt against coremltools' `linear_quantize_weights`, same scheme: the same ops, and never a greater error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import coremltools as ct
import coremltools.optimize.coreml as cto
import milopt
import numpy as np
import pytest
from milopt.ir.walking import walk
from support import programs_quantize  # noqa: F401 - registers its programs
from support.packages import Shelf, copy_package, shared_model_params
from support.programs import PROGRAMS

ENCODINGS = ("constexpr_affine_dequantize", "constexpr_blockwise_shift_scale")
# What coremltools quantizes and milopt does not, and why: an `add` is not known to decode compressed weights, a
# weight that is a function's output is part of its signature, and channels of one element get larger by scales.
EXCEPTIONS = {"added_constant": {"w"}, "returned_weight": {"w"}, "thin_weight": {"w"}}
# What milopt quantizes and coremltools does not have any more: it merges weights that are equal before.
MERGED_BY_COREMLTOOLS = {"equal_weights": {"right_weight_0"}}
# coremltools can not quantize these at all.
REFUSED_BY_COREMLTOOLS = {"two_functions", "multifunction", "anemll-multifunction", "unknown_rank"}


def decoded(operation: Any) -> np.ndarray:
    """The weight that an op decodes to, exactly: the file format's equation in fp64."""
    if operation.op_type == "constexpr_affine_dequantize":
        data, scale, zero_point = operation.quantized_data.val, operation.scale.val, operation.zero_point.val
        shape = [-1 if axis == operation.axis.val else 1 for axis in range(data.ndim)]
        scale, zero_point = (np.reshape(part, shape if np.ndim(part) else ()) for part in (scale, zero_point))
    else:
        data, scale = operation.data.val, operation.scale.val
        zero_point = 0 if operation.offset is None else operation.offset.val
    return scale.astype(np.float64) * (data.astype(np.float64) - np.asarray(zero_point, np.float64))


def quantized_by_coremltools(package: Path, folder: Path) -> milopt.Model:
    config = cto.OptimizationConfig(cto.OpLinearQuantizerConfig(mode="linear_symmetric"))
    model = ct.models.MLModel(str(copy_package(package, folder)), skip_model_load=True)
    cto.linear_quantize_weights(model, config).save(str(folder / "theirs.mlpackage"))
    return milopt.load(folder / "theirs.mlpackage")


def mean_squared_error(operation: Any, weight: np.ndarray) -> float:
    return float(((decoded(operation) - weight.astype(np.float64)) ** 2).mean())


def compare(package: Path, folder: Path, exceptions: set[str], merged: set[str]) -> int:
    """Asserts what this file is about; returns how many weights were compared."""
    model = milopt.load(package)
    weights = {op.name: op.outputs[0].val for op in walk(model.program) if op.op_type == "const"}
    reference = quantized_by_coremltools(package, folder)
    optimized = milopt.optimize(model, target=str(reference.opset)).model
    existing = {op.name for op in walk(model.program) if op.op_type.startswith("constexpr_")}
    ours = {op.name: op for op in walk(optimized.program) if op.op_type in ENCODINGS and op.name not in existing}
    theirs = {
        op.name.removesuffix("_quantized"): op
        for op in walk(reference.program)
        if op.op_type in ENCODINGS and op.name not in existing
    }
    assert set(theirs) - set(ours) == exceptions
    assert set(ours) - set(theirs) == merged
    for name in set(ours) & set(theirs):
        assert mean_squared_error(ours[name], weights[name]) <= mean_squared_error(theirs[name], weights[name]), name
    return len(ours)


@pytest.mark.parametrize("package", shared_model_params())
def test_shared_models(package: Path, tmp_path: Path) -> None:
    if package.stem in REFUSED_BY_COREMLTOOLS:
        pytest.skip("coremltools does not quantize multi-function models")
    compare(package, tmp_path, set(), set())


@pytest.mark.parametrize("name", sorted(set(PROGRAMS) - REFUSED_BY_COREMLTOOLS))
def test_built_programs(name: str, shelf: Shelf, tmp_path: Path) -> None:
    compare(shelf[name], tmp_path, EXCEPTIONS.get(name, set()), MERGED_BY_COREMLTOOLS.get(name, set()))


def test_the_digits_example(tmp_path: Path) -> None:
    package = Path(__file__).parents[2] / "examples" / "digits" / "digits.mlpackage"
    assert compare(package, tmp_path, set(), set()) == 3
