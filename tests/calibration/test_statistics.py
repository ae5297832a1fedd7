from __future__ import annotations

import math
import re
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from milopt.ir.copying import copy_program
from milopt.ir.structure import structural_hash
from milopt.passes.analysis.calibration.channel_tally import ChannelTally
from milopt.passes.analysis.calibration.errors import StatisticsError
from milopt.passes.analysis.calibration.fitting import operation_count, value_types
from milopt.passes.analysis.calibration.function_statistics import FunctionStatistics
from milopt.passes.analysis.calibration.statistics import CalibrationStatistics, merge
from milopt.passes.analysis.calibration.sums import Sum
from milopt.passes.analysis.calibration.tally import TensorTally
from milopt.passes.analysis.calibration.tensor_statistics import TensorStatistics
from support.editing import find_op, replace_constant
from support.programs import PROGRAMS

NUMBERS = st.floats(width=32, allow_nan=True, allow_infinity=True)
SAMPLES = st.lists(st.lists(NUMBERS, min_size=1, max_size=6), min_size=1, max_size=8)


def tallied(*samples: Any, **options: Any) -> TensorStatistics:
    tally = TensorTally("x", "fp32", "2, ?", **options)
    for sample in samples:
        tally.add(np.asarray(sample, np.float32))
    return tally.finish()


def of_tensors(*tensors: TensorStatistics, samples: int = 1, **fields: Any) -> CalibrationStatistics:
    found = {"main": FunctionStatistics(samples, {each.name: each for each in tensors})}
    return CalibrationStatistics(**{"model_hash": "m", "collected": "histograms", "functions": found} | fields)


@given(SAMPLES, st.data())
def test_any_split_in_any_order_merges_to_one_run(samples: list[list[float]], data: st.DataObject) -> None:
    whole = tallied(*samples)
    order = data.draw(st.permutations(range(len(samples))))
    cut = data.draw(st.integers(0, len(samples)))
    parts = [[samples[index] for index in each] for each in (order[:cut], order[cut:])]
    one, other = (of_tensors(tallied(*part), samples=len(part)) for part in parts)
    merged = one.merge(other).tensor("main", "x")
    assert merged is not None
    exact = ("elements", "samples", "minimum", "maximum", "not_finite", "histogram", "absmax")
    assert [getattr(merged, each) for each in exact] == [getattr(whole, each) for each in exact]
    magnitude = (
        np.abs([each for sample in samples for each in sample if math.isfinite(each)]).mean() if whole.finite else 0
    )
    assert merged.mean == pytest.approx(whole.mean, rel=1e-12, abs=1e-12 * magnitude, nan_ok=True)
    assert merged.mean_square == pytest.approx(whole.mean_square, rel=1e-12, nan_ok=True)


def test_what_is_not_finite_is_counted_and_left_out() -> None:
    found = tallied([1, np.nan, -3, np.inf, -np.inf])
    assert (found.elements, found.not_finite, found.finite) == (5, 3, 2)
    assert (found.minimum, found.maximum, found.absmax, found.mean, found.mean_square) == (-3, 1, 3, -1, 5)


def test_ranges_alone_tell_the_same_of_them() -> None:
    found = tallied([1, np.nan, -3, np.inf], [2], histogram=False)
    assert (found.minimum, found.maximum, found.not_finite, found.samples, found.histogram) == (-3, 2, 2, 2, None)
    assert math.isnan(found.mean)


def test_nothing_finite_has_no_range() -> None:
    found = tallied([np.nan], [])
    assert (found.minimum, found.maximum, found.has_range, found.absmax) == (math.inf, -math.inf, False, 0)
    assert of_tensors(found).range("main", "x") is None
    assert (found.samples, found.elements) == (1, 1), "a run without elements did not compute the value"


def test_ranges_are_wider_than_half_precision() -> None:
    found = of_tensors(tallied([1e6, -3e38]))
    range_ = found.range("main", "x", "min-max")
    assert range_ is not None
    assert (range_.low, range_.high) == (float(np.float32(-3e38)), 1e6)


