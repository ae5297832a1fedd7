"""`milopt calibrate`: statistics written and shown, warnings, interruptions, merging, mistakes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import milopt as package
import numpy as np
import pytest
from milopt.cli import calibration_runs, progress
from milopt.cli.exit_codes import BAD_INPUT, CHECK_FAILED, DONE, INTERRUPTED
from milopt.passes.analysis.calibration.statistics import CalibrationStatistics
from milopt.passes.analysis.collecting.running import FunctionRun
from support.packages import Shelf
from support.source_tree import ROOT

Command = Callable[..., Any]

DIGITS = ROOT / "examples" / "digits"
MODEL = DIGITS / "digits.mlpackage"
IMAGES = np.load(DIGITS / "calibration.npz")["image"]
BASIC = ("--observer", "min-max")


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """40 samples."""
    np.savez(tmp_path / "in.npz", image=IMAGES[:40])
    return tmp_path / "in.npz"


def loaded(path: Path) -> CalibrationStatistics:
    return CalibrationStatistics.load(path)


@pytest.mark.parametrize("ending", ["json", "safetensors"])
def test_statistics_are_written_and_shown(milopt: Command, tmp_path: Path, ending: str) -> None:
    ran = milopt("calibrate", MODEL, "--data", DIGITS / "calibration.npz", "-o", f"@/stats.{ending}")

    assert (ran.code, ran.err) == (DONE, "")
    assert ran.out.startswith("main: ")
    assert "256 samples, ranges by mse" in ran.out
    assert ran.out.endswith(f"written  {tmp_path / f'stats.{ending}'}\n")
    statistics = loaded(tmp_path / f"stats.{ending}")
    assert (statistics.functions["main"].samples, statistics.observer) == (256, "mse")
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"stats.{ending}"]


def test_what_is_written_is_what_the_library_gives(milopt: Command, few: Path, tmp_path: Path) -> None:
    assert milopt("calibrate", MODEL, "--data", few, "-o", "@/stats.json", "--channels").code == DONE

    expected = package.calibrate(MODEL, [{"image": image} for image in IMAGES[:40]], channels=True)
    assert loaded(tmp_path / "stats.json") == expected


def test_json_has_every_value_and_remark(milopt: Command, few: Path, tmp_path: Path) -> None:
    ran = milopt("calibrate", MODEL, "--data", few, "-o", "@/stats.json", "--json", "--observer", "percentile{99}")

    assert (ran.code, ran.err) == (DONE, "")
    found = json.loads(ran.out)
    assert (found["collected"], found["output"]) == ("histograms", str(tmp_path / "stats.json"))
    assert [remark["code"] for remark in found["remarks"]] == ["few-samples"]
    rows = found["functions"]["main"]["tensors"]
    statistics = loaded(tmp_path / "stats.json")
    assert {row["name"] for row in rows} == statistics.functions["main"].tensors.keys()
    for row in rows:
        expected = statistics.range("main", row["name"])
        assert expected is not None
        assert (row["range"], row["magnitude"]) == ([expected.low, expected.high], expected.magnitude)
        assert 0 <= row["clipped"] < 0.03
    assert any(row["clipped"] for row in rows)


def test_ranges_clip_nothing(milopt: Command, few: Path) -> None:
    ran = milopt("calibrate", MODEL, "--data", few, "-o", "@/stats.json", "--json", *BASIC)

    found = json.loads(ran.out)
    assert found["collected"] == "ranges"
    assert {row["clipped"] for row in found["functions"]["main"]["tensors"]} == {0.0}


def test_arrays_that_are_no_inputs_are_noted_once(milopt: Command) -> None:
    ran = milopt("calibrate", MODEL, "--data", DIGITS / "test.npz", "-o", "@/stats.json", *BASIC)

    assert (ran.code, ran.err) == (DONE, "note: 'label' is no input of the model, and not used\n")


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    """Random numbers, which nobody should calibrate with."""
    np.savez(tmp_path / "noise.npz", image=np.random.default_rng(0).random((40, 1, 1, 8, 8), np.float32))
    return tmp_path / "noise.npz"


def test_bad_samples_are_warned_of(milopt: Command, noise: Path) -> None:
    ran = milopt("calibrate", MODEL, "--data", noise, "-o", "@/stats.json", *BASIC)

    assert ran.code == DONE
    note, warning = ran.err.splitlines()
    assert note.startswith("note: 40 samples may not show the values that users will give [give at least 32,")
    assert warning.startswith("warning: input 'image': its values look like random numbers (uniform)")


def test_what_is_wrong_with_inputs_is_told_where_a_run_fails(milopt: Command, tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", ids=np.random.default_rng(0).integers(0, 200, (4, 1, 7), np.int32))

    ran = milopt("calibrate", "@tied_embedding", "--data", "@/in.npz", "-o", "@/stats.json", *BASIC)

    warning, error = ran.err.splitlines()
    assert (ran.code, ran.out) == (BAD_INPUT, "")
    assert "is an index of a table of 100 [give whole numbers of 0 to 99]" in warning
    assert error.startswith("error: ")


def test_strict_fails_for_bad_samples_after_writing(milopt: Command, noise: Path, tmp_path: Path) -> None:
    ran = milopt("calibrate", MODEL, "--data", noise, "-o", "@/stats.json", "--strict", *BASIC)

    assert ran.code == CHECK_FAILED
    assert ran.err.splitlines()[-1].startswith("error: something is wrong with the samples: its values look like")
    assert loaded(tmp_path / "stats.json")


def test_strict_lets_good_samples_pass(milopt: Command, few: Path) -> None:
    assert milopt("calibrate", MODEL, "--data", few, "-o", "@/stats.json", "--strict", *BASIC).code == DONE


def test_values_past_fp16_are_told(milopt: Command, tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", image=IMAGES[:40] * 3e4)

    ran = milopt("calibrate", MODEL, "--data", "@/in.npz", "-o", "@/stats.json")

    assert ran.code == DONE
    assert "warning: op 'input_21_cast_fp16' (relu) in main: " in ran.err


def test_statistics_are_merged(milopt: Command, tmp_path: Path) -> None:
    for name, part in (("a", IMAGES[:16]), ("b", IMAGES[16:40]), ("all", IMAGES[:40])):
        np.savez(tmp_path / f"{name}.npz", image=part)
        assert milopt("calibrate", MODEL, "--data", f"@/{name}.npz", "-o", f"@/{name}.json").code == DONE

    ran = milopt("calibrate", "--merge", "@/a.json", "@/b.json", "-o", "@/both.json")

    assert (ran.code, ran.err) == (DONE, "")
    assert "40 samples" in ran.out
    assert loaded(tmp_path / "both.json") == loaded(tmp_path / "all.json")


@contextmanager
def _stopping(*_: object, **__: object) -> Iterator[Callable[[int], None]]:
    """In the place of a progress bar: somebody who presses Ctrl-C behind the 20th sample."""

    def advance(done: int) -> None:
        if done == 20:
            raise KeyboardInterrupt

    yield advance


@pytest.fixture
def interrupted(milopt: Command, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A run that was interrupted; its output is `stats.json`."""
    with monkeypatch.context() as patch:
        patch.setattr(calibration_runs, "progress", _stopping)
        return milopt("calibrate", MODEL, "--data", few, "-o", tmp_path / "stats.json")


