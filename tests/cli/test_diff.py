"""`milopt diff`: text and JSON on stdout, and an exit code that a script can use."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import milopt as package
import numpy as np
import pytest
from milopt.cli.entry import BAD_INPUT, CHECK_FAILED, DONE, run
from milopt.cli.main import milopt as milopt_command
from milopt.ir.diffing.comparing import diff_models
from milopt.ir.diffing.options import DiffOptions
from milopt.ir.diffing.records import COUNTED
from milopt.ir.walking import walk
from milopt.runtime.decoding import constant_of
from support.editing import find_op, replace_constant
from support.packages import Shelf

Command = Callable[..., Any]


@pytest.fixture
def changed(shelf: Shelf, tmp_path: Path) -> Callable[..., Path]:
    """Saves a package of the shelf after an edit, beside what else the test writes."""

    def change(name: str, edit: Callable[[Any], object]) -> Path:
        model = package.load(shelf[name])
        edit(model)
        model.save(tmp_path / f"{name}-changed.mlpackage")
        return tmp_path / f"{name}-changed.mlpackage"

    return change


def rename(model: Any) -> None:
    relu = find_op(model.program, "relu")
    relu.name = relu.outputs[0].name = "other"


def disturb(model: Any) -> None:
    program = model.program
    weight = find_op(program, "first").weight
    value = weight.val.copy()
    value[3, 4] += np.float16(0.5)
    replace_constant(weight.op, value)


@pytest.mark.parametrize("name", ["linear", "two_functions", "pipeline", "nested_pipeline", "cond_in_loop", "detector"])
@pytest.mark.parametrize("words", [[], ["--ignore-names"], ["--ignore-weights"]])
def test_model_does_not_differ_from_itself(name: str, words: list[str], milopt: Command) -> None:
    ran = milopt("diff", f"@{name}", f"@{name}", *words)
    assert (ran.code, ran.out, ran.err) == (DONE, "no differences\n", "")


def test_facts_are_told_by_function_with_a_summary(milopt: Command) -> None:
    ran = milopt("diff", "@linear", "@linear_chain")
    assert (ran.code, ran.err) == (CHECK_FAILED, "")
    lines = ran.out.splitlines()
    assert lines[0] == "function 'main'"
    assert {line[:4] for line in lines[1:-1]} <= {"  + ", "  - ", "  ~ "}
    assert "  + relu 'relu': tensor<fp16, [10, 64]>" in lines
    assert lines[-1].split(", ")[:3] == ["3 changes of a function", "2 ops added", "1 op renamed"]


def test_names_are_ignored_when_that_is_asked_for(milopt: Command, changed: Callable[..., Path]) -> None:
    other = changed("linear_chain", rename)
    ran = milopt("diff", "@linear_chain", other)
    assert (ran.code, ran.out) == (
        CHECK_FAILED,
        "function 'main'\n  ~ relu 'relu': renamed to 'other'\n1 op renamed\n",
    )
    assert milopt("diff", "@linear_chain", other, "--ignore-names").code == DONE


def test_weights_are_ignored_when_that_is_asked_for(milopt: Command, changed: Callable[..., Path]) -> None:
    other = changed("linear_chain", disturb)
    ran = milopt("diff", "@linear_chain", other)
    assert ran.code == CHECK_FAILED
    assert (
        "  ~ weight 'first_weight_0' of first.weight: tensor<fp16, [64, 40]>; 1 of 2560 elements differ, by at "
        in ran.out
    )
    assert ran.out.endswith("\n1 weight changed\n")
    assert milopt("diff", "@linear_chain", other, "--ignore-weights").code == DONE


def test_optimized_model_has_the_same_weights_in_another_encoding(milopt: Command) -> None:
    milopt("optimize", "@linear_chain", "-o", "@/small.mlpackage", "--target", "iOS18")
    ran = milopt("diff", "@linear_chain", "@/small.mlpackage", "--json")
    assert ran.code == CHECK_FAILED
    (function,) = json.loads(ran.out)["stages"][0]["functions"]
    assert [weight["kind"] for weight in function["weights"]] == ["encoding", "encoding"]
    assert all(weight["distance"]["snr_db"] > 35 for weight in function["weights"])
    assert (function["added"], function["removed"], function["changed"]) == ([], [], [])
    ignoring = milopt("diff", "@linear_chain", "@/small.mlpackage", "--ignore-weights")
    assert ignoring.out.splitlines()[1:] == ["  ~ opset: iOS17 -> iOS18", "1 change of a function"]


@pytest.mark.parametrize(("one", "other"), [("linear", "linear_chain"), ("conv", "lstm"), ("pipeline", "linear")])
def test_json_is_the_difference_and_nothing_else(one: str, other: str, milopt: Command, shelf: Shelf) -> None:
    ran = milopt("diff", f"@{one}", f"@{other}", "--json")
    assert (ran.code, ran.err) == (CHECK_FAILED, "")
    found = diff_models(package.load(shelf[one]), package.load(shelf[other]), DiffOptions(decode=constant_of))
    assert json.loads(ran.out) == json.loads(json.dumps(found.as_json()))
    keys = ["equal", "changes", "stages_added", "stages_removed", "stages", "summary", "notes"]
    assert list(json.loads(ran.out)) == keys
    assert list(json.loads(ran.out)["summary"]) == list(COUNTED)


def test_json_of_equal_models_says_so(milopt: Command) -> None:
    ran = milopt("diff", "@linear", "@linear", "--json")
    assert (ran.code, json.loads(ran.out)["equal"], json.loads(ran.out)["stages"]) == (DONE, True, [])


def test_same_models_give_the_same_text(milopt: Command) -> None:
    assert milopt("diff", "@conv", "@lstm").out == milopt("diff", "@conv", "@lstm").out


# --- descriptions and missing weights


def test_image_is_no_array(milopt: Command) -> None:
    ran = milopt("diff", "@image_to_image", "@image_output")
    assert (ran.code, ran.err) == (CHECK_FAILED, "")
    assert ran.out.splitlines() == [
        "function 'main'",
        "  ~ description of input 'image': float32 [1, 3, 20, 30] -> RGB image 30 x 20",
        "  ~ description of output 'brighter': float32 [1, 3, 20, 30] -> RGB image 30 x 20",
        "2 changes of a function",
    ]


def test_change_of_a_model_stands_before_its_functions(milopt: Command, changed: Callable[..., Path]) -> None:
    def edit(model: Any) -> None:
        model.specification.description.defaultFunctionName = "decode"

    ran = milopt("diff", "@two_functions", changed("two_functions", edit))
    assert (ran.code, ran.out) == (CHECK_FAILED, "  ~ default function: encode -> decode\n1 change of the model\n")


@pytest.fixture
def elided(milopt: Command, tmp_path: Path) -> Path:
    """A package as text with digests in the place of weights."""
    path = tmp_path / "elided.mil"
    path.write_text(milopt("print", "@linear_chain", "--elide").out, "utf-8")
    return path


NO_DESCRIPTION = "note: elided.mil has no description of its own; descriptions were not compared"


def test_digests_are_compared_and_not_zeros(milopt: Command, elided: Path, changed: Callable[..., Path]) -> None:
    words = ["--missing-weights", "zeros"]
    ran = milopt("diff", elided, "@linear_chain", *words)
    assert (ran.code, ran.out) == (DONE, "no differences\n")
    assert [line for line in ran.err.splitlines() if line.startswith("note")] == [NO_DESCRIPTION]
    ran = milopt("diff", elided, changed("linear_chain", disturb), *words)
    weight = "weight 'first_weight_0' of first.weight: tensor<fp16, [64, 40]>"
    assert ran.code == CHECK_FAILED
    assert ran.out.splitlines()[1:] == [f"  ~ {weight}; differs (one side has only its digest)", "1 weight changed"]


def test_missing_file_is_told_in_one_line(milopt: Command, tmp_path: Path) -> None:
    (tmp_path / "alone.mil").write_text(milopt("print", "@linear_chain").out, "utf-8")
    ran = milopt("diff", "@/alone.mil", "@linear_chain", "--missing-weights", "zeros")
    assert (ran.code, ran.out) == (DONE, "no differences\n")
    assert ran.err.splitlines()[-1] == "note: 4 weights are missing and were not compared"
    found = json.loads(milopt("diff", "@/alone.mil", "@linear_chain", "--missing-weights", "zeros", "--json").out)
    assert found["notes"][-1] == "4 weights are missing and were not compared"


# --- functions and stages


def test_functions_that_come_and_go_are_told(milopt: Command) -> None:
    ran = milopt("diff", "@two_functions", "@linear")
    assert ran.code == CHECK_FAILED
    assert ran.out.splitlines() == [
        "  + function 'main'",
        "  - function 'encode'",
        "  - function 'decode'",
        "1 function added, 2 functions removed",
    ]


def test_one_function_is_compared_when_that_is_asked_for(milopt: Command, changed: Callable[..., Path]) -> None:
    def edit(model: Any) -> None:
        find_op(model.program, "decode").name = "other"

    other = changed("two_functions", edit)
    assert milopt("diff", "@two_functions", other).code == CHECK_FAILED
    assert milopt("diff", "@two_functions", other, "--function", "decode").code == CHECK_FAILED
    assert milopt("diff", "@two_functions", other, "--function", "encode").out == "no differences\n"


def test_stages_are_told_apart(milopt: Command, changed: Callable[..., Path]) -> None:
    def edit(model: Any) -> None:
        next(each for each in walk(model.programs["1"]) if each.op_type == "linear").name = "other"

    other = changed("pipeline", edit)
    ran = milopt("diff", "@pipeline", other)
    assert (ran.code, ran.out.splitlines()[0]) == (CHECK_FAILED, "stage 1: function 'main'")
    assert milopt("diff", "@pipeline", "@linear").out.splitlines() == [
        "  + the only program",
        "  - stage 0",
        "  - stage 1",
        "1 stage added, 2 stages removed",
    ]


def test_program_of_a_detector_is_compared_with_one_that_is_no_pipeline(milopt: Command) -> None:
    assert milopt("diff", "@detector", "@two_heads").out == "no differences\n"


# --- colours, names, mistakes


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("variable", "coloured"), [("TERM", True), ("NO_COLOR", False)])
def test_colours_are_for_terminals(
    variable: str, milopt: Command, shelf: Shelf, monkeypatch: pytest.MonkeyPatch, *, coloured: bool
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b" not in milopt("diff", "@linear", "@linear_chain").out
    monkeypatch.setenv(variable, "xterm-256color")
    out = Terminal()
    words = ["diff", str(shelf["linear"]), str(shelf["linear_chain"])]
    assert run(milopt_command, words, io.StringIO(), out, io.StringIO()) == CHECK_FAILED
    assert ("\x1b[32m" in out.getvalue()) == coloured


@pytest.mark.parametrize("name", ["[red]w[/red]", ":smile:", "a" * 300])
def test_name_is_printed_as_it_is(name: str, milopt: Command, changed: Callable[..., Path]) -> None:
    def edit(model: Any) -> None:
        find_op(model.program, "relu").name = name

    assert milopt("diff", "@linear_chain", changed("linear_chain", edit)).out.splitlines()[1] == (
        f"  ~ relu 'relu': renamed to {name!r}"
    )


MISTAKES = {
    "no model": (["diff"], "A"),
    "one model": (["diff", "@linear"], "'B'"),
    "missing model": (["diff", "@linear", "@/none.mlpackage"], "none.mlpackage: no such file or folder"),
    "stdin twice": (["diff", "-", "-"], "stdin can be only one of the two"),
    "unknown function": (["diff", "@linear", "@linear", "--function", "mian"], "neither model has a function 'mian'"),
    "unknown option": (["diff", "@linear", "@linear", "--ignore-name"], "--ignore-names"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistake_is_told_in_one_line(case: str, milopt: Command) -> None:
    words, message = MISTAKES[case]
    ran = milopt(*words)
    assert ran.code == BAD_INPUT
    ran.require_mistake(message)
