"""The golden tests' own tests: a check that can not fail is worth nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.filechecking import FileCheckError, as_directives, check_directives, file_check
from support.golden import GoldenError, execute, run_lines
from support.packages import Shelf

RUN = "// RUN: mil-opt %s | filecheck %s\n"
VERIFY = "// RUN: mil-opt %s --verify-diagnostics\n"
PROGRAM = """program(1.3)
{
    func main<ios17>(tensor<fp16, [2, 3]> x) {
        tensor<fp16, [2, 3]> y = relu(x = x);
    } -> (y);
}
"""
WRONG = PROGRAM.replace("(x = x)", "(x = z)")
FAULT = "'z' is not defined"  # in line 4 of it


def golden(folder: Path, text: str) -> Path:
    path = folder / "case.mil"
    path.write_text(text, "utf-8")
    return path


def run_all(path: Path, shelf: Shelf, *, update: bool = False) -> None:
    for line in run_lines(path):
        execute(line, path, shelf, update=update)


# --- output and directives


def test_output_that_matches_passes(tmp_path: Path, shelf: Shelf) -> None:
    checks = "// CHECK: func main<ios17>\n// CHECK: = relu(\n// CHECK-NOT: conv(\n"
    run_all(golden(tmp_path, RUN + checks + PROGRAM), shelf)


@pytest.mark.parametrize(
    "check", ["// CHECK: = conv(", "// CHECK-NOT: = relu(", "// CHECK-COUNT-2: = relu(", "// CHECK: RUN is no CHECK"]
)
def test_output_that_does_not_match_fails(check: str, tmp_path: Path, shelf: Shelf) -> None:
    for text in (RUN + check + "\n" + PROGRAM, RUN + PROGRAM + check + "\n"):
        with pytest.raises(FileCheckError, match="--- output ---"):
            run_all(golden(tmp_path, text), shelf)


def test_checks_between_labels_do_not_match_behind_them(tmp_path: Path) -> None:
    path = golden(tmp_path, "// CHECK-LABEL: one\n// CHECK: b\n// CHECK-LABEL: two\n// CHECK: c\n")
    file_check("one\nb\ntwo\nc\n", path, ["CHECK"])
    with pytest.raises(FileCheckError):
        file_check("one\na\ntwo\nb\nc\n", path, ["CHECK"])


def test_output_that_holds_its_own_checks_fails(tmp_path: Path) -> None:
    path = golden(tmp_path, "// CHECK: a\n")
    for output in ("// CHECK: a\n", "b\n  // CHECK: a\n", "b // CHECK-NEXT{LITERAL}: a\n"):
        with pytest.raises(FileCheckError, match="would match themselves"):
            file_check(output, path, ["CHECK"])
    file_check('a = string("// CHECK: a")\n', path, ["CHECK"])


@pytest.mark.parametrize(
    "words",
    ["CHEK:", "CHECK-NXT:", "CHECK_NEXT:", "CHECK-COUNT:", "OTHER:", "CHECKNOT:", "CHECK :", "CHECK{LITREAL}:",
     "CHECK-NEXT {LITERAL}:", "CHECK", "CHECK-NEXT", "CHECK-NEXT{LITERAL}"],
)  # fmt: skip
def test_misspelt_directive_fails(words: str, tmp_path: Path) -> None:
    path = golden(tmp_path, f"// CHECK: a\n// {words} b\n")
    with pytest.raises(FileCheckError, match=r"case\.mil:2: .*is no directive of the prefixes CHECK"):
        check_directives(path, ["CHECK"])


def test_directive_behind_program_text_fails(tmp_path: Path) -> None:
    for line in ("} -> (y); // CHECK: a", 'string("a // b"); // CHECK-NEXT: a', "/ // CHECK: a"):
        with pytest.raises(FileCheckError, match="must begin its line"):
            check_directives(golden(tmp_path, f"// CHECK: a\n{line}\n"), ["CHECK"])


def test_text_of_the_program_is_no_directive(tmp_path: Path) -> None:
    text = 'name = string("// CHECK: b"), CHECK: b = string("\\"// CHECK-NXT: b")\n'
    path = golden(tmp_path, text + "// CHECK: a\n" + text)
    check_directives(path, ["CHECK"])
    file_check("a\n", path, ["CHECK"])


def test_prefix_without_a_directive_fails(tmp_path: Path) -> None:
    with pytest.raises(FileCheckError, match="the prefix B has no directive"):
        check_directives(golden(tmp_path, "// A: a\n"), ["A", "B"])


def test_directives_that_no_run_line_checks_fail(tmp_path: Path, shelf: Shelf) -> None:
    with pytest.raises(FileCheckError, match="is no directive"):
        run_all(golden(tmp_path, VERIFY + "// CHECK: a\n" + PROGRAM), shelf)


def test_prose_is_no_directive(tmp_path: Path) -> None:
    text = "// Why: because\n// relu: it stays\n// LSTM cells, CHECK: none\n// -----\n// CHECK: a\n"
    check_directives(golden(tmp_path, text), ["CHECK"])


# --- RUN lines


@pytest.mark.parametrize(
    "line",
    [
        "mil-opt x | filecheck",
        "mil-opt x | grep %s",
        "rm x | filecheck %s",
        "mil-opt x | filecheck %s --no",
        "mil-opt x | filecheck %s | filecheck %s",
        "mil-opt x && | filecheck %s",
        "rm x && mil-opt x | filecheck %s",
        "| filecheck %s",
    ],
)
def test_run_line_of_another_form_fails(line: str, tmp_path: Path) -> None:
    with pytest.raises(GoldenError, match="not '"):
        run_lines(golden(tmp_path, f"// RUN: {line}\n"))


def test_run_line_that_checks_nothing_fails(tmp_path: Path) -> None:
    with pytest.raises(GoldenError, match="nothing is checked"):
        run_lines(golden(tmp_path, "// RUN: mil-opt %s\n"))


def test_file_without_a_run_line_fails(tmp_path: Path) -> None:
    with pytest.raises(GoldenError, match="no RUN line"):
        run_lines(golden(tmp_path, "// CHECK: a\n"))


def test_run_line_goes_on_in_the_next(tmp_path: Path) -> None:
    path = golden(
        tmp_path, "// RUN: mil-opt %s \\\n// RUN:   --remarks | filecheck %s\n// RUN: mil-opt x | filecheck %s\n"
    )
    assert [line.commands[0].words for line in run_lines(path)] == [("mil-opt", "%s", "--remarks"), ("mil-opt", "x")]


def test_command_that_fails_fails_unless_it_should(tmp_path: Path, shelf: Shelf) -> None:
    command = "mil-opt missing.mlpackage 2>&1 | filecheck %s\n// CHECK: no such file\n"
    with pytest.raises(GoldenError, match="exit code 2"):
        run_all(golden(tmp_path, f"// RUN: {command}"), shelf)
    run_all(golden(tmp_path, f"// RUN: not {command}"), shelf)
    with pytest.raises(GoldenError, match="exit code 0"):
        run_all(golden(tmp_path, RUN.replace("mil-opt", "not mil-opt") + "// CHECK: a\n" + PROGRAM), shelf)


def test_commands_share_a_path_that_is_free_in_each_line(tmp_path: Path, shelf: Shelf) -> None:
    both = "// RUN: mil-opt %s -o %t.mlpackage && mil-opt %t.mlpackage | filecheck %s\n"
    run_all(golden(tmp_path, both + both + "// CHECK: func main<ios17>\n" + PROGRAM), shelf)
    assert [file.name for file in tmp_path.iterdir()] == ["case.mil"]


def test_every_command_of_a_line_must_end_as_it_should(tmp_path: Path, shelf: Shelf) -> None:
    check = "mil-opt %s | filecheck %s\n// CHECK: func main<ios17>\n" + PROGRAM
    with pytest.raises(GoldenError, match=r"exit code 2[\s\S]*missing\.mil: no such file"):
        run_all(golden(tmp_path, f"// RUN: mil-opt missing.mil && {check}"), shelf)
    run_all(golden(tmp_path, f"// RUN: not mil-opt missing.mil && {check}"), shelf)


def test_packages_of_programs_have_names(tmp_path: Path, shelf: Shelf) -> None:
    run_all(golden(tmp_path, RUN.replace("%s", "%{linear}", 1) + "// CHECK: = linear(\n"), shelf)


def test_unknown_placeholder_fails(tmp_path: Path, shelf: Shelf) -> None:
    with pytest.raises(GoldenError, match="%T stands for nothing"):
        run_all(golden(tmp_path, RUN.replace("%s |", "%s -o %T.mil |") + "// CHECK: a\n" + PROGRAM), shelf)


# --- expected diagnostics


def test_diagnostics_that_are_expected_pass(tmp_path: Path, shelf: Shelf) -> None:
    run_all(golden(tmp_path, f"{VERIFY}// expected-error@+4 {{{{{FAULT}}}}}\n{WRONG}"), shelf)


@pytest.mark.parametrize(
    "text",
    [
        WRONG,
        "// expected-error@+1 {{anything}}\n" + PROGRAM,
        f"// expected-error@+4 {{{{{FAULT}, I think}}}}\n{WRONG}",
        f"// expected-error@+3 {{{{{FAULT}}}}}\n{WRONG}",
        f"// expected-warning@+4 {{{{{FAULT}}}}}\n{WRONG}",
    ],
    ids=["unexpected", "not given", "other words", "other line", "other severity"],
)
def test_diagnostics_that_are_not_as_expected_fail(text: str, tmp_path: Path, shelf: Shelf) -> None:
    with pytest.raises(GoldenError, match="exit code 1"):
        run_all(golden(tmp_path, VERIFY + text), shelf)
    with pytest.raises(GoldenError, match="exit code 1"):
        run_all(golden(tmp_path, VERIFY.replace("RUN: ", "RUN: not ") + text), shelf)


def test_diagnostics_expected_where_nobody_looks_fail(tmp_path: Path, shelf: Shelf) -> None:
    with pytest.raises(FileCheckError, match="no RUN line has --verify-diagnostics"):
        run_all(golden(tmp_path, RUN + "// CHECK: relu\n// expected-remark@+1 {{a}}\n" + PROGRAM), shelf)


# --- generated blocks


def test_update_writes_its_block_only_and_fails(tmp_path: Path, shelf: Shelf) -> None:
    outside = "// CHECK: program(1.3)\n// By hand.\n" + PROGRAM
    path = golden(tmp_path, f"{RUN}{outside}// BEGIN CHECK\n// CHECK: old\n// END CHECK\n")
    with pytest.raises(GoldenError, match="was updated"):
        run_all(path, shelf, update=True)
    assert path.read_text("utf-8").startswith(RUN + outside + "// BEGIN CHECK\n// CHECK{LITERAL}: program(1.3)\n")


def test_update_of_a_true_block_passes(tmp_path: Path, shelf: Shelf) -> None:
    path = golden(tmp_path, f"{RUN}{PROGRAM}// BEGIN CHECK\n// CHECK: old\n// END CHECK\n")
    with pytest.raises(GoldenError):
        run_all(path, shelf, update=True)
    before = path.read_bytes()
    run_all(path, shelf, update=True)
    run_all(path, shelf)
    assert path.read_bytes() == before


def test_update_writes_the_blocks_of_every_prefix(tmp_path: Path, shelf: Shelf) -> None:
    run = RUN.rstrip() + " --check-prefix=A --check-prefix=B\n"
    path = golden(tmp_path, f"{run}{PROGRAM}// BEGIN A\n// A: old\n// END A\n// BEGIN B\n// B: old\n// END B\n")
    with pytest.raises(GoldenError):
        run_all(path, shelf, update=True)
    assert "old" not in path.read_text("utf-8")


@pytest.mark.parametrize("line", [3, -2])
def test_generated_block_is_all_of_the_output(line: int, tmp_path: Path, shelf: Shelf) -> None:
    path = golden(tmp_path, f"{RUN}{PROGRAM}// BEGIN CHECK\n// CHECK: old\n// END CHECK\n")
    with pytest.raises(GoldenError):
        run_all(path, shelf, update=True)
    head, block = path.read_text("utf-8").split("// BEGIN CHECK\n")
    lines = block.splitlines(keepends=True)
    kept = lines[:-2] + lines[-1:] if line < 0 else lines[1].replace("-NEXT", "") + "".join(lines[2:])
    path.write_text(f"{head}// BEGIN CHECK\n{''.join(kept)}", "utf-8")
    with pytest.raises(FileCheckError, match="is not all of the output"):
        run_all(path, shelf)


def test_generated_directives_check_every_line(tmp_path: Path) -> None:
    output = "a [[b]] {{c}}\n\n  d\u2028e\n"
    path = golden(tmp_path, "\n".join(as_directives(output, "CHECK")) + "\n")
    file_check(output, path, ["CHECK"])
    with pytest.raises(FileCheckError):
        file_check(output.replace("d", "e"), path, ["CHECK"])
    with pytest.raises(FileCheckError):
        file_check(output.replace("\n\n", "\n"), path, ["CHECK"])