def test_an_interruption_keeps_what_was_gathered(interrupted: Any, tmp_path: Path) -> None:
    assert interrupted.code == INTERRUPTED
    assert interrupted.err.splitlines()[0] == (
        f"interrupted after 20 of 40 samples: {tmp_path / 'stats.json'} holds those of these samples; the same command "
        "with --resume goes on with sample 20"
    )
    assert loaded(tmp_path / "stats.json").functions["main"].samples == 20


@pytest.mark.usefixtures("interrupted")
def test_an_interrupted_run_goes_on(milopt: Command, few: Path, tmp_path: Path) -> None:
    assert milopt("calibrate", MODEL, "--data", few, "-o", "@/stats.json", "--resume").code == DONE
    assert milopt("calibrate", MODEL, "--data", few, "-o", "@/whole.json").code == DONE

    assert loaded(tmp_path / "stats.json") == loaded(tmp_path / "whole.json")
    assert not (tmp_path / "stats.json.checkpoint").exists()


@pytest.mark.usefixtures("interrupted")
def test_an_interrupted_run_is_not_forgotten(milopt: Command, few: Path, tmp_path: Path) -> None:
    (tmp_path / "stats.json").unlink()
    again = ("calibrate", MODEL, "--data", few, "-o", "@/stats.json")

    milopt(*again).require_mistake("an earlier run left it that did not finish (--resume goes on where that stopped")
    assert milopt(*again, "--force").code == DONE

    assert loaded(tmp_path / "stats.json").functions["main"].samples == 40
    assert not (tmp_path / "stats.json.checkpoint").exists()


