"""The golden tests' own tests: a check that can not fail is worth nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.filechecking import FileCheckError, as_directives, check_directives, file_check
from support.golden import GoldenError, execute, run_lines
from support.packages import Shelf

RUN = "// RUN: mil-opt %{linear} | filecheck %s\n"


def golden(folder: Path, text: str) -> Path:
    path = folder / "case.mil"
    path.write_text(text, "utf-8")
    return path


def run_all(path: Path, shelf: Shelf, *, update: bool = False) -> None:
    for line in run_lines(path):
        execute(line, path, shelf, update=update)


def test_output_that_matches_passes(tmp_path: Path, shelf: Shelf) -> None:
    run_all(golden(tmp_path, RUN + "// CHECK: func main<ios17>\n// CHECK: = linear(\n// CHECK-NOT: conv(\n"), shelf)


@pytest.mark.parametrize("check", ["// CHECK: = conv(", "// CHECK-NOT: = linear(", "// CHECK-COUNT-2: = linear("])
def test_output_that_does_not_match_fails(check: str, tmp_path: Path, shelf: Shelf) -> None:
    with pytest.raises(FileCheckError, match="--- output ---"):
        run_all(golden(tmp_path, f"{RUN}{check}\n"), shelf)


@pytest.mark.parametrize("word", ["CHEK", "CHECK-NXT", "CHECK_NEXT", "CHECK-COUNT", "OTHER", "CHECKNOT"])
def test_misspelt_directive_fails(word: str, tmp_path: Path) -> None:
    path = golden(tmp_path, f"// CHECK: a\n// {word}: b\n")
    with pytest.raises(FileCheckError, match=f"{word}:. is no directive"):
        check_directives(path, ["CHECK"])


def test_prefix_without_a_directive_fails(tmp_path: Path) -> None:
    with pytest.raises(FileCheckError, match="the prefix B has no directive"):
        check_directives(golden(tmp_path, "// A: a\n"), ["A", "B"])


def test_prose_is_no_directive(tmp_path: Path) -> None:
    check_directives(golden(tmp_path, "// Why: because\n// CHECK: a\n"), ["CHECK"])


@pytest.mark.parametrize(
    "line",
    [
        "mil-opt x",
        "mil-opt x | filecheck",
        "mil-opt x | grep %s",
        "rm x | filecheck %s",
        "mil-opt x | filecheck %s --no",
    ],
)
def test_run_line_of_another_form_fails(line: str, tmp_path: Path) -> None:
    with pytest.raises(GoldenError, match="not '"):
        run_lines(golden(tmp_path, f"// RUN: {line}\n"))


def test_file_without_a_run_line_fails(tmp_path: Path) -> None:
    with pytest.raises(GoldenError, match="no RUN line"):
        run_lines(golden(tmp_path, "// CHECK: a\n"))


def test_command_that_fails_fails_unless_it_should(tmp_path: Path, shelf: Shelf) -> None:
    command = "mil-opt missing.mlpackage 2>&1 | filecheck %s\n// CHECK: no such file\n"
    with pytest.raises(GoldenError, match="exit code 2"):
        run_all(golden(tmp_path, f"// RUN: {command}"), shelf)
    run_all(golden(tmp_path, f"// RUN: not {command}"), shelf)
    with pytest.raises(GoldenError, match="exit code 0"):
        run_all(golden(tmp_path, RUN.replace("mil-opt", "not mil-opt") + "// CHECK: a\n"), shelf)


def test_update_writes_its_block_only_and_fails(tmp_path: Path, shelf: Shelf) -> None:
    outside = "// CHECK: program(1.3)\n// By hand.\n"
    path = golden(tmp_path, f"{RUN}{outside}// BEGIN CHECK\n// CHECK: old\n// END CHECK\n")
    with pytest.raises(GoldenError, match="was updated"):
        run_all(path, shelf, update=True)
    assert path.read_text("utf-8").startswith(RUN + outside + "// BEGIN CHECK\n// CHECK{LITERAL}: program(1.3)\n")


def test_update_of_a_true_block_passes(tmp_path: Path, shelf: Shelf) -> None:
    path = golden(tmp_path, f"{RUN}// BEGIN CHECK\n// CHECK: old\n// END CHECK\n")
    with pytest.raises(GoldenError):
        run_all(path, shelf, update=True)
    before = path.read_bytes()
    run_all(path, shelf, update=True)
    assert path.read_bytes() == before


def test_generated_directives_check_every_line(tmp_path: Path) -> None:
    output = "a [[b]] {{c}}\n\n  d\n"
    path = golden(tmp_path, "\n".join(as_directives(output, "CHECK")) + "\n")
    file_check(output, path, ["CHECK"])
    with pytest.raises(FileCheckError):
        file_check(output.replace("d", "e"), path, ["CHECK"])
    with pytest.raises(FileCheckError):
        file_check(output.replace("\n\n", "\n"), path, ["CHECK"])
