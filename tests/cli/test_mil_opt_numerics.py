"""`mil-opt --check-numerics`, `--min-sqnr` and `--bisect`: exit codes, samples from files, reports."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import milopt as package
import numpy as np
import pytest
from milopt.cli.entry import CHECK_FAILED, DONE
from milopt.ir.text.printer import print_program
from support.packages import Shelf, contents
from support.programs import PROGRAMS

Command = Callable[..., Any]
QUANTIZE = "--pass-pipeline=program(common::dead_code_elimination, quantize-weights{min-elements=0})"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """Two linear layers as text."""
    path = tmp_path / "chain.mil"
    path.write_text(print_program(PROGRAMS["linear_chain"](), weights="inline"))
    return path


# --- checks


def test_outputs_are_told_and_the_program_is_printed(mil_opt: Command, shelf: Shelf) -> None:
    ran = mil_opt("@linear_chain", QUANTIZE, "--check-numerics=random")
    assert ran.code == DONE
    assert ran.out == mil_opt(shelf["linear_chain"], QUANTIZE).out
    (row,) = [line for line in ran.err.splitlines() if "quantize-weights" in line]
    assert re.search(r" main +│ second +│ 4\d\.\d dB │ +0\.\d+ │ ", row)


@pytest.mark.parametrize("as_text", [False, True], ids=["package", "text"])
def test_output_that_is_too_far_off_fails(*, as_text: bool, text: Path, tmp_path: Path, mil_opt: Command) -> None:
    source = text if as_text else "@linear_chain"
    ran = mil_opt(source, QUANTIZE, "--min-sqnr=80", "-o", tmp_path / "out.mlpackage")
    assert (ran.code, ran.out) == (CHECK_FAILED, "")
    *_, last = ran.err.splitlines()
    assert last.startswith("error: pass 'quantize-weights{min-elements=0}', function 'main': output 'second' is at 4")
    assert last.endswith("(at least 80.0 dB are asked for)")
    assert "reproduce" not in ran.err
    assert not (tmp_path / "out.mlpackage").exists()


def test_output_that_is_near_enough_is_written(mil_opt: Command, tmp_path: Path) -> None:
    ran = mil_opt("@linear_chain", QUANTIZE, "--min-sqnr=30", "-o", tmp_path / "out.mlpackage")
    assert (ran.code, ran.out) == (DONE, "")
    assert package.load(tmp_path / "out.mlpackage").program


@pytest.mark.parametrize("as_folder", [False, True], ids=["npz", "folder"])
def test_samples_come_from_files(*, as_folder: bool, mil_opt: Command, tmp_path: Path) -> None:
    inputs = np.random.default_rng(3).standard_normal((2, 10, 40)).astype(np.float32)
    samples = tmp_path / ("samples" if as_folder else "samples.npz")
    if as_folder:
        samples.mkdir()
        for index, each in enumerate(inputs):
            np.savez(samples / f"{index}.npz", x=each)
    else:
        np.savez(samples, x=inputs)
    found = numerics(mil_opt("@linear", QUANTIZE, f"--check-numerics={samples}", "--json"))
    session = package.Session(PROGRAMS["linear"]())
    greatest = max(float(np.abs(session.run({"x": each})["linear"]).max()) for each in inputs)
    (output,) = found[0]["outputs"]
    assert 0 < output["max_abs"] < greatest / 50


def numerics(ran: Any) -> Any:
    assert ran.code == DONE
    return json.loads(ran.err)["numerics"]


def test_json_has_all_outputs_of_all_programs(mil_opt: Command) -> None:
    found = numerics(mil_opt("@pipeline", QUANTIZE, "--check-numerics=random=2", "--json"))
    assert [each["program"] for each in found] == [0, 1]
    assert all(40 < output["sqnr_db"] < 60 for each in found for output in each["outputs"])


def test_seed_and_count_are_taken(mil_opt: Command) -> None:
    first, again, seed, count = (
        numerics(mil_opt("@linear", QUANTIZE, "--json", *options))[0]["outputs"][0]["sqnr_db"]
        for options in (
            ("--check-numerics=random",),
            ("--check-numerics=random=4", "--check-seed=0"),
            ("--check-numerics=random", "--check-seed=1"),
            ("--check-numerics=random=5",),
        )
    )
    assert first == again
    assert len({first, seed, count}) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--check-numerics=@/missing.npz",), "missing.npz: no such file"),
        (("--check-numerics=@/empty",), "empty: the folder has no .npz files (programs take arrays, and no images)"),
        (("--check-numerics=@/other.npz",), "function 'main', sample 0, input 'x': it is missing"),
        (("--check-numerics=random=x",), "random=x is no number of samples"),
        (("--check-numerics=random", "--check-function=other"), "there is no function 'other'"),
        (("--check-numerics=",), "it names no samples"),
        (("--check-numerics=random", "--check-seed=-1"), "-1 is not in the range"),
        (("--check-function=main",), "--check-function, --check-precision and --check-seed need --check-numerics or"),
        (("--check-precision=float16",), "--check-function, --check-precision and --check-seed need --check-numerics"),
        (("--check-seed=1",), "--check-function, --check-precision and --check-seed need --check-numerics or"),
        (("--bisect", "--check-numerics=random"), "--bisect with --check-numerics needs --min-sqnr"),
    ],
)
def test_mistakes_are_one_line(options: tuple[str, ...], message: str, mil_opt: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    np.savez(tmp_path / "other.npz", y=np.zeros((2, 10, 40)))
    words = [word.replace("@/", f"{tmp_path}/") for word in options]
    mil_opt("@linear", QUANTIZE, *words).require_mistake(message)


ROOT = """program(1.3)
{
    func main<ios17>(tensor<fp32, [3, 10]> x) {
        tensor<fp32, [3, 10]> u = identity(x = x);
        tensor<fp32, [3, 10]> y = sqrt(x = u);
    } -> (y);
}
"""


@pytest.fixture
def nowhere(tmp_path: Path) -> list[str]:
    """A program and samples on which it gives no finite number, and a pipeline."""
    (tmp_path / "root.mil").write_text(ROOT)
    np.savez(tmp_path / "negative.npz", x=-np.ones((2, 3, 10), np.float32))
    pipeline = "--pass-pipeline=program(function(canonicalize))"
    return [str(tmp_path / "root.mil"), pipeline, f"--check-numerics={tmp_path / 'negative.npz'}"]


def test_output_of_which_nothing_can_be_compared_is_not_near_enough(mil_opt: Command, nowhere: list[str]) -> None:
    ran = mil_opt(*nowhere, "--min-sqnr=40")
    assert (ran.code, ran.out) == (CHECK_FAILED, "")
    *_, last = ran.err.splitlines()
    assert "output 'y' is nowhere finite on these samples, before and after: nothing was compared" in last
    assert mil_opt(*nowhere).code == DONE


def test_no_pass_is_to_blame_for_an_output_of_which_nothing_can_be_compared(
    mil_opt: Command, nowhere: list[str]
) -> None:
    ran = mil_opt(*nowhere, "--min-sqnr=40", "--bisect")
    ran.require_mistake(
        "function 'main': output 'y' is nowhere finite on these samples, before any pass: nothing can be compared"
    )


# --- bisection


def test_culprit_is_told_with_commands_that_show_it(text: Path, mil_opt: Command) -> None:
    before = contents(text.parent)
    ran = mil_opt(text, QUANTIZE, "--bisect", "--min-sqnr=80")
    assert ran.code == CHECK_FAILED
    lines = ran.out.splitlines()
    assert lines[:4] == [
        "first pass:    quantize-weights{min-elements=0}",
        "first rewrite: quantize on op 'first_weight_0' (const) in main {quantize-weights}",
        f"               number {number_of(ran.out)}, 1 of 2 of the pass",
        "before it:     inf dB",
    ]
    assert re.fullmatch(r"after it:      in function 'main', output 'second' is at 4\d\.\d dB, .*", lines[4])
    assert ran.err == (
        f"error: rewrite {number_of(ran.out)}, quantize on op 'first_weight_0' (const) in main {{quantize-weights}}: "
        f"moves an output below 80 dB: {lines[4].removeprefix('after it:      ')}\n"
    )
    assert lines[5] == "to see it:"
    fine, wrong = (shlex.split(line) for line in lines[6:])
    number = int(number_of(ran.out))
    for words, limit in ((fine, number - 1), (wrong, number)):
        assert words == ["mil-opt", str(text), QUANTIZE, "--min-sqnr=80", f"--rewrite-limit={limit}"]
    assert mil_opt(*fine[1:]).code == DONE
    shown = mil_opt(*wrong[1:])
    assert (shown.code, "at least 80.0 dB are asked for" in shown.err) == (CHECK_FAILED, True)
    assert re.search(r"quantize-weights.* 4\d\.\d dB", shown.err)
    assert contents(text.parent) == before


def test_commands_have_the_pipeline_and_the_flags_as_they_were_given(text: Path, mil_opt: Command) -> None:
    pipeline = "program(w8{target=iOS17})"
    options = ("--check-numerics=random=2", "--min-sqnr=1e9", "--check-precision=float16", "--check-seed=3")
    ran = mil_opt(text, f"--pass-pipeline={pipeline}", "--bisect", *options, "--missing-weights=zeros")
    *_, command = ran.out.splitlines()
    _, path, shown, *flags = shlex.split(command)
    assert (path, shown) == (str(text), f"--pass-pipeline={pipeline}")
    assert flags[0] == "--missing-weights=zeros"
    assert flags[1:5] == ["--check-numerics=random=2", "--min-sqnr=1000000000", *options[2:]]


def number_of(report: str) -> int:
    found = re.search(r"number (\d+),", report)
    assert found is not None
    return int(found.group(1))


def test_culprit_as_json(text: Path, mil_opt: Command) -> None:
    ran = mil_opt(text, QUANTIZE, "--bisect", "--min-sqnr=80", "--json")
    assert ran.code == CHECK_FAILED
    found = json.loads(ran.out)["culprit"]
    assert (found["pass"], found["rewrite"]["op"]) == ("program/quantize-weights{min-elements=0}", "first_weight_0")
    nothing = mil_opt(text, QUANTIZE, "--bisect", "--min-sqnr=20", "--json")
    assert (nothing.code, json.loads(nothing.out)) == (DONE, {"culprit": None})


def test_culprit_of_several_programs_says_which(mil_opt: Command, shelf: Shelf) -> None:
    ran = mil_opt("@pipeline", QUANTIZE, "--bisect", "--min-sqnr=80")
    assert ran.code == CHECK_FAILED
    assert ran.out.splitlines()[0] == f"program:       0 of {shelf['pipeline']}"
    assert "to see it" not in ran.out


def test_failing_pass_is_found_without_numbers(mil_opt: Command) -> None:
    ran = mil_opt("@linear_fp32", QUANTIZE, "--bisect")
    assert ran.code == CHECK_FAILED
    assert "first pass:    quantize-weights{min-elements=0}" in ran.out
    assert "after it:      it fails: iOS15 has no op for compressed weights" in ran.out
    assert ran.err.startswith("error: pass 'quantize-weights{min-elements=0}': it fails: ")


def test_pass_that_fails_is_an_error_of_its_own_when_numbers_are_asked_for(mil_opt: Command) -> None:
    mil_opt("@linear_fp32", QUANTIZE, "--bisect", "--min-sqnr=40").require_mistake("iOS15 has no op")
