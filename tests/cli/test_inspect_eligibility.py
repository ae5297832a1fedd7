"""`milopt inspect --target`: which schemes fit, as a table and as JSON, and why others do not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import milopt as package
import pytest
from milopt.cli.entry import DONE
from milopt.passes.analysis.calibration.function_statistics import FunctionStatistics
from milopt.passes.analysis.calibration.statistics import CalibrationStatistics
from milopt.passes.analysis.calibration.tensor_statistics import TensorStatistics
from milopt.passes.analysis.eligibility.schemes import SCHEMES
from support.packages import Shelf, shared_model_params

Command = Callable[..., Any]
NAMES = [scheme.name for scheme in SCHEMES]


def cells(text: str) -> dict[str, list[str]]:
    """The rows of the first table below its titles, by the op's name."""
    lines = text.split("\n\n")[1].splitlines()
    rows = [re.split(r" {2,}", line) for line in lines[1:] if not line.startswith("and ")]
    return {name: found for name, *found in rows}


# --- in words


def test_table_tells_each_op_each_scheme(milopt: Command) -> None:
    ran = milopt("inspect", "@attention", "--target", "iOS18", "--compute-unit", "ne", "--chip", "A17Pro")
    assert (ran.code, ran.err) == (DONE, "")
    lines = ran.out.splitlines()
    assert lines[0] == "attention.mlpackage, target iOS18, compute unit ne, chip A17 Pro"
    assert lines[2].split() == ["op", "type", *NAMES]
    four = "yes: untried"
    assert cells(ran.out) == {
        "q": ["linear", "yes", four, "no: block-size", "yes", "yes"],
        "k": ["linear", "yes", four, "no: block-size", "yes", "yes"],
        "v": ["linear", "yes", four, "no: block-size", "yes", "yes"],
        "scores": ["matmul", "-", "-", "-", "yes", "yes"],
        "mixed": ["matmul", "-", "-", "-", "yes", "yes"],
        "project": ["linear", "yes", four, "unwise: kgroup", "yes", "yes"],
        "residual": ["add", "-", "-", "-", "yes: unfused", "yes: unfused"],
    }
    assert "and 2 ops that no scheme concerns" in lines


def test_summary_counts_ops_and_weights(milopt: Command) -> None:
    out = milopt("inspect", "@attention", "--target", "iOS18").out
    rows = [re.split(r" {2,}", line) for line in out.split("\n\n")[2].splitlines()]
    assert rows[0] == ["scheme", "yes", "unwise", "no", "weights", "what it means"]
    assert rows[1] == ["w-int8", "4", "0", "0", "20.00 KiB -> 10.45 KiB", SCHEMES[0].summary]
    assert rows[3][:5] == ["w-per-block", "0", "1", "3", "0 B -> 0 B"]
    assert rows[4][:4] == ["a-int8", "7", "0", "0"]


def test_legend_explains_every_code_of_the_table_with_its_source(milopt: Command) -> None:
    out = milopt("inspect", "@attention", "--target", "iOS17", "--compute-unit", "cpu").out
    used = {cell.partition(": ")[2] for row in cells(out).values() for cell in row if ": " in cell}
    legend = out.split("\n\n")[3].splitlines()[1:]
    assert {line.split(" (")[0] for line in legend[::2]} == used
    assert all(line.startswith("    source ") for line in legend[1::2])
    assert "not-the-engine (7 ops, first q): it is meant for the CPU" in out


def test_all_lists_what_no_scheme_concerns(milopt: Command) -> None:
    words = ["inspect", "@attention", "--target", "iOS18"]
    assert "softmax" not in cells(milopt(*words).out)
    out = milopt(*words, "--all").out
    assert cells(out)["softmax"] == ["softmax", *["-"] * 5]
    assert "ops that no scheme concerns" not in out


def test_place_of_nested_ops_is_told(milopt: Command) -> None:
    found = cells(milopt("inspect", "@cond", "--target", "iOS18").out)
    assert set(found) == {"choice[0]/yes", "choice[1]/no"}
    assert found["choice[1]/no"][-1] == "unwise: control-flow"


def test_functions_are_told_apart_or_alone(milopt: Command) -> None:
    words = ["inspect", "@two_functions", "--target", "iOS18"]
    assert set(cells(milopt(*words).out)) == {"encode/encode", "decode/decode"}
    assert set(cells(milopt(*words, "--function", "decode").out)) == {"decode"}


def test_stages_are_told_one_after_the_other(milopt: Command) -> None:
    words = ["inspect", "@pipeline", "--target", "iOS18"]
    assert re.findall(r"^stage (.*)$", milopt(*words).out, re.MULTILINE) == ["0", "1"]
    assert re.findall(r"^stage (.*)$", milopt(*words, "--stage", "1").out, re.MULTILINE) == ["1"]


