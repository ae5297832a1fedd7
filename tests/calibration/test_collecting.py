from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import milopt
import numpy as np
import pytest
from milopt.ir.errors import MiloptError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS17, IOS18
from milopt.passes.analysis.calibration.statistics import CalibrationStatistics
from milopt.passes.analysis.collecting import running
from milopt.passes.analysis.collecting.calibrate import calibrate
from milopt.passes.analysis.collecting.interruption import CalibrationInterrupted
from milopt.passes.remarks import Remark
from milopt.runtime.session import Session
from support.calibrating import WIDTH, layered, samples
from support.packages import Shelf
from support.program_registry import Input, build_program, state, weights


def values(program: Any, data: list[dict[str, np.ndarray]], name: str) -> np.ndarray:
    """All elements of a value over all samples, run one by one."""
    session = Session(program, observe=[name])
    return np.concatenate([session.run_observed(each)[1][name]["value"].reshape(-1) for each in data])


@pytest.mark.parametrize("observer", ["min-max", "mse"])
@pytest.mark.parametrize("dtype", ["fp16", "fp32"])
def test_statistics_are_those_of_the_values(observer: str, dtype: str) -> None:
    program, data = layered(dtype=dtype), samples(11)

    found = calibrate(program, data, observer=observer).functions["main"]

    assert found.samples == 11
    for name in ("x", "active", "y"):
        expected, tensor = values(program, data, name).astype(np.float64), found.tensors[name]
        close = 1e-3 if dtype == "fp16" else 1e-6
        assert (tensor.elements, tensor.samples, tensor.dtype) == (expected.size, 11, dtype)
        np.testing.assert_allclose([tensor.minimum, tensor.maximum], [expected.min(), expected.max()], rtol=close)
        if observer == "mse":
            assert tensor.histogram is not None
            assert tensor.histogram.total == expected.size
            np.testing.assert_allclose(tensor.mean_square, np.square(expected).mean(), rtol=close)


def test_any_iterable_will_do_and_is_walked_once() -> None:
    program, data = layered(), samples(19)
    walked: list[int] = []

    def stream() -> Iterator[dict[str, np.ndarray]]:
        for index, sample in enumerate(data):
            walked.append(index)
            yield sample

    assert calibrate(program, stream()).functions == calibrate(program, data).functions
    assert walked == list(range(19))


def test_progress_counts_samples() -> None:
    seen: list[int] = []
    calibrate(layered(), samples(10), on_progress=seen.append)
    assert seen == list(range(1, 11))


def test_only_named_tensors_are_measured() -> None:
    found = calibrate(layered(), samples(2), tensors=["hidden"]).functions["main"]
    assert list(found.tensors) == ["hidden"]


def test_default_tensors_are_those_that_quantization_asks_for() -> None:
    # The output of the first layer is only seen through its activation, which runs inside the pair.
    assert set(calibrate(layered(), samples(2)).functions["main"].tensors) == {"x", "active", "y"}


@pytest.mark.parametrize("dtype", ["fp16", "fp32"])
def test_channels(dtype: str) -> None:
    program, data = layered(dtype=dtype), samples(9)

    channels = calibrate(program, data, channels=True, tensors=["active"]).functions["main"].tensors["active"].channels

    rows = values(program, data, "active").astype(np.float64).reshape(-1, 20)
    assert channels is not None
    np.testing.assert_allclose(channels.absmax, np.abs(rows).max(axis=0), rtol=1e-3)
    np.testing.assert_allclose(channels.mean, rows.mean(axis=0), atol=1e-3)


def test_channels_beside_ranges_only() -> None:
    tensor = calibrate(layered(), samples(3), observer="min-max", channels=True).functions["main"].tensors["y"]
    assert tensor.histogram is None
    assert tensor.channels is not None
    assert tensor.channels.absmax.max() == tensor.absmax


