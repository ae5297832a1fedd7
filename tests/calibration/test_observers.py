from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from milopt.ir.errors import MiloptError, OptionError
from milopt.passes.analysis.calibration.codes import Codes, Scales
from milopt.passes.analysis.calibration.errors import StatisticsError
from milopt.passes.analysis.calibration.masses import Mass, absolute_error, divergence, squared_error
from milopt.passes.analysis.calibration.observers import OBSERVERS, MinMax, Percentile, parse_observer
from milopt.passes.analysis.calibration.statistics import CalibrationStatistics
from milopt.passes.analysis.calibration.tally import TensorTally
from milopt.passes.analysis.calibration.tensor_statistics import Range, TensorStatistics

COUNT = 200_000
SCHEMES = {"symmetric": {}, "affine": {"symmetric": False}, "unsigned": {"unsigned": True}}
SEARCHING = ("mse", "kl", "absolute-error")
MADE: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "gaussian": lambda rng: rng.standard_normal(COUNT),
    "shifted": lambda rng: rng.normal(2, 0.7, COUNT),
    "laplace": lambda rng: rng.laplace(size=COUNT),
    "relu": lambda rng: np.maximum(rng.standard_normal(COUNT), 0),
    "uniform": lambda rng: rng.uniform(-1, 3, COUNT),
    "heavy tails": lambda rng: rng.standard_t(2.5, COUNT),
    "outlier": lambda rng: np.append(rng.standard_normal(COUNT), 1e3),
    "few values": lambda rng: rng.choice([-4.0, 0.0, 1.0, 8.0], COUNT),
    "fp16": lambda rng: (rng.standard_normal(COUNT) * 1e-3).astype(np.float16),
}


def measured(values: Any, **options: Any) -> TensorStatistics:
    tally = TensorTally("x", "fp32", **options)
    tally.add(np.asarray(values, np.float32))
    return tally.finish()


def quantized(values: np.ndarray, range_: Range, scheme: str) -> np.ndarray:
    """What elements become: the plain definition, on the data itself."""
    if scheme == "affine":
        low, high = min(range_.low, 0), max(range_.high, 0)
        scale = (high - low) / 255 or 1
        zero_point = np.rint(-128 - low / scale)
        return (np.clip(np.rint(values / scale) + zero_point, -128, 127) - zero_point) * scale
    least, greatest = (0, 255) if scheme == "unsigned" else (-127, 127)
    scale = (max(range_.high, 0) if scheme == "unsigned" else range_.magnitude) / greatest or 1
    return np.clip(np.rint(values / scale), least, greatest) * scale


def cost(values: np.ndarray, range_: Range, scheme: str, power: int) -> float:
    return float((np.abs(quantized(values, range_, scheme) - values) ** power).mean())


def brute_force(values: np.ndarray, scheme: str, power: int) -> float:
    """The least cost over many clips; affine ranges are searched over both ends."""
    low, high = float(values.min()), float(values.max())
    shares = np.concatenate([np.geomspace(0.002, 0.2, 8), np.linspace(0.25, 1, 16)])
    if scheme != "affine":
        reach = max(high, 0 if scheme == "unsigned" else -low)
        finer = np.concatenate([np.geomspace(0.002, 0.2, 30), np.linspace(0.2, 1, 81)])
        return min(cost(values, Range(-reach * share, reach * share), scheme, power) for share in finer)
    lows = [min(low, 0) * share for share in shares] if low < 0 else [0.0]
    highs = [max(high, 0) * share for share in shares]
    return min(cost(values, Range(each, other), scheme, power) for each in lows for other in highs)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize(("observer", "power"), [("mse", 2), ("absolute-error", 1)])
def test_clips_are_as_good_as_those_of_brute_force_on_the_data(
    name: str, scheme: str, observer: str, power: int
) -> None:
    values = MADE[name](np.random.default_rng(0)).astype(np.float32)
    found = parse_observer(observer).range(measured(values), **SCHEMES[scheme])
    few = values[:: 20 if scheme == "affine" else 4].astype(np.float64)
    few = np.append(few, [values.min(), values.max()])
    thinned = parse_observer(observer).range(measured(few), **SCHEMES[scheme])
    assert cost(few, thinned, scheme, power) <= 1.02 * brute_force(few, scheme, power) + 1e-12
    assert values.min() <= found.low <= found.high <= values.max()
    whole = Range(float(values.min()), float(values.max()))
    assert cost(values, found, scheme, power) <= 1.005 * cost(values, whole, scheme, power) + 1e-12


