"""The command `mil-opt`: every flag, on one program and on several, and one line for every mistake."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import attrs
import coremltools as ct
import milopt as package
import pytest
from milopt.cli.entry import BAD_INPUT, DONE, INTERRUPTED
from milopt.ir.text.printer import print_program
from milopt.ir.walking import walk
from milopt.passes.base import Outcome, Pass
from milopt.passes.context import PassContext
from milopt.passes.foreign.passes import coremltools_pass_ids
from milopt.passes.manager import PassManager
from milopt.passes.options import option
from milopt.passes.pipeline_text import parse_pipeline
from milopt.passes.registry import pass_class, pass_names, pipeline_names
from support.canonical import canonical
from support.editing import find_op
from support.packages import Shelf, contents, copy_package, edit_specification, neural_network

Command = Callable[..., Any]
Registered = Callable[[type[Pass]], type[Pass]]
QUANTIZE = "--pass-pipeline=program(quantize-weights)"


def after(path: Path, pipeline: str) -> list[Any]:
    """What each program of a package is after a pipeline, and what was said."""
    parsed = parse_pipeline(pipeline)
    return [PassManager(parsed).run(stage.program) for stage in package.load(path).stages]


# --- text out


@pytest.mark.parametrize("name", ["linear", "cond", "two_functions"])
def test_program_is_printed_as_it_is_without_a_pipeline(name: str, mil_opt: Command, shelf: Shelf) -> None:
    ran = mil_opt(f"@{name}")
    assert (ran.code, ran.err) == (DONE, "")
    assert ran.out == print_program(package.load(shelf[name]).program, weights="elided")


@pytest.mark.parametrize(
    "pipeline",
    [
        "program(quantize-weights)",
        "program(raise-opset{target=iOS18}, quantize-weights{min-elements=0 dtype=uint8})",
        "program(common::fuse_conv_batchnorm, common::dead_code_elimination)",
        "program(common::add_fp16_cast{skip_ops_by_type=conv}, function(), quantize_weights)",
    ],
)
@pytest.mark.parametrize("weights", ["elided", "inline"])
def test_program_is_printed_after_the_pipeline(pipeline: str, weights: Any, mil_opt: Command, shelf: Shelf) -> None:
    ran = mil_opt("@conv_batch_norm", "--pass-pipeline", pipeline, "--weights", weights)
    assert (ran.code, ran.err) == (DONE, "")
    (result,) = after(shelf["conv_batch_norm"], pipeline)
    assert ran.out == print_program(result.program, weights=weights)


def test_weights_are_elided_by_default(mil_opt: Command) -> None:
    assert mil_opt("@linear").out == mil_opt("@linear", "--weights", "elided").out
    assert "ELIDED(" in mil_opt("@linear").out
    assert "ELIDED(" not in mil_opt("@linear", "--weights=inline").out


@pytest.mark.parametrize("name", ["pipeline", "nested_pipeline"])
def test_programs_of_a_pipeline_are_parted_by_a_line(name: str, mil_opt: Command, shelf: Shelf) -> None:
    ran = mil_opt(f"@{name}", QUANTIZE)
    texts = [print_program(each.program, weights="elided") for each in after(shelf[name], "program(quantize-weights)")]
    assert len(texts) == 2
    assert ran.out == "// -----\n".join(texts)


def test_dash_is_stdout(mil_opt: Command) -> None:
    assert mil_opt("@linear", "-o", "-") == mil_opt("@linear")


def test_text_goes_into_a_file(mil_opt: Command, tmp_path: Path) -> None:
    ran = mil_opt("@linear", QUANTIZE, "-o", "@/out.mil", "--weights", "inline")
    assert ran == (DONE, "", "")
    assert (tmp_path / "out.mil").read_text("utf-8") == mil_opt("@linear", QUANTIZE, "--weights", "inline").out


@pytest.mark.parametrize("name", ["out.mil", "out.mlpackage"])
def test_output_that_exists_is_left_alone_unless_that_is_asked_for(
    name: str, mil_opt: Command, tmp_path: Path, shelf: Shelf
) -> None:
    if name.endswith(".mil"):
        (tmp_path / name).write_text("mine", "utf-8")
    else:
        copy_package(shelf["conv"], tmp_path).rename(tmp_path / name)
    before = contents(tmp_path)
    ran = mil_opt("@linear", "-o", f"@/{name}")
    assert (ran.code, ran.out) == (BAD_INPUT, "")
    assert re.fullmatch(rf"error: .*{re.escape(name)}: the output exists already \(use --force.*\)\n", ran.err)
    assert contents(tmp_path) == before
    assert mil_opt("@linear", "-o", f"@/{name}", "--force") == (DONE, "", "")
    assert contents(tmp_path) != before
    beside = ["out.weights.bin"] if name == "out.mil" else []  # what does not stand in the text
    assert sorted(each.name for each in tmp_path.iterdir()) == [name, *beside]


# --- packages out


@pytest.mark.parametrize("name", ["linear", "two_functions", "pipeline", "image_classifier"])
def test_package_is_written(name: str, mil_opt: Command, tmp_path: Path, shelf: Shelf) -> None:
    assert mil_opt(f"@{name}", QUANTIZE, "-o", "@/out.mlpackage") == (DONE, "", "")
    found = package.load(tmp_path / "out.mlpackage")
    for stage, expected in zip(found.stages, after(shelf[name], "program(quantize-weights)"), strict=True):
        assert canonical(stage.program) == canonical(expected.program)  # constants come back in another order
    assert found.specification.description == package.load(shelf[name]).specification.description
    ct.models.MLModel(str(tmp_path / "out.mlpackage"), skip_model_load=True)


def test_output_of_one_run_is_the_input_of_the_next(mil_opt: Command) -> None:
    mil_opt("@linear", "--pass-pipeline=program(raise-opset{target=iOS18})", "-o", "@/raised.mlpackage")
    both = mil_opt("@linear", "--pass-pipeline=program(raise-opset{target=iOS18}, quantize-weights)")
    assert mil_opt("@/raised.mlpackage", QUANTIZE).out == both.out


def test_package_can_be_replaced_by_itself(mil_opt: Command, tmp_path: Path, shelf: Shelf) -> None:
    model = copy_package(shelf["linear"], tmp_path)
    assert mil_opt(model, QUANTIZE, "-o", model, "--force").code == DONE
    assert find_op(package.load(model).program, "linear_weight_0").op_type == "constexpr_affine_dequantize"


# --- what goes to stderr


@pytest.mark.parametrize("name", ["linear", "cond", "pipeline"])
def test_remarks_go_to_stderr(name: str, mil_opt: Command, shelf: Shelf) -> None:
    ran = mil_opt(f"@{name}", QUANTIZE, "--remarks")
    said = [str(remark) for each in after(shelf[name], "program(quantize-weights)") for remark in each.remarks]
    assert said
    assert ran.err.splitlines() == said
    assert ran.out == mil_opt(f"@{name}", QUANTIZE).out


def test_times_go_to_stderr(mil_opt: Command) -> None:
    ran = mil_opt("@linear", "--timing", "--pass-pipeline=program(quantize-weights, common::noop_elimination)")
    names = [line.split()[-1] for line in ran.err.splitlines()]
    assert [name for name in names if "-" in name or "::" in name] == ["quantize-weights", "common::noop_elimination"]
    assert {"reading", "program", "writing", "Rest", "Total"} <= set(names)
    assert ran.out.startswith("program(")


def test_times_of_every_program_are_given(mil_opt: Command) -> None:
    ran = mil_opt("@pipeline", "--timing", QUANTIZE)
    assert [line.split()[-1] for line in ran.err.splitlines()].count("quantize-weights") == 2


def test_pipeline_is_dumped_before_it_runs(mil_opt: Command) -> None:
    text = "program( raise_opset{ target=iOS18 } ,quantize-weights{min-elements=2048 dtype=uint8})"
    ran = mil_opt("@linear", "--dump-pass-pipeline", "--remarks", "--pass-pipeline", text)
    first = ran.err.splitlines()[0]
    assert first == "program(raise-opset{target=iOS18}, quantize-weights{dtype=uint8})"
    assert mil_opt("@linear", "--pass-pipeline", first).out == ran.out
    failed = mil_opt("@linear", "--dump-pass-pipeline", "--pass-pipeline=program(raise-opset{target=iOS16})")
    assert failed.err.splitlines()[0] == "program(raise-opset{target=iOS16})"
    assert failed.code == BAD_INPUT


# --- verifying


@attrs.frozen(kw_only=True)
class BreakNames(Pass):
    """Gives two ops one name."""

    name: str = option("x", help="the name")

    def run(self, root: Any, context: PassContext) -> Outcome:  # noqa: ARG002
        find_op(root, "linear").outputs[0].name = self.name
        return Outcome(changed=True)


@pytest.mark.parametrize("flags", [[], ["--verify-each"]])
def test_pass_that_breaks_a_program_is_named(flags: list[str], mil_opt: Command, registered: Registered) -> None:
    registered(BreakNames)
    ran = mil_opt("@linear", "--pass-pipeline=program(break-names, quantize-weights)", *flags)
    assert (ran.code, ran.out) == (BAD_INPUT, "")
    pattern = r"error: pass 'break-names', .*: the program is not valid after it: .*defined twice.*\n"
    assert re.fullmatch(pattern, ran.err)


def test_nothing_is_verified_when_that_is_asked_for(mil_opt: Command, registered: Registered) -> None:
    registered(BreakNames)
    ran = mil_opt("@linear", "--pass-pipeline=program(break-names)", "--no-verify-each")
    assert (ran.code, ran.err) == (DONE, "")
    assert "} -> (x);" in ran.out


def test_failing_pass_writes_nothing(mil_opt: Command, registered: Registered, tmp_path: Path) -> None:
    registered(BreakNames)
    ran = mil_opt("@linear", "--pass-pipeline=program(break-names)", "-o", "@/out.mlpackage")
    assert ran.code == BAD_INPUT
    assert list(tmp_path.iterdir()) == []


@attrs.frozen(kw_only=True)
class Crash(Pass):
    """Raises what no pass should."""

    kind: str = option("value", help="what to raise", choices=("value", "interrupt"))

    def run(self, root: Any, context: PassContext) -> Outcome:  # noqa: ARG002
        if self.kind == "interrupt":
            raise KeyboardInterrupt
        raise ValueError("two\nlines")


def test_defect_of_a_pass_is_one_line_without_a_traceback(mil_opt: Command, registered: Registered) -> None:
    registered(Crash)
    words = "error: pass 'crash': failed with ValueError: two lines (this is a defect of the pass: please report it)"
    ran = mil_opt("@linear", "--pass-pipeline=program(crash)", "--no-crash-reproducer")
    assert ran == (BAD_INPUT, "", f"{words}\n")
    ran = mil_opt("@linear", "--pass-pipeline=program(crash)", "--crash-reproducer", "@/again.mil")
    assert ran.err.startswith(f"{words}; to reproduce: mil-opt --run-reproducer ")
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize("name", ["out.mil", "out.mlpackage"])
def test_interrupt_leaves_nothing_behind(name: str, mil_opt: Command, registered: Registered, tmp_path: Path) -> None:
    registered(Crash)
    ran = mil_opt("@linear", "--pass-pipeline=program(quantize-weights, crash{kind=interrupt})", "-o", f"@/{name}")
    assert (ran.code, ran.out, ran.err.strip()) == (
        INTERRUPTED,
        "",
        "interrupted: what was being written is there as a whole or not at all",
    )
    assert list(tmp_path.iterdir()) == []


def test_full_disk_leaves_no_half_of_a_text(mil_opt: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fill)
    ran = mil_opt("@linear", "-o", "@/out.mil")
    assert ran.code == BAD_INPUT
    assert len(ran.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


# --- listings


def test_every_pass_is_listed_without_an_input(mil_opt: Command) -> None:
    ran = mil_opt("--list-passes")
    assert (ran.code, ran.err) == (DONE, "")
    assert [line.split()[0] for line in ran.out.splitlines()] == [*pass_names(), *coremltools_pass_ids()]


def test_every_pipeline_is_listed_without_an_input(mil_opt: Command) -> None:
    ran = mil_opt("--list-pipelines")
    assert (ran.code, ran.err) == (DONE, "")
    names = [line.split()[0] for line in ran.out.splitlines()]
    assert names == pipeline_names()
    assert {"coremltools-default", "none", "w8"} <= set(names)


def test_every_listed_pass_can_stand_in_a_pipeline(mil_opt: Command) -> None:
    for line in mil_opt("--list-passes").out.splitlines():
        name, anchored = line.split()[0], "program({})"
        if "::" not in name and pass_class(name).anchor == "function":
            anchored = "program(function({}))"
        try:
            parse_pipeline(anchored.format(name))
        except package.MiloptError as error:
            assert re.search("needs the option|can not be made", str(error))  # noqa: PT017 - some need more


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_names_every_flag(flag: str, mil_opt: Command) -> None:
    ran = mil_opt(flag)
    assert (ran.code, ran.err) == (DONE, "")
    assert ran.out.startswith("Usage: mil-opt [OPTIONS] INPUT")
    flags = {"--pass-pipeline", "--output", "--force", "--weights", "--remarks", "--timing", "--verify-each",
             "--no-verify-each", "--list-passes", "--dump-pass-pipeline", "--split-input-file", "--verify-diagnostics",
             "--missing-weights", "--allow-missing-weights", "--version", "--help"}  # fmt: skip
    assert flags <= set(re.findall(r"--[a-z-]+", ran.out))


def test_version_is_that_of_the_package(mil_opt: Command) -> None:
    assert mil_opt("--version") == (DONE, f"mil-opt, version {version('milopt')}\n", "")


# --- mistakes

MISTAKES_IN_PIPELINES = [
    ("", "expected 'program(...)' or 'function(...)', found the end of the text"),
    ("quantize-weights", "--pass-pipeline:1:1: error: expected 'program(...)'"),
    ("program(quantize-weights", "--pass-pipeline:1:25: error: expected "),
    ("program(quantise-weights)", "did you mean 'quantize-weights'?"),
    ("program(common::noop)", "coremltools has no pass 'common::noop'"),
    ("program(quantize-weights{min=3})", "has no option 'min'"),
    ("program(quantize-weights{dtype=int4})", "takes one of int8, uint8, not 'int4'"),
    ("program(raise-opset)", "needs the option 'target'"),
    ("function(quantize-weights)", "runs on a program"),
    ("program(raise-opset{target=iOS81})", "unknown deployment target 'iOS81'"),
    ("program(compression::WeightDecompressor)", "compression::WeightDecompressor"),
    ("program(compression::palettize_weights{config=4})", "compression::palettize_weights"),
]
MISTAKES: dict[str, tuple[list[str], str]] = {
    "no input": ([], "INPUT"),
    "missing input": (["@/none.mlpackage"], "none.mlpackage: no such file or folder"),
    "folder": (["@/folder"], "folder: not an .mlpackage"),
    "neural network": (["@/old.mlpackage"], "the model is a neuralNetwork"),
    "two inputs": (["@linear", "@conv"], "unexpected extra argument"),
    "unknown flag": (["@linear", "--timings"], "--timing"),
    "weights": (["@linear", "--weights", "some"], "'some' is not"),
    "no pipeline": (["@linear", "--pass-pipeline"], "--pass-pipeline"),
    "lower target": (
        ["@linear", "--pass-pipeline", "program(raise-opset{target=iOS16})"], "can not be lowered to iOS16"
    ),
    "old opset": (["@linear_fp32", QUANTIZE], "pass 'quantize-weights': iOS15 has no op for compressed weights"),
    "no function": (["@/empty.mlpackage", QUANTIZE], "has no function"),
    "output of another kind": (["@linear", "-o", "@/out.txt"], "the output must end in .mil or .mlpackage, or be -"),
    "empty output": (["@linear", "-o", ""], "the output must end in .mil or .mlpackage, or be -"),
    "text in no folder": (["@linear", "-o", "@/none/out.mil"], "none"),
    "package in no folder": (["@linear", "-o", "@/none/out.mlpackage"], "does not exist"),
    "text over a folder": (["@linear", "-o", "@/folder.mil", "--force"], "folder.mil"),
}  # fmt: skip


@pytest.fixture
def odd_files(tmp_path: Path, shelf: Shelf) -> Path:
    """A folder of what is no model."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.mil").mkdir()
    neural_network(tmp_path / "old.mlpackage")
    empty = copy_package(shelf["linear"], tmp_path).rename(tmp_path / "empty.mlpackage")
    edit_specification(empty, lambda specification: specification.mlProgram.functions.clear())
    return tmp_path


