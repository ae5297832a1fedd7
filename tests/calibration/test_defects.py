"""What coremltools 9.0's calibration gets wrong, each as a test that milopt's passes.

The functions that are named stand in its `optimize.coreml.experimental._model_debugger` and
`_post_training_quantization`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import milopt
import numpy as np
import pytest
from milopt.ir.pymil import Program, mb
from milopt.ir.targets import IOS17
from milopt.passes.analysis.calibration.statistics import CalibrationStatistics
from milopt.passes.analysis.calibration.tensor_statistics import Range, TensorStatistics
from milopt.passes.analysis.collecting.calibrate import calibrate
from milopt.runtime.session import Session
from support.calibrating import layered, samples
from support.packages import package_of
from support.program_registry import Input, build_program, weights

OBSERVERS = ("min-max", "mse")
ROW = (1, 6)


def pair(x: Any) -> Any:
    """A value that a layer takes as it comes."""
    return mb.linear(x=x, weight=weights(4, 6, dtype="float32"), name="y")


def program_of(body: Any, *, dtype: str = "fp32", **more: Input) -> Program:
    return build_program(body, IOS17, x=Input(ROW, dtype), **more)


def tensor(statistics: CalibrationStatistics, name: str) -> TensorStatistics:
    found = statistics.tensor("main", name)
    assert found is not None
    return found


@pytest.mark.parametrize("observer", OBSERVERS)
def test_every_sample_counts_and_not_the_last_only(observer: str) -> None:
    rows = [np.full(ROW, number, np.float32) for number in (1, -7, 5, 0)]
    found = tensor(calibrate(program_of(pair), [{"x": row} for row in rows], observer=observer), "x")
    assert (found.minimum, found.maximum, found.samples) == (-7, 5, 4)


@pytest.mark.parametrize("observer", OBSERVERS)
def test_large_numbers_stay_what_they_are(observer: str) -> None:
    row = np.full(ROW, 1e6, np.float32)
    statistics = calibrate(program_of(pair), [{"x": row}], observer=observer)
    assert statistics.range("main", "x", "min-max") == Range(1e6, 1e6)


@pytest.mark.parametrize("observer", OBSERVERS)
def test_small_numbers_are_not_flushed_to_zero(observer: str) -> None:
    row = np.full(ROW, 3e-9, np.float32)
    found = tensor(calibrate(program_of(pair), [{"x": row}], observer=observer), "x")
    assert found.maximum == np.float32(3e-9)


@pytest.mark.parametrize("observer", OBSERVERS)
@pytest.mark.parametrize("dtype", ["fp16", "fp32"])
def test_programs_of_both_types_are_calibrated(observer: str, dtype: str) -> None:
    statistics = calibrate(layered(dtype=dtype), samples(3), observer=observer)
    assert {each.dtype for each in statistics.functions["main"].tensors.values()} == {dtype}


def branching(x: Any, flag: Any) -> Any:
    """Either of two layers."""
    return mb.cond(
        pred=mb.cast(x=mb.squeeze(x=flag), dtype="bool"),
        _true_fn=lambda: mb.linear(x=mb.mul(x=x, y=np.float32(3)), weight=weights(4, 6, dtype="float32"), name="yes"),
        _false_fn=lambda: mb.linear(x=mb.tanh(x=x, name="held"), weight=weights(4, 6, dtype="float32"), name="no"),
        name="either",
    )


def chosen(*flags: int) -> list[dict[str, np.ndarray]]:
    return [{"x": np.full(ROW, index + 1, np.float32), "flag": np.int32([flag])} for index, flag in enumerate(flags)]


@pytest.mark.parametrize("observer", OBSERVERS)
def test_branches_are_calibrated(observer: str) -> None:
    program = program_of(branching, flag=Input((1,), "int32"))
    statistics = calibrate(program, chosen(1, 0, 1), observer=observer, tensors=["yes", "no", "held"])

    assert [tensor(statistics, name).samples for name in ("yes", "no", "held")] == [2, 1, 1]
    assert tensor(statistics, "held").maximum == pytest.approx(np.tanh(2))


@pytest.mark.parametrize("observer", OBSERVERS)
def test_a_branch_that_is_never_taken_has_no_range_and_stops_nothing(observer: str, tmp_path: Path) -> None:
    program = program_of(branching, flag=Input((1,), "int32"))
    statistics = calibrate(program, chosen(*[1] * 20), observer=observer, tensors=["yes", "no"], channels=True)

    assert statistics.range("main", "no") is None
    assert statistics.range("main", "yes") is not None
    assert tensor(statistics, "no").samples == 0
    statistics.save(tmp_path / "statistics.json")
    assert CalibrationStatistics.load(tmp_path / "statistics.json") == statistics
    assert statistics.merge(calibrate(program, chosen(0), observer=observer, tensors=["yes", "no"], channels=True))


def looping(x: Any, limit: Any) -> Any:
    """Doubles as often as it is told."""
    bound = mb.squeeze(x=limit)
    return mb.while_loop(
        _cond=lambda i, _: mb.less(x=i, y=bound),
        _body=lambda i, value: (mb.add(x=i, y=1), mb.mul(x=value, y=np.float32(2), name="doubled")),
        loop_vars=(0, x),
    )[1]


@pytest.mark.parametrize("observer", OBSERVERS)
def test_loops_are_calibrated_over_all_their_rounds(observer: str) -> None:
    program = program_of(looping, limit=Input((1,), "int32"))
    data = [{"x": np.ones(ROW, np.float32), "limit": np.int32([rounds])} for rounds in (3, 0, 2)]

    found = tensor(calibrate(program, data, observer=observer, tensors=["doubled"]), "doubled")

    assert (found.minimum, found.maximum) == (2, 8)
    assert (found.samples, found.elements) == (2, 5 * 6)


@pytest.mark.parametrize("observer", OBSERVERS)
def test_what_is_not_finite_is_counted_and_not_in_the_range(observer: str) -> None:
    rows = [[1, 2, 3, 4, 5, 6], [np.inf, -1, np.nan, 2, -np.inf, 9], [np.nan] * 6, [0, 1, 2, 3, 4, -3]]
    data = [{"x": np.float32([row])} for row in rows]

    found = tensor(calibrate(program_of(pair), data, observer=observer, tensors=["x"]), "x")

    assert (found.minimum, found.maximum, found.not_finite, found.elements) == (-3, 9, 9, 24)


def test_nan_alone_is_seen_in_ranges_too() -> None:
    data = [{"x": np.float32([[1, 2, np.nan, 4, 5, 6]])}]
    assert tensor(calibrate(program_of(pair), data, observer="min-max", tensors=["x"]), "x").not_finite == 1


def test_the_model_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    plain = Session.__init__

    def noted(self: Session, *given: Any, **more: Any) -> None:
        opened.append(self)
        plain(self, *given, **more)

    path = package_of(layered(), tmp_path)
    monkeypatch.setattr(Session, "__init__", noted)
    calibrate(path, samples(40))
    assert len(opened) == 1


def test_no_temporary_files_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, kept = package_of(layered(), tmp_path), tmp_path / "temporary"
    kept.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(kept))
    # Not even for a moment: a folder in which nothing can be made would do.
    monkeypatch.setattr(tempfile, "mkdtemp", lambda *_, **__: pytest.fail("a temporary folder was made"))
    calibrate(milopt.load(path), samples(5))
    assert list(kept.iterdir()) == []


def attention(x: Any) -> Any:
    """Both operands of a matrix product are computed."""
    query = mb.linear(x=x, weight=weights(6, 6, dtype="float32"), name="query")
    key = mb.linear(x=x, weight=weights(6, 6, dtype="float32", seed=1), name="key")
    return mb.matmul(x=mb.softmax(x=mb.matmul(x=query, y=key, transpose_y=True, name="scores")), y=key, name="mixed")


def test_operands_of_attention_are_measured() -> None:
    statistics = calibrate(program_of(attention), [{"x": np.ones(ROW, np.float32)}])
    assert {"query", "key", "mixed"} <= statistics.functions["main"].tensors.keys()