@pytest.mark.parametrize("scheme", ["symmetric", "affine"])
@pytest.mark.parametrize("name", [each for each in MADE if each != "few values"])  # which lie at ends of their bins
def test_costs_read_off_the_grid_are_those_of_the_data(name: str, scheme: str) -> None:
    values = MADE[name](np.random.default_rng(1)).astype(np.float32)
    mass = Mass.of(measured(values))
    low, high = min(float(values.min()), 0), max(float(values.max()), 0)
    if scheme == "symmetric":
        low, high = -max(-low, high), max(-low, high)
    codes = Codes.of(symmetric=scheme == "symmetric", unsigned=False, bits=8)
    for share in (1, 0.6, 0.3):
        scales = Scales(codes, np.array([low * share]), np.array([high * share]))
        range_, exact = Range(low * share, high * share), values.astype(np.float64)
        for loss, power in ((squared_error, 2), (absolute_error, 1)):
            expected = cost(exact, range_, scheme, power) * values.size
            assert loss(mass, scales)[0] == pytest.approx(expected, rel=0.03, abs=1e-9 * mass.squares)


def plain_divergence(mass: Mass, low: float, high: float) -> float:
    """The Kullback-Leibler divergence by its definition, for symmetric codes of 8 bits."""
    points, counts, widths = mass.points, mass.counts, mass.widths
    inside = (points >= low) & (points <= high)
    reference = np.where(inside, counts, 0.0)
    reference[np.flatnonzero(inside)[0]] += counts[points < low].sum()
    reference[np.flatnonzero(inside)[-1]] += counts[points > high].sum()
    codes = np.clip(np.round(points / (high / 127)), -127, 127)
    spread = np.zeros_like(counts)
    for code in np.unique(codes[inside]):
        cell = inside & (codes == code)
        spread[cell] = counts[cell].sum() * widths[cell] / widths[cell].sum()
    p, q = reference[inside] / reference.sum(), spread[inside] / spread.sum()
    return float((p * np.log(p / q)).sum())


@pytest.mark.parametrize("name", ["gaussian", "laplace", "heavy tails", "outlier", "shifted", "few values"])
def test_divergence_is_as_defined(name: str) -> None:
    mass = Mass.of(measured(MADE[name](np.random.default_rng(2)))).without_zero
    reach = float(np.abs(mass.points).max()) * np.array([0.99, 0.7, 0.2])  # no bin lies on the border of two codes
    found = divergence(mass, Scales(Codes.of(symmetric=True, unsigned=False, bits=8), -reach, reach))
    assert found == pytest.approx([plain_divergence(mass, -each, each) for each in reach], rel=1e-6, abs=1e-9)


def test_divergence_cuts_what_carries_no_mass() -> None:
    values = np.append(np.random.default_rng(0).standard_normal(COUNT), 1e3)
    found = parse_observer("kl").range(measured(values))
    assert 3 < found.magnitude < 6


@pytest.mark.parametrize("observer", SEARCHING)
@pytest.mark.parametrize("bits", [2, 4, 6])
def test_fewer_codes_clip_more(observer: str, bits: int) -> None:
    values = measured(np.random.default_rng(0).laplace(size=COUNT))
    chosen = parse_observer(observer)
    assert chosen.range(values, bits=bits).magnitude < chosen.range(values, bits=bits + 2).magnitude


def test_searching_takes_milliseconds() -> None:
    values = measured(np.random.default_rng(0).standard_t(2, 1_000_000))
    for observer in SEARCHING:
        for scheme in SCHEMES.values():
            begun = time.process_time()
            parse_observer(observer).range(values, **scheme)
            assert time.process_time() - begun < 0.05, "some 2 to 5 ms where nothing else runs"


@pytest.mark.parametrize("observer", [each for each in OBSERVERS if each != "moving-average"])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    "values", [[0.0], [0.0, -0.0], [3.0], [-3.0], [2.0, 5.0], [-5.0, -2.0], [1e-45, 0], [3e38, -3e38], [7.0] * 99]
)
def test_small_tensors_have_a_range(observer: str, scheme: str, values: list[float]) -> None:
    found = parse_observer(observer).range(measured(values), **SCHEMES[scheme])
    single = np.array(values, np.float32).astype(np.float64)
    assert single.min() <= found.low <= found.high <= single.max()