@pytest.mark.usefixtures("interrupted")
def test_another_model_does_not_go_on(milopt: Command, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 1, 40), np.float16))

    ran = milopt("calibrate", "@flexible", "--data", "@/x.npz", "-o", "@/stats.json", "--resume")

    ran.require_mistake("stats.json.checkpoint: ")
    assert loaded(tmp_path / "stats.json").functions["main"].samples == 20


def test_resume_without_anything_to_resume_begins(milopt: Command, few: Path, tmp_path: Path) -> None:
    assert milopt("calibrate", MODEL, "--data", few, "-o", "@/stats.json", "--resume", *BASIC).code == DONE

    assert loaded(tmp_path / "stats.json").functions["main"].samples == 40


def test_interrupted_before_the_first_sample_writes_nothing(
    milopt: Command, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(FunctionRun, "gather", stop)
    ran = milopt("calibrate", MODEL, "--data", few, "-o", "@/stats.json")

    assert (ran.code, ran.out) == (INTERRUPTED, "")
    assert ran.err.startswith("interrupted after 0 of 40 samples: nothing was written\n")
    assert [path.name for path in tmp_path.iterdir()] == ["in.npz"]


def test_folders_of_folders_are_sequences_of_calls(milopt: Command, tmp_path: Path, shelf: Shelf) -> None:
    steps = np.random.default_rng(1).standard_normal((2, 3, 1, 40)).astype(np.float16)
    for folder in (0, 1):
        (tmp_path / "in" / str(folder)).mkdir(parents=True)
        for call in range(3):
            np.savez(tmp_path / "in" / str(folder) / f"{call}.npz", x=steps[folder, call])

    assert milopt("calibrate", "@states", "--data", "@/in", "-o", "@/stats.json").code == DONE

    found = loaded(tmp_path / "stats.json")
    assert found.functions["main"].samples == 2
    assert found == package.calibrate(shelf["states"], [[{"x": x} for x in calls] for calls in steps])


def test_images_of_a_folder_calibrate_a_classifier(milopt: Command, tmp_path: Path) -> None:
    images = pytest.importorskip("PIL.Image")
    (tmp_path / "in").mkdir()
    for index in range(3):
        images.new("RGB", (40, 30), (200, 100 + index, index)).save(tmp_path / "in" / f"{index}.png")

    ran = milopt("calibrate", "@image_classifier", "--data", "@/in", "-o", "@/stats.json", *BASIC)

    assert ran.code == DONE
    assert loaded(tmp_path / "stats.json").functions["main"].samples == 3


def test_functions_are_calibrated_one_by_one_and_merged(milopt: Command, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(1).standard_normal((4, 10, 40)).astype(np.float16))
    for name in ("short", "long"):
        ran = milopt("calibrate", "@multifunction", "--function", name, "--data", "@/x.npz", "-o", f"@/{name}.json")
        assert ran.code == DONE

    ran = milopt("calibrate", "--merge", "@/short.json", "@/long.json", "-o", "@/both.json", "--json")

    assert json.loads(ran.out)["functions"].keys() == {"short", "long"}


@pytest.mark.parametrize("observer", ["min-max", "percentile{percentile=99.9}"])
def test_merging_may_change_the_observer(milopt: Command, few: Path, tmp_path: Path, observer: str) -> None:
    assert milopt("calibrate", MODEL, "--data", few, "-o", "@/part.json").code == DONE

    ran = milopt(
        "calibrate", "--merge", "@/part.json", "@/part.json", "-o", "@/both.json", "--observer", observer, "--json"
    )

    assert (ran.code, json.loads(ran.out)["observer"]) == (DONE, observer)
    both, part = loaded(tmp_path / "both.json"), loaded(tmp_path / "part.json")
    assert both.observer == observer
    assert both.range("main", "image") == part.range("main", "image", observer)


def test_merging_can_not_ask_for_what_was_not_collected(milopt: Command, few: Path, tmp_path: Path) -> None:
    assert milopt("calibrate", MODEL, "--data", few, "-o", "@/part.json", *BASIC).code == DONE

    merging = milopt("calibrate", "--merge", "@/part.json", "@/part.json", "-o", "@/both.json", "--observer", "kl")

    merging.require_mistake("the observer 'kl' needs histograms, which were not collected")
    assert not (tmp_path / "both.json").exists()


def test_workers_give_the_same(milopt: Command, few: Path, tmp_path: Path) -> None:
    assert milopt("calibrate", MODEL, "--data", few, "-o", "@/one.json").code == DONE

    ran = milopt("calibrate", MODEL, "--data", few, "-o", "@/two.json", "--workers", 2, "--threads", 1)

    assert ran.code == DONE
    assert loaded(tmp_path / "two.json") == loaded(tmp_path / "one.json")


def test_progress_is_told_in_lines_if_asked_for(milopt: Command, few: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)

    ran = milopt("calibrate", MODEL, "--data", few, "-o", "@/stats.json", "--progress", *BASIC)

    told = [line for line in ran.err.splitlines() if line.startswith("calibrating: ")]
    assert told[0].startswith("calibrating: 1/40, ")
    assert told[0].endswith(" s left")
    assert told[-1].startswith("calibrating: 40/40, ")
    assert told[-1].endswith("/s")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give one MODEL and --data"),
        ([MODEL], "give --data: the samples to run the model on"),
        ([MODEL, MODEL, "--data", "@/in.npz"], "give one MODEL; --merge takes several statistics"),
        ([MODEL, "--data", "@/nothing.npz"], "no such file"),
        ([MODEL, "--data", "@/in.npz", "--function", "mian"], "there is no function 'mian'"),
        ([MODEL, "--data", "@/in.npz", "--observer", "mes"], "mse"),
        ([MODEL, "--data", "@/in.npz", "--batch-size", "0"], "--batch-size"),
        ([MODEL, "--data", "@/in.npz", "--workers", "0"], "--workers"),
        ([MODEL, "--data", "@/in.npz", "--resume", "--observer", "moving-average"], "moving average"),
        (["@pipeline", "--data", "@/in.npz"], "the pipeline holds 2 programs"),
        (["@flexible", "--data", "@/in.npz"], "sample 0: there is no input 'image' (the inputs are x)"),
        (["--merge", "@/in.npz"], "--merge takes two statistics or more"),
        (["--merge", "@/a.json", "@/b.json", "--data", "@/in.npz"], "--merge runs no samples: leave --data out"),
        (["--merge", "@/a.json", "@/b.json", "--workers", "2"], "--merge runs no samples: leave --workers out"),
        (["--merge", "@/a.json", "@/b.json", "--strict"], "--merge runs no samples: leave --strict out"),
        (["--merge", "@/a.json", "@/b.json"], "a.json"),
    ],
)
def test_mistakes_are_one_line(milopt: Command, few: Path, tmp_path: Path, words: list[object], message: str) -> None:
    milopt("calibrate", *words, "-o", "@/stats.json").require_mistake(message)

    assert [path.name for path in tmp_path.iterdir()] == [few.name]


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("@/stats.txt", "the output must end in .json or .safetensors"),
        ("@/stats", "the output must end in .json or .safetensors"),
        ("@/nowhere/stats.json", "does not exist"),
        ("@/there.json", "the output exists already"),
    ],
)
def test_places_that_can_not_be_written_are_told_first(
    milopt: Command, few: Path, tmp_path: Path, output: str, message: str
) -> None:
    (tmp_path / "there.json").write_text("{}")

    milopt("calibrate", MODEL, "--data", few, "-o", output).require_mistake(message)
    milopt("calibrate", "--merge", "@/a.json", "@/b.json", "-o", output).require_mistake(message)


def test_a_wrong_name_is_told_with_the_right_one(milopt: Command, tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", imge=IMAGES[:2])

    ran = milopt("calibrate", MODEL, "--data", "@/in.npz", "-o", "@/stats.json")

    ran.require_mistake("sample 0: there is no input 'imge' (did you mean 'image'?)")