@pytest.mark.parametrize("case", MISTAKES)
def test_mistake_is_told_in_one_line(case: str, mil_opt: Command, odd_files: Path) -> None:
    words, message = MISTAKES[case]
    before = contents(odd_files)
    mil_opt(*words).require_mistake(message)
    assert contents(odd_files) == before


@pytest.mark.parametrize(("pipeline", "message"), MISTAKES_IN_PIPELINES)
def test_mistake_in_a_pipeline_is_shown_where_it_is(pipeline: str, message: str, mil_opt: Command) -> None:
    ran = mil_opt("@linear", "--pass-pipeline", pipeline)
    assert (ran.code, ran.out) == (BAD_INPUT, "")
    head, *picture = ran.err.splitlines()
    assert re.match(r"--pass-pipeline:1:\d+: error: ", head)
    assert message in head
    column = int(head.split(":")[2])
    assert picture == [] if not pipeline else picture[0] == pipeline
    assert not pipeline or re.fullmatch(rf" {{{column - 1}}}\^~*", picture[1])


def test_output_is_checked_before_anything_runs(mil_opt: Command, registered: Registered) -> None:
    registered(Crash)
    for words in (["-o", "@/out.txt"], ["-o", "@/none/out.mlpackage"]):
        assert "crash" not in mil_opt("@linear", "--pass-pipeline=program(crash)", *words).err


def test_model_is_as_it_was_after_every_pass(mil_opt: Command, shelf: Shelf) -> None:
    before, names = contents(shelf["linear"]), [each.name for each in walk(package.load(shelf["linear"]).program)]
    mil_opt("@linear", "--pass-pipeline=program(raise-opset{target=iOS26}, quantize-weights)", "-o", "@/out.mlpackage")
    assert contents(shelf["linear"]) == before
    assert [each.name for each in walk(package.load(shelf["linear"]).program)] == names
