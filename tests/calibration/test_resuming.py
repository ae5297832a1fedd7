from __future__ import annotations

import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from milopt.ir.errors import MiloptError
from milopt.passes.analysis.collecting import resuming
from milopt.passes.analysis.collecting.calibrate import calibrate
from milopt.passes.analysis.collecting.interruption import CalibrationInterrupted
from milopt.runtime.session import Session
from support.calibrating import layered, samples

DATA = samples(29)


def stopped(count: int, how: type[BaseException] = KeyboardInterrupt) -> Iterator[dict[str, np.ndarray]]:
    """So many samples, and then the end."""
    yield from DATA[:count]
    raise how


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A checkpoint after 13 of the samples."""
    path = tmp_path / "run.checkpoint"
    with pytest.raises(CalibrationInterrupted):
        calibrate(layered(), stopped(13), checkpoint=path)
    return path


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Notes each run from here on."""
    runs: list[int] = []
    plain = Session.run_entries

    def noted(self: Session, *given: Any) -> Any:
        runs.append(1)
        return plain(self, *given)

    monkeypatch.setattr(Session, "run_entries", noted)
    return runs


def same(one: Any, other: Any) -> None:
    """Equal to the last bit, wherever the run was broken off."""
    assert other.functions == one.functions


def test_a_later_run_goes_on(begun: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = calibrate(layered(), DATA)
    seen: list[int] = []
    runs = counted(monkeypatch)

    found = calibrate(layered(), iter(DATA), checkpoint=begun, on_progress=seen.append)

    same(whole, found)
    assert len(runs) == 29 - 13
    assert seen[0] == 14
    assert not begun.exists()


def test_other_workers_go_on(begun: Path) -> None:
    whole = calibrate(layered(), DATA)
    with ThreadPoolExecutor(2) as threads:
        same(whole, calibrate(layered(), DATA, checkpoint=begun, executor=threads))


def test_a_failure_keeps_what_was_done(tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    with pytest.raises(MiloptError, match="sample 11"):
        calibrate(layered(), [*DATA[:11], {"x": np.ones(3)}, *DATA[12:]], checkpoint=path)
    same(calibrate(layered(), DATA), calibrate(layered(), DATA, checkpoint=path))


def test_a_dead_process_loses_a_few_samples_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.checkpoint"
    monkeypatch.setattr(resuming, "_SECONDS", 0.0)
    monkeypatch.setattr(resuming, "_SHARE", 0)
    kept: list[bytes] = []

    def look(_: int) -> None:
        if path.exists():
            kept.append(path.read_bytes())

    calibrate(layered(), DATA, checkpoint=path, on_progress=look)
    path.write_bytes(kept[-1])  # as if the process had died then
    same(calibrate(layered(), DATA), calibrate(layered(), DATA, checkpoint=path))


def test_several_functions_go_on(shelf: Any, tmp_path: Path) -> None:
    import milopt
    from milopt.runtime.random_samples import RandomSamples

    model, path = milopt.load(shelf["two_functions"]), tmp_path / "run.checkpoint"
    data = {name: list(RandomSamples(function, 12)) for name, function in model.program.functions.items()}
    first, second = data

    def broken() -> Iterator[dict[str, Any]]:
        yield from data[second][:5]
        raise KeyboardInterrupt

    with pytest.raises(CalibrationInterrupted) as caught:
        calibrate(model, {first: data[first], second: broken()}, checkpoint=path)
    assert caught.value.done == 17
    found = calibrate(model, data, checkpoint=path)
    assert {name: each.samples for name, each in found.functions.items()} == {first: 12, second: 12}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "half"}, "checkpoint of another model"),
        ({"precision": "float16"}, "another precision: precision was float32, and is float16"),
        ({"observer": "min-max"}, "another kind of statistics"),
        ({"channels": True}, "another channels"),
        ({"tensors": ["hidden"]}, "other tensors of function 'main'"),
        ({"samples": DATA[:5]}, "13 samples done, and there are only 5"),
        ({"samples": samples(29, seed=9)}, "other samples"),
        ({"observer": "moving-average"}, "order of samples.*a checkpoint"),
    ],
)
def test_it_is_refused_for_another_run(begun: Path, change: dict[str, Any], message: str) -> None:
    before = begun.read_bytes()
    given: dict[str, Any] = {"model": "single", "samples": DATA} | change
    program = layered(dtype="fp16" if given.pop("model") == "half" else "fp32")
    with pytest.raises(MiloptError, match=message) as caught:
        calibrate(program, given.pop("samples"), checkpoint=begun, **given)
    assert "\n" not in str(caught.value)
    assert begun.read_bytes() == before


def test_an_observer_of_the_same_kind_goes_on(begun: Path) -> None:
    assert calibrate(layered(), DATA, checkpoint=begun, observer="percentile").observer.startswith("percentile")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_checkpoint_is_not_touched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(MiloptError, match=r"no checkpoint that can be read.*delete it"):
        calibrate(layered(), DATA, checkpoint=path)
    assert path.read_bytes() == content


def test_a_checkpoint_of_another_version(begun: Path) -> None:
    with zipfile.ZipFile(begun) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["calibration.json"] = parts["calibration.json"].replace(b'"version": 1', b'"version": 99')
    with zipfile.ZipFile(begun, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    with pytest.raises(MiloptError, match="another version of milopt"):
        calibrate(layered(), DATA, checkpoint=begun)


def test_nothing_is_left_where_nothing_was_done(tmp_path: Path) -> None:
    with pytest.raises(CalibrationInterrupted):
        calibrate(layered(), stopped(0), checkpoint=tmp_path / "run.checkpoint")
    assert list(tmp_path.iterdir()) == []