def test_values_that_were_not_measured_have_no_range() -> None:
    assert of_tensors().range("main", "x") is None
    assert of_tensors().tensor("other", "x") is None


def test_reduced_runs_are_added() -> None:
    tally = TensorTally("x", "fp16", histogram=False)
    tally.add_range(-1, 2, 10)
    tally.add_range(-3, 1, 10, not_finite=1)
    tally.add_range(math.inf, -math.inf, 4, not_finite=4)
    tally.add_range(0, 0, 0)
    found = tally.finish()
    assert (found.minimum, found.maximum, found.elements, found.not_finite, found.samples) == (-3, 2, 24, 5, 3)


def test_moving_averages_follow_the_order() -> None:
    found = tallied([0, 10], [-10, 20], [np.nan], [0, 10], moving=0.5)
    assert found.moving is not None
    assert (found.moving.minimum, found.moving.maximum) == (-2.5, 12.5)


def test_sums_do_not_depend_on_the_order() -> None:
    values = (np.random.default_rng(0).standard_normal(5000) * 10.0 ** np.arange(5000) ** 0.1).tolist()
    forth, back = Sum(), Sum()
    for value in values:
        forth = forth.add(value)
    for value in reversed(values):
        back = back.add(value)
    assert forth == back
    assert forth.high == math.fsum(values)


@pytest.mark.parametrize(("shape", "axis"), [((3, 4, 5, 6), 1), ((300, 700), -1), ((2, 2, 200_000), -2), ((1, 0), 0)])
def test_channels_have_their_own_statistics(shape: tuple[int, ...], axis: int) -> None:
    values = np.random.default_rng(0).standard_normal(shape).astype(np.float32) * 3
    tally = ChannelTally(axis)
    tally.add(values)
    tally.add(values[::-1])
    found = tally.finish()
    assert found is not None
    rows = np.moveaxis(values.astype(np.float64), axis, 0).reshape(shape[axis], -1)
    assert found.elements.tolist() == [2 * rows.shape[1]] * shape[axis]
    if rows.size:
        np.testing.assert_array_equal(found.absmax, np.abs(rows).max(axis=1))
        np.testing.assert_allclose(found.mean, rows.mean(axis=1), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found.mean_square, np.square(rows).mean(axis=1), rtol=1e-12)


def test_channels_leave_out_what_is_not_finite() -> None:
    tally = ChannelTally(0)
    tally.add(np.array([[1, np.nan, -2], [np.inf, -np.inf, 4]], np.float32))
    found = tally.finish()
    assert found is not None
    assert (found.elements.tolist(), found.absmax.tolist(), found.mean.tolist()) == ([2, 1], [2, 4], [-0.5, 4])


def test_channels_merge() -> None:
    values = np.random.default_rng(0).standard_normal((2, 3, 8)).astype(np.float32)
    parts = [of_tensors(tallied(each, channel_axis=0)) for each in values]
    whole = tallied(*values, channel_axis=0)
    assert merge(*parts).tensor("main", "x") == whole
    never = of_tensors(attrs.evolve(tallied(), channels=None))
    assert merge(never, *parts).tensor("main", "x") == whole


def other_model() -> CalibrationStatistics:
    return of_tensors(tallied([1]), model_hash="n")


def other_kind() -> CalibrationStatistics:
    return of_tensors(tallied([1], histogram=False), collected="ranges")


def ranges_in_disguise() -> CalibrationStatistics:
    return of_tensors(tallied([1], histogram=False))


def other_values() -> CalibrationStatistics:
    return of_tensors(attrs.evolve(tallied([1]), name="y"), attrs.evolve(tallied([1]), name="z"))


def other_type() -> CalibrationStatistics:
    return of_tensors(attrs.evolve(tallied([1]), dtype="fp16"))


def other_channels() -> CalibrationStatistics:
    return of_tensors(tallied([[1, 2, 3]], channel_axis=1))


