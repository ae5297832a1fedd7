from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from milopt.ir.errors import SaveError
from milopt.passes.analysis.calibration.errors import StatisticsError
from milopt.passes.analysis.calibration.function_statistics import FunctionStatistics
from milopt.passes.analysis.calibration.statistics import CalibrationStatistics
from milopt.passes.analysis.calibration.tally import TensorTally

ENDINGS = (".json", ".safetensors")
NAMES = st.text(min_size=1, max_size=8)


@st.composite
def tensors(draw: Any, name: str) -> Any:
    tally = TensorTally(
        name,
        draw(st.sampled_from(["fp16", "fp32"])),
        draw(st.sampled_from(["1, ?", ""])),
        histogram=draw(st.booleans()),
        moving=draw(st.sampled_from([None, 0.1])),
        channel_axis=draw(st.sampled_from([None, 0, -1])),
    )
    for _ in range(draw(st.integers(0, 2))):
        values = draw(st.lists(st.floats(width=32), min_size=2, max_size=2))
        tally.add(np.array([values], np.float32))
    return tally.finish()


@st.composite
def statistics(draw: Any) -> CalibrationStatistics:
    functions = {}
    for name in draw(st.lists(NAMES, max_size=2, unique=True)):
        names = draw(st.lists(NAMES, max_size=3, unique=True))
        found = {each: draw(tensors(each)) for each in names}
        functions[name] = FunctionStatistics(draw(st.integers(0, 99)), found, draw(st.integers(0, 99)))
    collected = draw(st.sampled_from(["ranges", "histograms"]))
    return CalibrationStatistics(model_hash="ab", structure_hash="cd", collected=collected, functions=functions)


def example(**fields: Any) -> CalibrationStatistics:
    tally = TensorTally("x", "fp16", "1, ?", channel_axis=-1)
    tally.add(np.linspace(-1, 3, 1000, dtype=np.float32).reshape(-1, 4))
    empty = attrs.evolve(TensorTally("a/b", "fp32").finish(), elements=2, not_finite=2)
    found = {"main": FunctionStatistics(7, {"x": tally.finish(), "a/b": empty}, 12)}
    whole: dict[str, Any] = {"model_hash": "ab", "structure_hash": "cd", "collected": "histograms", "observer": "mse"}
    return CalibrationStatistics(**(whole | {"functions": found} | fields))


@pytest.mark.parametrize("ending", ENDINGS)
@given(statistics())
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=50
)
def test_what_was_saved_is_loaded(tmp_path: Path, ending: str, saved: CalibrationStatistics) -> None:
    path = tmp_path / f"statistics{ending}"
    saved.save(path, overwrite=True)
    assert CalibrationStatistics.load(path) == saved


@pytest.mark.parametrize("ending", ENDINGS)
def test_equal_statistics_give_equal_files(tmp_path: Path, ending: str) -> None:
    one, other = tmp_path / f"one{ending}", tmp_path / f"other{ending}"
    found = example()
    found.save(one)
    main = found.functions["main"]
    turned = attrs.evolve(main, tensors=dict(reversed(main.tensors.items())))
    attrs.evolve(found, functions={"main": turned}).save(other)
    assert one.read_bytes() == other.read_bytes()
    assert sorted(each.name for each in tmp_path.iterdir()) == [one.name, other.name]


def test_names_that_look_like_places_of_arrays_do_not_collide(tmp_path: Path) -> None:
    tensor = example().functions["main"].tensors["x"]
    functions = {
        name: FunctionStatistics(1, {value: attrs.evolve(tensor, name=value, samples=index)})
        for index, (name, value) in enumerate([("f", "x/tensors/y"), ("f/tensors/x", "y")])
    }
    path = tmp_path / "s.safetensors"
    saved = example(functions=functions)
    saved.save(path)
    assert CalibrationStatistics.load(path) == saved