@given(
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=30),
    st.sampled_from([each for each in OBSERVERS if each != "moving-average"]),
    st.sampled_from(sorted(SCHEMES)),
    st.integers(2, 8),
)
@settings(deadline=None)
def test_ranges_are_within_what_was_measured(values: list[float], observer: str, scheme: str, bits: int) -> None:
    statistics = measured(values)
    found = parse_observer(observer).range(statistics, **SCHEMES[scheme], bits=bits)
    assert statistics.minimum <= found.low <= found.high <= statistics.maximum


def test_constants_keep_their_value() -> None:
    for observer in ("min-max", *SEARCHING, "percentile"):
        assert parse_observer(observer).range(measured([7.3] * 50)).magnitude == np.float32(7.3)


def test_percentiles_take_magnitudes_or_both_ends() -> None:
    values = measured(np.arange(-1000, 3001))
    assert Percentile(90).range(values).magnitude == pytest.approx(2600, rel=2.0**-8)
    both = Percentile(90).range(values, symmetric=False)
    assert (both.low, both.high) == pytest.approx((-600, 2600), rel=2.0**-8)
    assert Percentile(100).range(values) == MinMax().range(values)


def test_moving_averages_are_taken_as_collected() -> None:
    statistics = measured([-1, 5], moving=0.1)
    assert parse_observer("moving-average").range(statistics) == Range(-1, 5)
    with pytest.raises(StatisticsError, match=r"collected with the constant 0.1, not 0.5 \(use moving-average"):
        parse_observer("moving-average{constant=0.5}").range(statistics)


@pytest.mark.parametrize("text", ["mse", "kl", "absolute-error", "percentile", "moving-average"])
def test_what_was_not_collected_can_not_be_used(text: str) -> None:
    with pytest.raises(StatisticsError, match=f"value 'x': the observer '{text}' needs .*, which were not collected"):
        parse_observer(text).range(measured([1, 2], histogram=False))


def test_nothing_finite_has_no_range() -> None:
    with pytest.raises(StatisticsError, match="value 'x': it has no finite elements"):
        MinMax().range(measured([np.nan]))


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("min-max", "min-max"),
        (" mse ", "mse"),
        ("percentile", "percentile{percentile=99.99}"),
        ("percentile{99.9}", "percentile{percentile=99.9}"),
        ("percentile{ percentile = 99.9 }", "percentile{percentile=99.9}"),
        ("moving-average{constant=1}", "moving-average{constant=1.0}"),
    ],
)
def test_text_and_observers_are_the_same(text: str, canonical: str) -> None:
    found = parse_observer(text)
    assert str(found) == canonical
    assert parse_observer(canonical) == found == parse_observer(found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mze", "there is no observer 'mze' (did you mean 'mse'?)"),
        ("", "there is no observer '' (one of min-max, moving-average, percentile, mse, kl, absolute-error)"),
        ("mse{", "there is no observer 'mse{'"),
        ("mse{3}", "the observer 'mse' has no options"),
        ("percentile{share=3}", "the observer 'percentile' has no option 'share' (it has 'percentile')"),
        ("percentile{50}", "percentile of 'percentile' is above 50 and at most 100, not '50'"),
        ("percentile{x}", "percentile of 'percentile' is above 50 and at most 100, not 'x'"),
        ("moving-average{nan}", "constant of 'moving-average' is above 0 and at most 1, not 'nan'"),
    ],
)
def test_other_texts_are_refused(text: str, message: str) -> None:
    with pytest.raises(OptionError) as caught:
        parse_observer(text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("bits", [1, 17])
def test_other_numbers_of_bits_are_refused(bits: int) -> None:
    with pytest.raises(OptionError, match=f"codes of {bits} bits are not known"):
        MinMax().range(measured([1]), bits=bits)


def test_observers_are_chosen_after_the_run() -> None:
    tensor = measured(np.random.default_rng(0).laplace(size=COUNT))
    functions: Any = {"main": attrs.make_class("F", ["tensors"])({"x": tensor})}
    statistics = CalibrationStatistics(model_hash="", collected="histograms", observer="mse", functions=functions)
    assert statistics.range("main", "x") == parse_observer("mse").range(tensor)
    assert statistics.range("main", "x", "kl") == parse_observer("kl").range(tensor)
    assert statistics.range("main", "x", symmetric=False) == parse_observer("mse").range(tensor, symmetric=False)
    with pytest.raises(MiloptError, match="there is no observer"):
        statistics.range("main", "x", "none")