def averages() -> CalibrationStatistics:
    return of_tensors(tallied([1], moving=0.1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (other_model, "the statistics to merge are of different models: m, n (calibrate the same file for all)"),
        (other_kind, "of different kinds: histograms, ranges"),
        (ranges_in_disguise, "function 'main', value 'x': ranges can not be merged with histograms"),
        (other_values, "of different values: 'x' is in one of them only, as are 2 more"),
        (other_type, "statistics of 'x' in fp32 can not be merged with those of 'x' in fp16"),
        (other_channels, "there are 2 channels of axis 1 and 3 channels of axis 1"),
        (averages, "moving averages depend on the order of samples and can not be merged"),
    ],
)
def test_what_does_not_fit_is_not_merged(make: Any, message: str) -> None:
    with pytest.raises(StatisticsError, match=re.escape(message)):
        of_tensors(tallied([[1, 2]], channel_axis=1)).merge(make())


def test_the_observer_can_be_changed() -> None:
    statistics = of_tensors(tallied([1, 2]), attrs.evolve(tallied(), name="never"))
    changed = statistics.with_observer("percentile{99}")
    assert changed == attrs.evolve(statistics, observer="percentile{percentile=99.0}")


@pytest.mark.parametrize("observer", ["mse", "moving-average"])
def test_an_observer_needs_what_it_reads(observer: str) -> None:
    statistics = of_tensors(tallied([1, 2], histogram=False))
    assert statistics.with_observer("min-max").observer == "min-max"
    with pytest.raises(StatisticsError, match=f"the observer '{observer}' needs .*, which were not collected"):
        statistics.with_observer(observer)


def test_functions_of_one_run_alone_are_kept() -> None:
    one = of_tensors(tallied([1]))
    other = attrs.evolve(one, functions={"second": one.functions["main"]})
    assert set(one.merge(other).functions) == {"main", "second"}


def measured(program: Any) -> CalibrationStatistics:
    """Statistics of every value of a program, with nothing in them."""
    functions = {
        name: FunctionStatistics(
            1,
            {each: TensorStatistics(each, dtype, "", 0, 0, math.inf, -math.inf) for each, dtype in types.items()},
            operation_count(function),
        )
        for name, function in program.functions.items()
        for types in [value_types(function)]
    }
    return CalibrationStatistics.of(program, functions, collected="ranges")


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_statistics_fit_their_program(name: str) -> None:
    measured(PROGRAMS[name]()).require_fits(PROGRAMS[name]())


def change_weight(program: Any) -> None:
    weight = find_op(program, "first").weight.op
    value = weight.val.val.copy()
    value.flat[-1] += 1
    replace_constant(weight, value)


def rename_value(program: Any) -> None:
    find_op(program, "relu").outputs[0].name = "other"


def rename_function(program: Any) -> None:
    program.functions["other"] = program.functions.pop("main")


def rename_op(program: Any) -> None:
    find_op(program, "relu").name = "other"


def add_op(program: Any) -> None:
    from milopt.ir.pymil import mb

    with program.functions["main"]:
        mb.relu(x=find_op(program, "first").outputs[0], before_op=find_op(program, "relu"))


def change_type(program: Any) -> None:
    from milopt.ir.pymil import types

    find_op(program, "relu").outputs[0]._sym_type = types.tensor(types.int32, (10, 64))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (change_weight, "its structure is the same, and weights differ"),
        (rename_value, r"its value '.*' is not in function 'main' of this one"),
        (rename_function, "there is no function 'main' in this one"),
        (rename_op, "as many ops, and some of them differ"),
        (add_op, r"its function 'main' has \d+ ops, and \d+ in this one"),
        (change_type, r"its value '.*' is fp\d\d, and int32 in this one"),
    ],
)
def test_another_program_is_refused_with_the_reason(change: Any, reason: str) -> None:
    statistics = measured(PROGRAMS["linear_chain"]())
    program = copy_program(PROGRAMS["linear_chain"]())
    change(program)
    with pytest.raises(StatisticsError, match=f"the statistics are of another model: {reason}"):
        statistics.require_fits(program)


def test_hash_without_weights_reads_none() -> None:
    program = PROGRAMS["linear_chain"]()
    changed = copy_program(program)
    change_weight(changed)
    assert structural_hash(program) != structural_hash(changed)
    assert structural_hash(program, weights=False) == structural_hash(changed, weights=False)
