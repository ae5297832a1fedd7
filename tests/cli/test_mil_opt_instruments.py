"""What `mil-opt` tells around passes: flags with and without values, reports of runs that fail, one JSON document."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from milopt.cli.entry import BAD_INPUT, CHECK_FAILED, DONE
from milopt.cli.opt.instrument_flags import InstrumentFlags
from milopt.cli.opt.instruments import Instruments
from milopt.ir.text.reading import parse_program
from milopt.passes.instrumentation.rewrite_limit import RewriteLimit
from milopt.passes.instrumentation.verify_each import VerifyEach

Command = Callable[..., Any]
TWICE = "--pass-pipeline=program(quantize-weights{min-elements=0}, function(canonicalize))"
QUANTIZE = "--pass-pipeline=program(quantize-weights{min-elements=0})"
FAILS = "--pass-pipeline=program(quantize-weights{min-elements=0}, raise-opset{target=iOS16})"
REMARK = r"passed: op 'w' \(constexpr_affine_dequantize\) in main: .* \{quantize-weights\}"

PART = """program(1.3)
{
    func main<ios17>(tensor<fp32, [3, 10]> x) {
        tensor<fp32, [2, 10]> w = const()[val = tensor<fp32, [2, 10]>(
            [[1, 2, 3, 4, 5, 6, 7, 8, 9, 127], [1, 2, 3, 4, 5, 6, 7, 8, 9, 127]])];
        tensor<fp32, [3, 10]> u = identity(x = x);
        tensor<fp32, [3, 2]> y = linear(weight = w, x = u);
    } -> (y);
}
"""


@pytest.fixture
def part(tmp_path: Path) -> Path:
    path = tmp_path / "in.mil"
    path.write_text(PART)
    return path


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    path = tmp_path / "parts.mil"
    path.write_text(f"{PART}// -----\n{PART}")
    return path


# --- flags with and without values


@pytest.mark.parametrize("flag", ["--timing", "--statistics", "--remarks", "--print-ir-before", "--print-ir-after"])
def test_flag_without_a_value_takes_no_word_that_follows(flag: str, mil_opt: Command, part: Path) -> None:
    before, after = mil_opt(flag, part, TWICE), mil_opt(part, TWICE, flag)
    assert (before.code, before.out) == (after.code, after.out) == (DONE, after.out)
    assert before.err
    assert len(before.err.splitlines()) == len(after.err.splitlines())


def test_words_behind_two_dashes_are_no_flags(mil_opt: Command) -> None:
    ran = mil_opt("--", "--timing")
    assert ran.code == BAD_INPUT
    assert "--timing: no such file or folder" in ran.err


def test_help_shows_what_may_be_left_out(mil_opt: Command) -> None:
    text = mil_opt("--help").out
    for flag in (
        "--timing[=tree|list]",
        "--statistics[=tree|list]",
        "--remarks[=text|json|yaml]",
        "--print-ir-after[=PASS,...]",
    ):
        assert flag in text


@pytest.mark.parametrize(
    "words",
    [
        ["--print-ir-before=quantize-weights,canonicalize"],
        ["--print-ir-before=quantize_weights, canonicalize"],
        ["--print-ir-before=canonicalize", "--print-ir-before=quantize-weights"],
        ["--print-ir-before"],
        ["--print-ir-before-all"],
        ["--print-ir-before=canonicalize", "--print-ir-before"],
    ],
)
def test_passes_are_named_in_several_ways(words: list[str], mil_opt: Command, part: Path) -> None:
    found = re.findall(r"// ----- IR dump before (\S+) ", mil_opt(part, TWICE, *words).err)
    assert found == ["quantize-weights", "canonicalize"]


MISTAKES: dict[str, tuple[list[str], str]] = {
    "form of times": (["--timing=flat"], "'flat' is not one of 'tree', 'list'"),
    "format of remarks": (["--remarks=xml"], "'xml' is not one of 'text', 'json', 'yaml'"),
    "kind": (
        ["--remarks-kinds=missed,passd"],
        "there are no remarks of the kind 'passd' (did you mean",
    ),
    "expression": (["--remarks-filter=*"], "--remarks-filter: '*' is no regular expression: nothing to repeat"),
    "pass before": (
        ["--print-ir-before=canonicalise"],
        "there is no pass 'canonicalise' (did you mean",
    ),
    "pass after": (["--print-ir-after=xyz"], "there is no pass 'xyz' (mil-opt --list-passes lists them)"),
    "one of several": (["--print-ir-after=canonicalize,raise"], "--print-ir-after: there is no pass 'raise'"),
    "idle function": (["--print-ir-function=main"], "--print-ir-function: nothing is printed (say when"),
    "idle scope": (["--print-ir-program-scope"], "--print-ir-program-scope: nothing is printed"),
    "folder": (["--print-ir-tree-dir=@/in.mil"], "in.mil: programs can not be dumped there: File exists"),
    "file": (["--remarks-output=@/none/a.txt"], "a.txt: remarks can not be written there: No such file or directory"),
}


@pytest.mark.parametrize(("words", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake_is_told_before_anything_runs(
    words: list[str], message: str, mil_opt: Command, part: Path, tmp_path: Path
) -> None:
    ran = mil_opt(part, FAILS, *(word.replace("@/", f"{tmp_path}/") for word in words))
    ran.require_mistake(message)


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (["--print-ir-op=z"], "op 'z'"),
        (["--print-ir-function=other"], "function 'other'"),
        (["--print-ir-function=main", "--print-ir-op=z"], "op 'z' in a function 'main'"),
    ],
)
def test_name_that_nothing_has_is_noted(words: list[str], missing: str, mil_opt: Command, part: Path) -> None:
    ran = mil_opt(part, TWICE, "--print-ir-after-all", *words)
    assert (ran.code, ran.err) == (DONE, f"note: no program was printed: there is no {missing}\n")
    assert "note" not in mil_opt(part, TWICE, "--print-ir-after-all", "--print-ir-op=y").err
    assert mil_opt(part, "--print-ir-after-all", *words).err == ""


# --- reports


def test_reports_of_a_run_that_fails_stand_before_the_error(mil_opt: Command, part: Path) -> None:
    ran = mil_opt(part, FAILS, "--timing", "--statistics", "--remarks", "--log-rewrites", "--no-verify-each")
    assert (ran.code, ran.out) == (BAD_INPUT, "")
    lines = ran.err.splitlines()
    assert lines[0] == "rewrite 1: quantize on op 'w' (const) in main {quantize-weights}"
    assert re.fullmatch(rf".*in\.mil:4:35: {REMARK}", lines[1])
    assert lines[2:4] == ["rewrite 2: raise-opset {raise-opset}", "Statistics"]
    assert "Execution time" in lines
    assert re.search(r"%    raise-opset\{target=iOS16\}$", ran.err, re.MULTILINE)
    (total,) = (number for number, line in enumerate(lines) if line.endswith("Total"))
    (error,) = (number for number, line in enumerate(lines) if "error: pass 'raise-opset{target=iOS16}'" in line)
    assert total < error


def test_json_is_one_document_of_what_was_asked_for(mil_opt: Command, part: Path) -> None:
    words = ("--json", "--timing", "--statistics=list", "--remarks", "--log-rewrites", "--print-ir-after=canonicalize")
    ran = mil_opt(part, TWICE, *words)
    assert ran.code == DONE
    assert ran.out == mil_opt(part, TWICE).out
    found = json.loads(ran.err)
    assert list(found) == ["dumps", "remarks", "rewrites", "statistics", "timing"]
    assert [remark["op"] for remark in found["remarks"]] == ["w", "u"]
    assert [rewrite["number"] for rewrite in found["rewrites"]] == [1, 2]
    assert [each["name"] for each in found["statistics"]["passes"]] == ["quantize-weights", "canonicalize"]
    assert [each["name"] for each in found["timing"]["runs"]] == ["reading", "program", "writing"]
    (dump,) = found["dumps"]
    assert (dump["moment"], dump["path"]) == ("after", "program/function(main)/canonicalize")
    assert parse_program(dump["text"], missing_weights="zeros").functions.keys() == {"main"}
    assert json.loads(mil_opt(part, TWICE, "--json").err) == {}


def test_json_holds_the_diagnostics_that_are_not_as_expected(mil_opt: Command, part: Path) -> None:
    part.write_text(f"// expected-error@+1 {{{{nothing of the kind}}}}\n{PART}")
    ran = mil_opt(part, "--verify-diagnostics", "--json")
    (error,) = json.loads(ran.err)["errors"]
    assert (ran.code, error["line"]) == (CHECK_FAILED, 1)
    assert error["message"] == "the expected error 'nothing of the kind' in line 2 was not given"


def test_json_of_a_run_that_fails_holds_the_errors(mil_opt: Command, part: Path) -> None:
    ran = mil_opt(part, FAILS, "--json", "--log-rewrites")
    document = json.loads(ran.err)
    assert [each["name"] for each in document["rewrites"]] == ["quantize", "raise-opset"]
    assert [each["severity"] for each in document["errors"]] == ["error"]
    assert "raise-opset" in document["errors"][0]["where"]
    assert ran.code == BAD_INPUT


def test_numbers_go_on_over_all_programs(mil_opt: Command, parts: Path) -> None:
    ran = mil_opt(parts, TWICE, "--split-input-file", "--log-rewrites", "--remarks")
    assert re.findall(r"^rewrite (\d+)", ran.err, re.MULTILINE) == ["1", "2", "3", "4"]
    assert re.findall(r"parts\.mil:(\d+):35: passed", ran.err) == ["4", "6", "14", "16"]


def test_logged_number_is_the_limit_that_ends_a_run_there(mil_opt: Command, part: Path) -> None:
    assert "u = identity" not in mil_opt(part, TWICE, "--rewrite-limit=2").out
    ran = mil_opt(part, TWICE, "--rewrite-limit=1", "--log-rewrites")
    assert ran.err.splitlines() == ["rewrite 1: quantize on op 'w' (const) in main {quantize-weights}"]
    assert "u = identity" in ran.out
    assert "constexpr_affine_dequantize" in ran.out


# --- remarks


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ([], "said.json"),
        ([], "said.yaml"),
        ([], "said.txt"),
        (["--remarks=yaml"], "said.json"),
        (["--remarks"], "said.yml"),
    ],
)
def test_remarks_go_to_a_file(words: list[str], name: str, mil_opt: Command, part: Path, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text("old")
    ran = mil_opt(part, QUANTIZE, f"--remarks-output={file}", *words)
    assert (ran.code, ran.err) == (DONE, "")
    text = file.read_text()
    if words == ["--remarks=yaml"] or (not words and name == "said.yaml"):
        assert yaml.safe_load(text.replace("--- !Passed", "---"))["DebugLoc"]["Line"] == 4
    elif name == "said.json":
        assert json.loads(text)[0]["location"] == {"file": str(part), "line": 4, "column": 35}
    else:
        assert re.fullmatch(rf".*in\.mil:4:35: {REMARK}\n", text)


def test_remarks_in_a_file_are_not_in_the_document(mil_opt: Command, part: Path, tmp_path: Path) -> None:
    ran = mil_opt(part, TWICE, f"--remarks-output={tmp_path / 'said.json'}", "--json", "--print-ir-tree-dir", tmp_path)
    assert json.loads(ran.err) == {}
    assert (tmp_path / "program" / "function_main" / "1_canonicalize.mil").exists()


def test_file_is_as_it_was_when_the_pipeline_is_wrong(mil_opt: Command, part: Path, tmp_path: Path) -> None:
    file = tmp_path / "said.txt"
    file.write_text("old")
    assert mil_opt(part, "--pass-pipeline=program(none)", f"--remarks-output={file}").code == BAD_INPUT
    assert file.read_text() == "old"


def test_remarks_of_a_package_have_no_place(mil_opt: Command) -> None:
    ran = mil_opt("@linear", TWICE, "--remarks=json")
    assert {remark["location"] for remark in json.loads(ran.err)} == {None}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--remarks"], CHECK_FAILED),
        (["--remarks-kinds=passed"], CHECK_FAILED),
        (["--remarks-kinds=missed"], DONE),
        (["--remarks-filter=nobody"], DONE),
        ([], DONE),
    ],
)
def test_filters_hold_for_expected_remarks_too(words: list[str], code: int, mil_opt: Command, part: Path) -> None:
    ran = mil_opt(part, TWICE, "--verify-diagnostics", *words)
    assert ran.code == code
    assert ("unexpected remark" in ran.err) == (code == CHECK_FAILED)


def test_expected_remarks_go_to_a_file_still(mil_opt: Command, part: Path, tmp_path: Path) -> None:
    ran = mil_opt(part, QUANTIZE, "--verify-diagnostics", f"--remarks-output={tmp_path / 'said.txt'}")
    assert ran.code == CHECK_FAILED
    assert re.fullmatch(rf".*in\.mil:4:35: {REMARK}\n", (tmp_path / "said.txt").read_text())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
@pytest.mark.parametrize("form", ["text", "json", "yaml"])
def test_file_that_can_not_be_written_is_named_before_anything_is_printed(
    form: str, mil_opt: Command, part: Path
) -> None:
    ran = mil_opt(part, QUANTIZE, f"--remarks={form}", "--remarks-output=/dev/full")
    assert (ran.code, ran.out) == (BAD_INPUT, "")
    assert ran.err == "error: /dev/full: remarks can not be written there: No space left on device\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
def test_failure_of_a_pass_is_not_hidden_by_that_of_a_file(mil_opt: Command, part: Path) -> None:
    ran = mil_opt(part, FAILS, "--remarks-output=/dev/full")
    warning, *_ = ran.err.splitlines()
    assert (ran.code, warning) == (
        BAD_INPUT, "warning: /dev/full: remarks can not be written there: No space left on device"
    )  # fmt: skip
    assert "error: pass 'raise-opset{target=iOS16}'" in ran.err


# --- filters that nothing meets


IDLE = ("--print-ir-after=quantize-weights", "--print-ir-before=common::noop_elimination", "--remarks-filter=nobody")


def test_filters_that_no_pass_meets_are_told(mil_opt: Command, part: Path) -> None:
    ran = mil_opt(part, "--pass-pipeline=program(function(canonicalize))", *IDLE)
    assert ran.code == DONE
    assert sorted(ran.err.splitlines()) == sorted(f"note: {flag}: no such pass ran" for flag in IDLE)


def test_filters_that_no_pass_meets_are_in_the_document(mil_opt: Command, part: Path) -> None:
    ran = mil_opt(part, "--pass-pipeline=program(function(canonicalize))", IDLE[0], "--json")
    assert json.loads(ran.err)["notes"] == [f"{IDLE[0]}: no such pass ran"]


def test_nothing_is_told_of_filters_that_a_pass_meets(mil_opt: Command, part: Path) -> None:
    ran = mil_opt(part, TWICE, "--print-ir-after=canonicalize", "--remarks-filter=quant")
    assert "note: " not in ran.err
    assert re.search(REMARK, ran.err)


def test_nothing_is_told_of_filters_where_nothing_ran_to_its_end(mil_opt: Command, part: Path) -> None:
    ran = mil_opt(part, FAILS, "--print-ir-after=canonicalize")
    assert (ran.code, "note: " in ran.err) == (BAD_INPUT, False)


# --- several programs


def test_reports_say_which_of_several_programs(mil_opt: Command, parts: Path, part: Path) -> None:
    ran = mil_opt(parts, QUANTIZE, "--split-input-file", "--statistics", "--timing")
    assert re.findall(r"^program \d$", ran.err, re.MULTILINE) == ["program 0", "program 1"]
    assert re.findall(r"%  (program.*)$", ran.err, re.MULTILINE) == ["program 0", "program 1"]
    ran = mil_opt(part, QUANTIZE, "--statistics", "--timing")
    assert re.findall(r"program.*$", ran.err, re.MULTILINE) == ["program", "program"]


def test_json_says_which_of_several_programs(mil_opt: Command, parts: Path) -> None:
    ran = mil_opt(parts, QUANTIZE, "--split-input-file", "--statistics", "--print-ir-after-all", "--json")
    found = json.loads(ran.err)
    assert [each["program"] for each in found["statistics"]["passes"]] == [0, 1]
    assert [each["program"] for each in found["dumps"]] == [0, 1]


def test_each_of_several_programs_has_a_tree(mil_opt: Command, parts: Path, tmp_path: Path) -> None:
    mil_opt(parts, QUANTIZE, "--split-input-file", f"--print-ir-tree-dir={tmp_path / 'tree'}")
    files = sorted(str(file.relative_to(tmp_path / "tree")) for file in (tmp_path / "tree").rglob("*.mil"))
    assert files == ["program/0_quantize-weights.mil", "program_1/1_quantize-weights.mil"]


# --- the record


def test_reports_stand_outside_of_checks_and_counts_inside() -> None:
    flags = InstrumentFlags(
        timing="tree", statistics="tree", remarks="text", log_rewrites=True, print_ir_after_all=True, json=True
    )
    checks = (RewriteLimit(1), VerifyEach())
    names = [type(each).__name__ for each in Instruments(flags).instrumentations(*checks)]
    assert names == ["IRPrinting", "RemarkStream", "RewriteLimit", "VerifyEach", "Statistics", "RewriteLog", "Timing"]
    assert Instruments(InstrumentFlags()).instrumentations(*checks) == checks
    assert Instruments(InstrumentFlags(remarks="text")).instrumentations(with_remarks=False) == ()


def test_nothing_is_accepted_where_no_remarks_are_wanted() -> None:
    from milopt.passes.remarks import Remark

    words = ("pass_name", "function", "op", "op_type", "code", "message")
    said = Remark(kind="passed", **dict.fromkeys(words, "x"))
    assert Instruments(InstrumentFlags(remarks="text")).accepts(said)
    assert not Instruments(InstrumentFlags()).accepts(said)
    assert not Instruments(InstrumentFlags(remarks_kinds="missed")).accepts(said)
