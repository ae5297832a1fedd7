"""The command `milopt`: tables and JSON on stdout, all else on stderr, and one line for every mistake."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import coremltools as ct
import milopt as package
import pytest
from milopt.cli.entry import BAD_INPUT, CHECK_FAILED, DONE, INTERRUPTED, run
from milopt.cli.main import milopt as milopt_command
from milopt.cli.tables import format_bytes
from milopt.ir.equality import first_difference
from milopt.ir.package import package_size
from milopt.ir.text.printer import print_program, print_proto
from milopt.ir.walking import walk
from support.packages import Shelf, contents, copy_package, edit_specification, neural_network

Command = Callable[..., Any]
FRAME = re.compile("[─━│┃┏┓└┘]")


def compressed(path: Path) -> list[str]:
    return [each.name for each in walk(package.load(path).program) if each.op_type.startswith("constexpr_")]


# --- optimize


def test_table_tells_what_was_done(milopt: Command, tmp_path: Path, shelf: Shelf) -> None:
    ran = milopt("optimize", "@two_heads", "-o", "@/small.mlpackage", "--target", "iOS18")
    assert (ran.code, ran.err) == (DONE, "")
    cells = [re.split(r"\s*[│┃]\s*", line.strip("│┃ ")) for line in ran.out.splitlines() if re.match("[│┃]", line)]
    before, after = shelf["two_heads"], tmp_path / "small.mlpackage"
    report = package.optimize(package.load(before), target="iOS18").report
    (done,) = report.done
    sizes = [done.data["bytes_before"], done.data["bytes_after"]]
    assert [cell.strip() for cell in cells[1]] == [
        "scores_weight_0",
        "linear",
        "12x200",
        "int8 per-channel symmetric",
        *map(format_bytes, sizes),
        f"{sizes[0] / sizes[1]:.2f}",
    ]
    assert [row[:2] for row in cells[3:]] == [["rank", "1"], ["small", "1"]]
    sizes = [report.weight_bytes_before, report.weight_bytes_after, package_size(before), package_size(after)]
    words = [format_bytes(size) for size in sizes]
    assert ran.out.splitlines()[-4:] == [
        "target   iOS18 (raised from iOS17), scheme w8",
        f"weights  {words[0]} -> {words[1]}, compression ratio {sizes[0] / sizes[1]:.3f}",
        f"package  {words[2]} -> {words[3]}, compression ratio {sizes[2] / sizes[3]:.3f}",
        f"written  {after}",
    ]


def test_output_is_what_the_library_makes(milopt: Command, tmp_path: Path, shelf: Shelf) -> None:
    words = ["--target", "iOS18", "--dtype", "uint8", "--mode", "affine", "--granularity", "per-tensor"]
    assert milopt("optimize", "@lstm", "-o", "@/small.mlpackage", *words, "--min-elements", "100").code == DONE
    options: dict[str, Any] = {"dtype": "uint8", "mode": "affine", "granularity": "per-tensor", "min_elements": 100}
    package.optimize(package.load(shelf["lstm"]), target="iOS18", **options).model.save(tmp_path / "mine.mlpackage")
    assert contents(tmp_path / "small.mlpackage") == contents(tmp_path / "mine.mlpackage")


def test_same_input_gives_the_same_bytes_and_the_same_text(milopt: Command, tmp_path: Path) -> None:
    first, second = (milopt("optimize", "@attention", "-o", f"@/{name}.mlpackage") for name in ("small", "other"))
    assert contents(tmp_path / "small.mlpackage") == contents(tmp_path / "other.mlpackage")
    assert first.out.replace("small.mlpackage", "other.mlpackage") == second.out


@pytest.mark.parametrize("name", ["linear", "two_functions", "pipeline", "matmul_inputs", "attention"])
def test_json_is_the_report_and_nothing_else(name: str, milopt: Command, tmp_path: Path, shelf: Shelf) -> None:
    ran = milopt("optimize", f"@{name}", "-o", "@/small.mlpackage", "--target", "iOS18", "--json", "--timing")
    assert ran.code == DONE
    found = json.loads(ran.out)
    report = package.optimize(package.load(shelf[name]), target="iOS18").report
    before, after = package_size(shelf[name]), package_size(tmp_path / "small.mlpackage")
    expected = report.as_json() | {
        "output": str(tmp_path / "small.mlpackage"),
        "package_bytes_before": before,
        "package_bytes_after": after,
        "package_ratio": before / after,
    }
    assert found == json.loads(json.dumps(expected))


@pytest.mark.parametrize("words", [[], ["--json"], ["--timing"]])
def test_stderr_holds_no_table(words: list[str], milopt: Command) -> None:
    ran = milopt("optimize", "@linear", "-o", "@/small.mlpackage", *words)
    assert not FRAME.search(ran.err)
    assert bool(FRAME.search(ran.out)) == ("--json" not in words)


def test_known_fault_is_noted_on_stderr(milopt: Command) -> None:
    ran = milopt("optimize", "@linear", "-o", "@/small.mlpackage")
    assert ran.code == DONE
    assert re.fullmatch(r"note: ct2114: .*--dtype uint8.*\n", ran.err)
    assert milopt("optimize", "@linear", "-o", "@/other.mlpackage", "--dtype", "uint8").err == ""


def test_nothing_compressed_is_warned_of(milopt: Command) -> None:
    ran = milopt("optimize", "@matmul_inputs", "-o", "@/small.mlpackage")
    assert (ran.code, ran.err) == (DONE, "warning: nothing was compressed; --strict makes this an error\n")
    quiet = milopt("optimize", "@matmul_inputs", "-o", "@/other.mlpackage", "--scheme", "none")
    assert (quiet.code, quiet.err) == (DONE, "")


def test_times_go_to_stderr(milopt: Command) -> None:
    ran = milopt("optimize", "@linear", "-o", "@/small.mlpackage", "--target", "iOS18", "--timing")
    head, columns, *names = [line.split()[-1] for line in ran.err.splitlines()]
    assert (head, columns) == ("time", "name")
    passes = ["raise-opset{target=iOS18}", "quantize-weights"]
    assert names == ["program", *passes, "WeightInventory", "Rest", "Total"]


def test_reasons_keep_their_brackets(milopt: Command) -> None:
    ran = milopt("optimize", "@linear", "-o", "@/small.mlpackage", "--min-elements", "9999")
    assert "linear_weight_0: it has 2560 elements, not more than 9999 [lower min-elements]" in ran.out


@pytest.mark.parametrize(
    "name", ["small[final].mlpackage", "small[red].mlpackage", "[bold]x[/bold].mlpackage", ":x:.mlpackage"]
)
def test_path_is_printed_as_it_is(name: str, milopt: Command, tmp_path: Path) -> None:
    folder = (tmp_path / name).parent
    folder.mkdir(parents=True, exist_ok=True)
    ran = milopt("optimize", "@linear", "-o", f"@/{name}", "--target", "iOS18")
    assert ran.code == DONE
    assert ran.out.splitlines()[-1] == f"written  {tmp_path / name}"


@pytest.mark.parametrize("name", ["[red]w", "w[/red]", ":smile:"])
def test_name_of_an_op_is_printed_as_it_is(name: str, milopt: Command, tmp_path: Path, shelf: Shelf) -> None:
    model = package.load(shelf["linear"])
    weight = next(each for each in walk(model.program) if each.name == "linear_weight_0")
    weight.name = name
    model.save(tmp_path / "named.mlpackage")
    assert f" {name} " in milopt("optimize", "@/named.mlpackage", "-o", "@/small.mlpackage", "--target", "iOS18").out


# --- what stands at the output


def test_output_that_exists_is_left_alone(milopt: Command, tmp_path: Path, shelf: Shelf) -> None:
    output = copy_package(shelf["conv"], tmp_path)
    before = contents(tmp_path)
    ran = milopt("optimize", "@linear", "-o", output)
    assert (ran.code, ran.out) == (BAD_INPUT, "")
    assert (
        ran.err
        == f"error: {output}: the output exists already (use --force, in Python overwrite=True, to replace it)\n"
    )
    assert contents(tmp_path) == before


def test_output_is_checked_before_the_model_is_read(milopt: Command, tmp_path: Path, shelf: Shelf) -> None:
    output = copy_package(shelf["conv"], tmp_path)
    assert "the output exists already" in milopt("optimize", "@/none.mlpackage", "-o", output).err
    assert "must end in .mlpackage" in milopt("optimize", "@/none.mlpackage", "-o", "@/small.txt").err


def test_output_is_replaced_when_that_is_asked_for(milopt: Command, tmp_path: Path, shelf: Shelf) -> None:
    output = copy_package(shelf["conv"], tmp_path)
    assert milopt("optimize", "@linear", "-o", output, "--force").code == DONE
    assert compressed(output) == ["linear_weight_0"]
    assert [each.name for each in tmp_path.iterdir()] == [output.name]


@pytest.mark.parametrize("name", ["linear", "two_heads", "pipeline"])
def test_model_can_be_replaced_by_itself(name: str, milopt: Command, tmp_path: Path, shelf: Shelf) -> None:
    model = copy_package(shelf[name], tmp_path)
    size = package_size(model)
    assert milopt("optimize", model, "-o", model).code == BAD_INPUT
    ran = milopt("optimize", model, "-o", model, "--force", "--json")
    assert ran.code == DONE
    assert json.loads(ran.out)["package_bytes_before"] == size
    assert json.loads(ran.out)["package_bytes_after"] == package_size(model) < size
    assert [each.name for each in tmp_path.iterdir()] == [model.name]
    ct.models.MLModel(str(model), skip_model_load=True)


def test_second_optimization_finds_nothing_to_do(milopt: Command) -> None:
    milopt("optimize", "@linear", "-o", "@/small.mlpackage")
    again = milopt("optimize", "@/small.mlpackage", "-o", "@/smaller.mlpackage", "--json")
    assert json.loads(again.out)["compressed"] == 0
    assert json.loads(again.out)["reasons"] == {"compressed": 1, "rank": 1}


# --- strict


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["@matmul_inputs"], "matmul_inputs.mlpackage: nothing was compressed (run without --strict to see why)"),
        (["@linear", "--min-elements", "9999"], "linear.mlpackage: nothing was compressed"),
        (["@linear", "--json", "--min-elements", "9999"], "linear.mlpackage: nothing was compressed"),
    ],
)
def test_strict_fails_and_writes_nothing(words: list[str], message: str, milopt: Command, tmp_path: Path) -> None:
    ran = milopt("optimize", *words, "-o", "@/small.mlpackage", "--strict")
    assert (ran.code, ran.out) == (CHECK_FAILED, "")
    assert ran.err.startswith(f"error: {message}")
    assert ran.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_strict_leaves_what_stands_at_the_output(milopt: Command, tmp_path: Path, shelf: Shelf) -> None:
    output = copy_package(shelf["conv"], tmp_path)
    before = contents(tmp_path)
    assert milopt("optimize", "@matmul_inputs", "-o", output, "--strict", "--force").code == CHECK_FAILED
    assert contents(tmp_path) == before


def test_strict_passes_when_all_was_done_that_can_be(milopt: Command, tmp_path: Path) -> None:
    assert milopt("optimize", "@attention", "-o", "@/small.mlpackage", "--strict").code == DONE
    assert compressed(tmp_path / "small.mlpackage")


# --- mistakes

O = ["-o", "@/small.mlpackage"]  # noqa: E741 - the flag's own letter
MISTAKES: dict[str, tuple[list[str], str]] = {
    "no model": (["optimize"], "MODEL"),
    "no output": (["optimize", "@linear"], "--output"),
    "output without a path": (["optimize", "@linear", "-o"], "-o"),
    "unknown command": (["optimise"], "optimize"),
    "unknown option": (["optimize", "@linear", *O, "--farce"], "--force"),
    "two models": (["optimize", "@linear", "@conv", *O], "unexpected extra argument"),
    "two models, one on two lines": (["optimize", "@linear", "a\nb", *O], "unexpected extra argument"),
    "missing model": (["optimize", "@/none.mlpackage", *O], "none.mlpackage: no such file or folder"),
    "missing model on two lines": (["optimize", "@/no\nne.mlpackage", *O], "no such file or folder"),
    "empty path": (["optimize", "", *O], "not an .mlpackage"),
    "folder": (["optimize", "@/folder", *O], "folder: not an .mlpackage: it has no Manifest.json"),
    "file": (
        ["optimize", "@/notes.txt", *O],
        "notes.txt: not an .mlpackage (milopt reads .mlpackage and .mlmodelc folders and .mil text)",
    ),
    "old file": (["optimize", "@/old.mlmodel", *O], "old.mlmodel: not an .mlpackage"),
    "neural network": (["optimize", "@/old.mlpackage", *O], "old.mlpackage: the model is a neuralNetwork"),
    "no function": (["optimize", "@/empty.mlpackage", *O], "has no function"),
    "damaged": (["optimize", "@/damaged.mlpackage", *O], "damaged.mlpackage"),
    "output of another kind": (["optimize", "@linear", "-o", "@/small.txt"], "the output must end in .mlpackage"),
    "output in no folder": (["optimize", "@linear", "-o", "@/none/small.mlpackage"], "does not exist"),
    "output under a file": (["optimize", "@linear", "-o", "@/notes.txt/small.mlpackage"], "notes.txt"),
    "unknown target": (["optimize", "@linear", *O, "--target", "iOS81"], "did you mean 'iOS18'?"),
    "empty target": (["optimize", "@linear", *O, "--target", ""], "unknown deployment target ''"),
    "lower target": (["optimize", "@linear", *O, "--target", "iOS16"], "can not be lowered to iOS16"),
    "oldest target": (["optimize", "@linear_fp32", *O], "iOS15 can not encode the scheme 'w8'"),
    "unknown scheme": (["optimize", "@linear", *O, "--scheme", "w88"], "did you mean 'w8a8'?"),
    "empty scheme": (["optimize", "@linear", *O, "--scheme", ""], "unknown scheme ''"),
    "dtype": (["optimize", "@linear", *O, "--dtype", "int4"], "option 'dtype': takes one of int8, uint8, not 'int4'"),
    "mode": (["optimize", "@linear", *O, "--mode", "odd"], "option 'mode': takes one of symmetric, affine, not 'odd'"),
    "granularity": (["optimize", "@linear", *O, "--granularity", "row"], "takes one of per-channel, per-tensor"),
    "no number": (["optimize", "@linear", *O, "--min-elements", "2k"], "takes a whole number, not '2k'"),
    "negative": (["optimize", "@linear", *O, "--min-elements", "-1"], "takes a number of at least 0, not -1"),
    "print nothing": (["print"], "MODEL"),
    "print missing": (["print", "@/none.mlpackage"], "none.mlpackage: no such file or folder"),
    "print old": (["print", "@/old.mlpackage"], "the model is a neuralNetwork"),
    "print weights": (["print", "@linear", "--weights", "some"], "'some' is not one of"),
    "print dialect": (["print", "@linear", "--dialect", "2.0"], "'2.0' is not one of"),
    "unknown pass": (["passes", "quantise-weights"], "did you mean 'quantize-weights'?"),
    "unknown pipeline": (["pipelines", "--target", "iOS81"], "did you mean 'iOS18'?"),
}


@pytest.fixture
def odd_files(tmp_path: Path, shelf: Shelf) -> Path:
    """A folder of what is no model."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "notes.txt").write_text("notes", "utf-8")
    neural_network(tmp_path / "old.mlmodel")
    neural_network(tmp_path / "old.mlpackage")
    empty = copy_package(shelf["linear"], tmp_path).rename(tmp_path / "empty.mlpackage")
    edit_specification(empty, lambda specification: specification.mlProgram.functions.clear())
    damaged = copy_package(shelf["linear"], tmp_path).rename(tmp_path / "damaged.mlpackage")
    next(damaged.rglob("weight.bin")).write_bytes(b"short")
    return tmp_path