def test_json_is_strict_and_says_none_as_null(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    example().save(path)
    document = json.loads(path.read_text("utf-8"), parse_constant=pytest.fail)
    tensor = document["functions"]["main"]["tensors"]["a/b"]
    assert (tensor["minimum"], tensor["maximum"], tensor["not_finite"]) == (None, None, 2)
    loaded = CalibrationStatistics.load(path).tensor("main", "a/b")
    assert loaded is not None
    assert (loaded.minimum, loaded.maximum) == (math.inf, -math.inf)


@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_is_replaced_unasked(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"s{ending}"
    path.write_bytes(b"mine")
    with pytest.raises(SaveError, match="exists already"):
        example().save(path)
    assert path.read_bytes() == b"mine"
    example().save(path, overwrite=True)
    assert CalibrationStatistics.load(path) == example()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"s{ending}"
    path.write_bytes(b"mine")

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(SaveError, match="the disk is full"):
        example().save(path, overwrite=True)
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [(path.name, b"mine")]


@pytest.mark.parametrize("act", [lambda path: example().save(path), CalibrationStatistics.load])
def test_other_endings_are_refused(tmp_path: Path, act: Callable[[Path], Any]) -> None:
    with pytest.raises(StatisticsError, match=r"s.npz: files of statistics end in .json or .safetensors"):
        act(tmp_path / "s.npz")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StatisticsError, match=r"no.json: it can not be read: No such file or directory"):
        CalibrationStatistics.load(tmp_path / "no.json")
    with pytest.raises(StatisticsError, match=r"no.safetensors: it can not be read: No such file"):
        CalibrationStatistics.load(tmp_path / "no.safetensors")


def document_of(tmp_path: Path) -> Any:
    path = tmp_path / "whole.json"
    example().save(path)
    return json.loads(path.read_text("utf-8"))


def edited(*keys: Any, value: Any) -> Callable[[Any], None]:
    """An edit of a document: what stands at a path of keys becomes a value, or goes if that is None."""

    def _edit(document: Any) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = value
        if value is None:
            del document[keys[-1]]

    return _edit


TENSOR = ("functions", "main", "tensors", "x")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (edited("format", value="other"), "it does not hold calibration statistics"),
        (edited("version", value=99), "it has version 99 of the format, and this milopt reads version 1"),
        (edited("collected", value="nothing"), "it is damaged: ValueError"),
        (edited("functions", value=[]), "it is damaged: AttributeError"),
        (edited("observer", value=None), "it is damaged: KeyError"),
        (edited(*TENSOR, "samples", value=None), "it is damaged: KeyError"),
        (edited(*TENSOR, "samples", value=-1), "it is damaged: ValueError"),
        (edited(*TENSOR, "elements", value=True), "it is damaged: TypeError"),
        (edited(*TENSOR, "elements", value=999), "the histogram of 'x' has 1000 elements of 999"),
        (edited(*TENSOR, "minimum", value=4.0), "the range of 'x' is from 4.0 to 3.0"),
        (edited(*TENSOR, "minimum", value=None), "it is damaged: KeyError"),
        (edited(*TENSOR, "maximum", value="3"), "'3' is no finite number"),
        (edited(*TENSOR, "maximum", value=math.nan), "nan is no finite number"),
        (edited(*TENSOR, "dtype", value=16), "16 is no text"),
        (edited(*TENSOR, "sums", value=[1.0]), "it is damaged: ValueError"),
        (edited(*TENSOR, "histogram", "indices", 0, value=-5), "a histogram has indices of 17 bits"),
        (edited(*TENSOR, "histogram", "indices", -1, value=1 << 17), "a histogram has indices of 17 bits"),
        (edited(*TENSOR, "histogram", "indices", 1, value=1 << 16), "the indices of a histogram ascend"),
        (edited(*TENSOR, "histogram", "counts", 0, value=0), "counts above 0"),
        (edited(*TENSOR, "histogram", "counts", 0, value=None), "as many indices as counts"),
        (edited(*TENSOR, "channels", "absmax", 0, value=None), "the statistics of channels are of different lengths"),
    ],
)
def test_damage_is_told_in_one_line(tmp_path: Path, edit: Callable[[Any], None], message: str) -> None:
    document = document_of(tmp_path)
    edit(document)
    path = tmp_path / "s.json"
    path.write_text(json.dumps(document), "utf-8")
    with pytest.raises(StatisticsError) as caught:
        CalibrationStatistics.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message.replace("'", "") in str(caught.value).replace("'", "").replace("\\", "")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"null", b'"' + b"[" * 9, b"[" * 100_000])
@pytest.mark.parametrize("ending", ENDINGS)
def test_any_other_file_is_refused(tmp_path: Path, ending: str, content: bytes) -> None:
    path = tmp_path / f"s{ending}"
    path.write_bytes(content)
    with pytest.raises(StatisticsError, match=r"it is damaged|does not hold"):
        CalibrationStatistics.load(path)


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_cut_short_is_refused(tmp_path: Path, ending: str, data: st.DataObject) -> None:
    path = tmp_path / f"s{ending}"
    example().save(path, overwrite=True)
    content = path.read_bytes().rstrip(b"\n")
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(StatisticsError):
        CalibrationStatistics.load(path)


def test_a_model_of_another_library_is_no_statistics(tmp_path: Path) -> None:
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    path = tmp_path / "s.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    with pytest.raises(StatisticsError, match="it does not hold calibration statistics"):
        CalibrationStatistics.load(path)