def test_model_of_which_nothing_is_concerned_is_told_of(milopt: Command) -> None:
    ran = milopt("inspect", "@total", "--target", "iOS18")
    assert ran.code == DONE
    assert "and 1 op that no scheme concerns" in ran.out


@pytest.mark.parametrize("path", shared_model_params())
def test_real_model_is_told(path: Path, milopt: Command) -> None:
    ran = milopt("inspect", path, "--target", "iOS26", "--chip", "m1")
    assert ran.code == DONE
    assert "w-int8" in ran.out


# --- as JSON


def test_json_holds_the_verdicts(milopt: Command) -> None:
    words = ["inspect", "@lstm", "--target", "iOS17", "--compute-unit", "NE", "--json"]
    found = json.loads(milopt(*words).out)
    assert {key: found[key] for key in ("model", "target", "compute_unit", "chip")} == {
        "model": "lstm.mlpackage",
        "target": "iOS17",
        "compute_unit": "ne",
        "chip": None,
    }
    (program,) = found["programs"]
    (op,) = program["ops"]
    assert (op["op"], op["op_type"], op["function"], op["blocks"]) == ("lstm", "lstm", "main", [])
    assert op["verdicts"]["w-int4"]["code"] == "target"
    assert op["verdicts"]["w-int4"]["suggestion"] == "choose the target iOS18 or later"
    assert op["verdicts"]["w-int8"]["eligible"] is True
    assert {weight["parameter"] for weight in op["weights"]} == {"weight_ih", "weight_hh", "bias"}
    assert [each["scheme"] for each in program["schemes"]] == NAMES
    assert {each["code"] for each in program["reasons"]} == {"target", "ct2114"}


def test_json_lists_all_ops_when_asked(milopt: Command) -> None:
    words = ["inspect", "@attention", "--target", "iOS18", "--json"]
    few, all_ops = (json.loads(milopt(*words, *more).out)["programs"][0]["ops"] for more in ([], ["--all"]))
    assert (len(few), len(all_ops)) == (7, 9)


# --- statistics


def statistics_of(model: Path, names: list[str]) -> CalibrationStatistics:
    tensors = {name: TensorStatistics(name, "fp16", "10, 40", 400, 1, 0.0, 1.0) for name in names}
    functions = {"main": FunctionStatistics(1, tensors)}
    return CalibrationStatistics.of(package.load(model).program, functions, collected="ranges")


@pytest.mark.parametrize(("names", "cell"), [(["x"], "yes"), ([], "no: no-statistics")])
def test_ranges_that_are_missing_are_told(
    names: list[str], cell: str, milopt: Command, shelf: Shelf, tmp_path: Path
) -> None:
    statistics_of(shelf["linear"], names).save(tmp_path / "stats.json")
    ran = milopt("inspect", "@linear", "--target", "iOS17", "--statistics", "@/stats.json")
    assert (ran.code, cells(ran.out)["linear"][-2:]) == (DONE, [cell, cell])


def test_statistics_of_another_model_are_refused(milopt: Command, shelf: Shelf, tmp_path: Path) -> None:
    statistics_of(shelf["linear"], ["x"]).save(tmp_path / "stats.json")
    ran = milopt("inspect", "@linear_chain", "--target", "iOS17", "--statistics", "@/stats.json")
    ran.require_mistake("another model")


# --- mistakes

T = ["--target", "iOS17"]
MISTAKES: dict[str, tuple[list[str], str]] = {
    "unknown target": (["@/none.mlpackage", "--target", "iOS1"], "unknown deployment target 'iOS1'"),
    "lower target": (["@linear", "--target", "iOS16"], "linear.mlpackage: the model needs iOS17; it can"),
    "unknown chip": (["@linear", *T, "--chip", "A17 Prro"], "unknown chip 'A17 Prro' (did you mean 'A17 Pro'?)"),
    "unknown unit": (["@linear", *T, "--compute-unit", "npu"], "--compute-unit"),
    "chip alone": (["@linear", "--chip", "A17Pro"], "--chip needs --target, such as --target iOS17"),
    "unit alone": (["@linear", "--compute-unit", "all"], "--compute-unit needs --target"),
    "statistics alone": (["@linear", "--statistics", "@/s.json"], "--statistics needs --target"),
    "all alone": (["@linear", "--all"], "--all needs --target"),
    "no statistics": (["@linear", *T, "--statistics", "@/none.json"], "none.json"),
    "whose statistics": (["@pipeline", "--target", "iOS18", "--statistics", "@/s.json"], "choose it with --stage"),
    "with a drawing": (["@linear", *T, "--graph", "@/x.svg"], "--graph and --op do not go with it"),
    "with an op": (["@linear", *T, "--op", "linear"], "--graph and --op do not go with it"),
    "unknown function": (["@two_functions", "--target", "iOS18", "--function", "encod"], "no function 'encod'"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_mistake_is_told_in_one_line(case: str, milopt: Command) -> None:
    words, message = MISTAKES[case]
    milopt("inspect", *words).require_mistake(message)