@pytest.mark.parametrize("case", MISTAKES)
def test_mistake_is_told_in_one_line(case: str, milopt: Command, odd_files: Path) -> None:
    words, message = MISTAKES[case]
    before = contents(odd_files)
    milopt(*words).require_mistake(message)
    assert contents(odd_files) == before


def test_file_that_can_not_be_read_is_told_in_one_line(milopt: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    ran = milopt("print", "@linear")
    assert ran.code == BAD_INPUT
    assert re.fullmatch(r"error: .*model\.mlmodel.*: Permission denied.*\n", ran.err)


# --- interrupts


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "place",
    [
        "milopt.ir.opening.load",
        "milopt.pipelines.optimize.optimize",
        "milopt.passes.transforms.quantize_weights.quantize",
        "milopt.ir.weights.files.WeightFileWriter.write",
        "milopt.ir.saving._replace",
    ],
)
@pytest.mark.parametrize("exists", [False, True], ids=["new", "existing"])
def test_interrupt_leaves_nothing_behind(
    place: str, milopt: Command, tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch, *, exists: bool
) -> None:
    if exists:
        copy_package(shelf["conv"], tmp_path).rename(tmp_path / "small.mlpackage")
    before = contents(tmp_path)
    monkeypatch.setattr(place, interrupt)
    ran = milopt("optimize", "@linear", "-o", "@/small.mlpackage", "--force")
    assert (ran.code, ran.out) == (INTERRUPTED, "")
    assert ran.err.strip() == "interrupted: what was being written is there as a whole or not at all"
    assert contents(tmp_path) == before
    assert sorted(each.name for each in tmp_path.iterdir()) == (["small.mlpackage"] if exists else [])