def test_convolutions_have_their_channels_in_front() -> None:
    def body(x: Any) -> Any:
        return mb.conv(x=x, weight=weights(3, 2, 1, 1, dtype="float32"), name="y")

    program = build_program(body, IOS17, x=Input((1, 2, 5, 7), "fp32"))
    found = calibrate(program, [{"x": np.ones((1, 2, 5, 7), np.float32)}], channels=True).functions["main"].tensors
    assert [found[name].channels.absmax.size for name in ("x", "y")] == [2, 3]  # type: ignore[union-attr]


# Batches


def test_batches_give_what_single_samples_give() -> None:
    program, data = layered(rows=None), samples(21)
    remarks: list[Remark] = []

    alone = calibrate(program, data).functions["main"]
    together = calibrate(program, data, batch_size=4, remarks=remarks).functions["main"]

    assert "not-batched" not in {remark.code for remark in remarks}
    assert together.samples == alone.samples == 21
    for name, tensor in alone.tensors.items():
        other = together.tensors[name]
        assert (other.elements, other.samples) == (tensor.elements, tensor.samples)
        np.testing.assert_allclose(
            [other.minimum, other.maximum, other.mean_square],
            [tensor.minimum, tensor.maximum, tensor.mean_square],
            rtol=1e-5,
        )


def test_batches_do_run_together(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []
    plain = Session.run_entries

    def noted(self: Session, inputs: Any, *rest: Any) -> Any:
        rows.append(len(inputs["x"]))
        return plain(self, inputs, *rest)

    monkeypatch.setattr(Session, "run_entries", noted)
    calibrate(layered(rows=None), samples(16), batch_size=4)
    assert rows.count(4) >= 3  # the first four also run alone, to prove that it is the same


def over_rows(x: Any) -> Any:
    """What runs beside a row changes it: its first axis is none of a batch."""
    return mb.linear(x=mb.sub(x=x, y=mb.reduce_mean(x=x, axes=[0])), weight=weights(5, WIDTH, dtype="float32"))


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (lambda: layered(rows=1), r"input 'x' can not have the shape \[4, 8\]: the model takes float32\[1, 8\]"),
        (lambda: build_program(over_rows, IOS17, x=Input((None, WIDTH), "fp32")), "changes with what runs beside it"),
    ],
)
def test_samples_run_alone_where_a_batch_is_none(program: Callable[[], Any], reason: str) -> None:
    remarks: list[Remark] = []
    built, data = program(), samples(9)

    found = calibrate(built, data, batch_size=4, remarks=remarks)

    (said,) = [remark for remark in remarks if remark.code == "not-batched"]
    assert re.search(reason, said.message), said.message
    assert found.functions == calibrate(built, data).functions


def test_samples_of_other_shapes_run_beside_batches() -> None:
    data = [*samples(5), *samples(3, rows=2), *samples(4)]
    found = calibrate(layered(rows=None), data, batch_size=4).functions["main"]
    assert (found.samples, found.tensors["x"].elements) == (12, (5 + 6 + 4) * WIDTH)


# All kinds of models


def test_flexible_shapes(shelf: Shelf) -> None:
    data = [{"x": np.ones((rows, 40), np.float32)} for rows in (2, 9, 5)]
    found = calibrate(shelf["shape_range"], data).functions["main"]
    assert found.tensors["x"].elements == 16 * 40


def test_images_and_classifiers(shelf: Shelf) -> None:
    image = np.zeros((20, 30, 3), np.uint8)
    image[4, 5] = 200
    found = calibrate(shelf["image_classifier"], [{"image": image}] * 3).functions["main"]
    assert found.tensors
    assert max(tensor.maximum for tensor in found.tensors.values()) > 0


def counter(x: Any, seen: Any) -> Any:
    """Adds what comes in to a state, and gives the state's sum through a layer."""
    total = mb.add(x=mb.read_state(input=seen), y=x, name="total")
    mb.coreml_update_state(state=seen, value=total)
    return mb.linear(x=total, weight=weights(5, WIDTH), name="y")


