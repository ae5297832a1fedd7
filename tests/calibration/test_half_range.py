from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from milopt.ir.pymil import mb
from milopt.ir.walking import walk
from milopt.passes.analysis.calibration.function_statistics import FunctionStatistics
from milopt.passes.analysis.calibration.half_range import HalfRange, audit
from milopt.passes.analysis.calibration.statistics import CalibrationStatistics
from milopt.passes.analysis.calibration.tally import TensorTally
from milopt.passes.remarks import Remark
from support.programs import PROGRAMS


def measured(name: str, values: Any, *, histogram: bool = True) -> Any:
    tally = TensorTally(name, "fp32", histogram=histogram)
    tally.add(np.asarray(values, np.float32))
    return tally.finish()


def audited(values: Any, *, histogram: bool = True, program: str = "linear_chain") -> list[Remark]:
    """What is said of a model whose second value is made of these elements, and all others of ones."""
    built = PROGRAMS[program]()
    names = [output.name for operation in walk(built) for output in operation.outputs if operation.op_type != "const"]
    tensors = {name: measured(name, [1.0], histogram=histogram) for name in names}
    tensors[names[1]] = measured(names[1], values, histogram=histogram)
    functions = {"main": FunctionStatistics(1, tensors)}
    return audit(built, CalibrationStatistics(model_hash="", collected="", functions=functions))


@pytest.mark.parametrize(
    ("values", "kind", "code", "message"),
    [
        ([65520, -1], "missed", "fp16-overflow", "it reaches from -1 to 65520, and fp16 ends at 65504"),
        ([-1e6, 1], "missed", "fp16-overflow", "it reaches from -1e+06 to 1, and fp16 ends at 65504: 50 % of the"),
        ([np.inf, 1, np.nan], "missed", "not-finite", "2 of 3 elements are infinite or NaN"),
        ([np.inf, 1e6], "missed", "fp16-overflow", "it reaches from 1e+06"),
        ([6e-5, -1e-6], "missed", "fp16-underflow", "all elements are below fp16's normal numbers: the greatest"),
        ([1, 0, 0, 0, 5e-5, 1e-8], "analysis", "fp16-small", "66.7 % of the elements other than 0 are below"),
    ],
)
def test_what_does_not_fit_is_remarked(values: Any, kind: str, code: str, message: str) -> None:
    (remark,) = audited(values)
    assert (remark.kind, remark.code, remark.op, remark.op_type, remark.function) == (
        kind,
        code,
        "relu",
        "relu",
        "main",
    )
    assert remark.message.startswith(message)
    assert remark.suggestion
    assert remark.as_json()["data"]["value"]


@pytest.mark.parametrize("values", [[65504, -65504], [65519], [0, 0], [1, 2.0**-14], [1] * 10 + [1e-9], []])
def test_what_fits_is_not(values: Any) -> None:
    assert audited(values) == []


def test_ranges_alone_tell_of_overflow() -> None:
    (remark,) = audited([1e5], histogram=False)
    assert remark.message == "it reaches from 100000 to 100000, and fp16 ends at 65504"
    assert audited([1, 1e-9], histogram=False) == []


def test_shares_are_those_of_the_data() -> None:
    rng = np.random.default_rng(0)
    values = (rng.standard_normal(100_000) * np.exp(rng.uniform(-25, 14, 100_000))).astype(np.float32)
    fit = HalfRange.of(measured("x", np.append(values, np.zeros(5000))))
    magnitudes = np.abs(values)
    assert fit.subnormal == pytest.approx((magnitudes < 2.0**-14).mean(), abs=1e-12)
    assert fit.vanishing == pytest.approx((magnitudes < 2.0**-25).mean(), abs=1e-12)
    with np.errstate(over="ignore"):
        over = np.isinf(values.astype(np.float16)).sum() / 105_000
    assert fit.over == pytest.approx(over, abs=1e-4)


def test_an_op_speaks_once_about_its_worst_value() -> None:
    from milopt.ir.pymil import types

    @mb.program(input_specs=[mb.TensorSpec((4, 6), types.fp32)])
    def program(x: Any) -> Any:
        return mb.split(x=x, num_splits=2, axis=1, name="parts")

    small, large = (output.name for output in next(op for op in walk(program) if op.op_type == "split").outputs)
    tensors = {small: measured(small, [1e-6]), large: measured(large, [1e6]), "x": measured("x", [1e6])}
    statistics = CalibrationStatistics(
        model_hash="", collected="histograms", functions={"main": FunctionStatistics(1, tensors)}
    )
    found = [(each.op, each.op_type, each.code, each.data["value"]) for each in audit(program, statistics)]
    assert found == [("x", "input", "fp16-overflow", "x"), ("parts", "split", "fp16-overflow", large)]