def test_full_disk_leaves_nothing_behind(milopt: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("milopt.ir.weights.files.WeightFileWriter.write", fill)
    ran = milopt("optimize", "@linear", "-o", "@/small.mlpackage")
    assert (ran.code, ran.err.count("\n")) == (BAD_INPUT, 1)
    assert "the disk is full; nothing was written" in ran.err
    assert list(tmp_path.iterdir()) == []


# --- print


@pytest.mark.parametrize("name", ["linear", "cond", "two_functions", "pipeline", "image_classifier"])
@pytest.mark.parametrize("dialect", ["1.0", "1.3"])
@pytest.mark.parametrize("weights", ["references", "elided", "inline"])
def test_print_gives_the_text_of_every_program(
    name: str, weights: Any, dialect: Any, milopt: Command, shelf: Shelf
) -> None:
    ran = milopt("print", f"@{name}", "--weights", weights, "--dialect", dialect)
    assert (ran.code, ran.err) == (DONE, "")
    stages = package.load(shelf[name]).stages
    if weights == "references":
        orders = [[each.name for each in stage.specification.description.functions] for stage in stages]
        texts = [
            print_proto(stage.specification.mlProgram, dialect=dialect, function_order=order)
            for stage, order in zip(stages, orders, strict=True)
        ]
    else:
        texts = [print_program(stage.program, weights=weights, dialect=dialect) for stage in stages]
    assert ran.out == "// -----\n".join(texts)
    assert ran.out.startswith(f"program({dialect})\n")


def test_print_shows_references_in_the_new_dialect_by_default(milopt: Command) -> None:
    ran = milopt("print", "@linear")
    assert ran.out == milopt("print", "@linear", "--weights", "references", "--dialect", "1.3").out
    assert "BLOBFILE(" in ran.out


# --- help


@pytest.mark.parametrize("words", [[], *([name] for name in sorted(milopt_command.commands))])
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_is_given_on_stdout(words: list[str], flag: str, milopt: Command) -> None:
    ran = milopt(*words, flag)
    assert (ran.code, ran.err) == (DONE, "")
    assert ran.out.startswith(f"Usage: {' '.join(['milopt', *words])} ")
    assert "-h, --help" in ran.out


def test_help_names_every_command_and_option(milopt: Command) -> None:
    commands = re.findall(r"^  (\w+)  ", milopt("--help").out, re.MULTILINE)
    assert commands == sorted(milopt_command.commands)
    assert {"calibrate", "compare", "diff", "evaluate", "export", "inspect", "optimize", "run", "verify"} <= {*commands}
    flags = re.findall(r"--[a-z-]+", milopt("optimize", "--help").out)
    assert {"--output", "--target", "--scheme", "--dtype", "--mode", "--granularity", "--min-elements", "--strict",
            "--force", "--json", "--timing"} <= set(flags)  # fmt: skip


def test_help_stands_in_for_a_command(milopt: Command) -> None:
    ran = milopt()
    assert (ran.code, ran.out) == (BAD_INPUT, "")
    assert ran.err.startswith("Usage: milopt ")


def test_version_is_that_of_the_package(milopt: Command) -> None:
    assert milopt("--version") == (DONE, f"milopt, version {version('milopt')}\n", "")


# --- the process


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("code", [DONE, INTERRUPTED])
def test_signs_of_life_go_to_a_terminal_on_stderr(
    code: int, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if code == INTERRUPTED:
        monkeypatch.setattr("milopt.pipelines.optimize.optimize", interrupt)
    words = ["optimize", str(shelf["linear"]), "-o", str(tmp_path / "small.mlpackage"), "--json"]
    out, err = io.StringIO(), Terminal()
    assert run(milopt_command, words, io.StringIO(), out, err) == code
    assert "optimizing linear.mlpackage" in err.getvalue()
    assert bool(out.getvalue()) == (code == DONE)
    assert code == INTERRUPTED or json.loads(out.getvalue())["compressed"] == 1


def test_streams_are_given_back(milopt: Command) -> None:
    before = (sys.stdin, sys.stdout, sys.stderr)
    milopt("optimize", "@linear", "-o", "@/small.mlpackage")
    milopt("optimise")
    assert (sys.stdin, sys.stdout, sys.stderr) == before


def test_model_is_as_it_was_after_every_command(milopt: Command, shelf: Shelf) -> None:
    before, program = contents(shelf["linear"]), package.load(shelf["linear"]).program
    milopt("print", "@linear", "--weights", "inline")
    milopt("optimize", "@linear", "-o", "@/small.mlpackage", "--target", "iOS26")
    assert contents(shelf["linear"]) == before
    assert first_difference(package.load(shelf["linear"]).program, program) is None