@pytest.fixture
def stateful() -> Any:
    return build_program(counter, IOS18, x=Input((1, WIDTH), "fp16"), seen=state(1, WIDTH))


def test_a_sequence_of_calls_shares_a_state(stateful: Any) -> None:
    call = {"x": np.ones((1, WIDTH), np.float16)}

    found = calibrate(stateful, [[call] * 3, call, [call] * 2], tensors=["total"]).functions["main"]

    total = found.tensors["total"]
    assert (found.samples, total.samples, total.elements, total.maximum) == (3, 3, 6 * WIDTH, 3)


def test_states_run_alone(stateful: Any) -> None:
    remarks: list[Remark] = []
    data = [{"x": np.ones((1, WIDTH), np.float16)}] * 4
    found = calibrate(stateful, data, batch_size=2, tensors=["total"], remarks=remarks)
    assert found.functions["main"].tensors["total"].maximum == 1
    assert "the model has states" in next(each.message for each in remarks if each.code == "not-batched")


def test_several_functions(shelf: Shelf) -> None:
    model = milopt.load(shelf["two_functions"])
    first, second, *_ = model.program.functions
    data = {name: list(inputs_of(model, name, 4)) for name in (first, second)}

    both = calibrate(model, data)

    assert {name: found.samples for name, found in both.functions.items()} == {first: 4, second: 4}
    assert both.functions[second] == calibrate(model, data[second], function=second).functions[second]


def inputs_of(model: Any, function: str, count: int) -> Iterator[dict[str, np.ndarray]]:
    from milopt.runtime.random_samples import RandomSamples

    return iter(RandomSamples(model.program.functions[function], count))


# Ends before the end


def test_interruption_keeps_what_was_done() -> None:
    program, data = layered(), samples(20)

    def stream() -> Iterator[dict[str, np.ndarray]]:
        yield from data[:13]
        raise KeyboardInterrupt

    with pytest.raises(CalibrationInterrupted) as caught:
        calibrate(program, stream())
    assert caught.value.done == 13
    assert caught.value.statistics == calibrate(program, data[:13])


def test_interruption_while_a_sample_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, runs = Session.run_entries, itertools.count()

    def interrupted(self: Session, *rest: Any) -> Any:
        if next(runs) == 5:
            raise KeyboardInterrupt
        return plain(self, *rest)

    expected = calibrate(layered(), samples(5))
    monkeypatch.setattr(Session, "run_entries", interrupted)
    with pytest.raises(CalibrationInterrupted) as caught:
        calibrate(layered(), samples(9))
    assert caught.value.statistics == expected


def test_interruption_before_the_first_sample() -> None:
    def stream() -> Iterator[dict[str, np.ndarray]]:
        raise KeyboardInterrupt
        yield {}

    with pytest.raises(CalibrationInterrupted) as caught:
        calibrate(layered(), stream())
    assert (caught.value.statistics, caught.value.done) == (None, 0)


def test_a_sequence_that_is_broken_off_is_not_counted_by_half(stateful: Any) -> None:
    call = {"x": np.ones((1, WIDTH), np.float16)}

    class Broken(list[Any]):
        def __iter__(self) -> Iterator[Any]:
            yield call
            raise KeyboardInterrupt

    with pytest.raises(CalibrationInterrupted) as caught:
        calibrate(stateful, [[call], Broken([call, call])], tensors=["total"])
    assert caught.value.statistics is None  # both are of one chunk, in which the first can not be told from the second


def test_errors_of_counting_surface(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise MiloptError("counting failed")

    monkeypatch.setattr(running.Gathering, "add", broken)
    with pytest.raises(MiloptError, match="counting failed"):
        calibrate(layered(), samples(3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tensors": ["activ"]}, "there is no value 'activ' to measure .*did you mean 'active'"),
        ({"tensors": []}, "there is nothing to measure"),
        ({"observer": "mes"}, "observer"),
        ({"precision": "float8"}, "float8"),
        ({"batch_size": 0}, "batches of 0 samples"),
        ({"function": "mein"}, "there is no function 'mein' .*did you mean 'main'"),
        ({"samples": []}, "function 'main': there are no samples"),
        ({"samples": {"x": [1]}}, r"'x' is no function of the model.*give a list of samples: \[\{input: value\}"),
        ({"samples": "data.npz"}, "the samples are a str"),
        ({"samples": [{"x": np.ones((1, 9))}]}, "function 'main', sample 0, input 'x': it has the shape"),
        ({"samples": [*samples(9), {"z": 1}]}, "function 'main', sample 9: there is no input 'z'"),
        ({"samples": [*samples(2), []]}, "sample 2: it is an empty sequence"),
        ({"samples": [np.ones((1, WIDTH))]}, "sample 0: it is a ndarray"),
        ({"samples": [7]}, "sample 0: it is a int .*a sample is a mapping"),
        ({"samples": ["x"]}, "sample 0: it is "),
        ({"observer": "moving-average", "batch_size": 2}, "averages over single samples"),
        ({"checkpoint": "nowhere/at.all"}, "the folder 'nowhere' does not exist"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments: dict[str, Any], message: str) -> None:
    given = {"samples": samples(2)} | arguments
    with pytest.raises(MiloptError, match=message) as caught:
        calibrate(layered(), **given)
    assert "\n" not in str(caught.value)


def test_constants_and_integers_have_no_range() -> None:
    def body(x: Any) -> Any:
        scale = mb.const(val=np.ones((1, WIDTH), np.float32), name="scale")
        return mb.mul(x=mb.add(x=x, y=scale), y=mb.cast(x=mb.cast(x=x, dtype="int32", name="whole"), dtype="fp32"))

    program = build_program(body, IOS17, x=Input((1, WIDTH), "fp32"))
    for name, kind in (("scale", "a constant"), ("whole", "no float")):
        with pytest.raises(MiloptError, match=f"{name!r} is {kind}"):
            calibrate(program, samples(1), tensors=[name])


# Memory

_PEAK = """
import resource, sys
sys.path.insert(0, {tests!r})
from support.calibrating import layered, samples
from milopt.passes.analysis.collecting.calibrate import calibrate
wide = layered(rows=None)
calibrate(wide, samples(8, rows=20_000))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
calibrate(wide, (sample for seed in range(32) for sample in samples(8, rows=20_000, seed=seed)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is counted in other units elsewhere")
def test_memory_does_not_grow_with_samples() -> None:
    source = _PEAK.format(tests=str(Path(__file__).parents[1]))
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)  # noqa: S603
    assert int(done.stdout) < 24 * 1024  # KiB; the observed values of one sample take 2.6 MB, of all 256 670 MB


def test_statistics_know_their_model() -> None:
    program = layered()
    found = calibrate(program, samples(2))
    found.require_fits(program)
    assert isinstance(found, CalibrationStatistics)
    with pytest.raises(MiloptError):
        found.require_fits(layered(dtype="fp16"))


@pytest.mark.parametrize("observer", ["moving-average", "moving-average{constant=0.5}"])
def test_moving_averages_follow_the_order_of_samples(observer: str) -> None:
    data = [{"x": np.full((1, WIDTH), number, np.float32)} for number in (2, 4, -4)]
    statistics = calibrate(layered(), data, observer=observer, tensors=["x"])
    step = 0.5 if "constant" in observer else 0.1
    average = 2 + step * (4 - 2)
    expected = average + step * (-4 - average)
    found = statistics.range("main", "x")
    assert found is not None
    assert found.low == found.high == pytest.approx(expected)


def test_moving_averages_are_kept_over_many_samples() -> None:
    statistics = calibrate(layered(), samples(30), observer="moving-average", tensors=["x"])
    assert statistics.functions["main"].samples == 30
