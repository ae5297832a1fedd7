"""Golden files: `*.mil` that hold a program, and the RUN lines that are executed on it in this process.

    // RUN: mil-opt %s --pass-pipeline='program(quantize-weights)' | filecheck %s --check-prefix=IOS17
    // RUN: mil-opt %s --split-input-file --verify-diagnostics --remarks
    // RUN: mil-opt %s -o %t.mlpackage && mil-opt %t.mlpackage | filecheck %s

`%s` is the file itself, `%t` a path that is free in each RUN line, `%{name}` the package of a program of
`support.programs`, for what text can not show. `not` in front of a command expects exit code 2, `2>&1` adds stderr to
the output, `\\` at the end goes on in the next RUN line. What the last command prints is checked, by filecheck, by
`--verify-diagnostics`, or by both.

Lines between `// BEGIN PREFIX` and `// END PREFIX` are generated, and are all of the output: `pytest --update-golden`
writes them anew and fails, so that a run can not bless itself.
"""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
from milopt.cli.entry import BAD_INPUT, run
from milopt.cli.main import milopt
from milopt.cli.mil_opt import mil_opt
from support import programs_quantize  # noqa: F401 - registers its programs
from support.filechecking import FileCheckError, as_directives, check_directives, file_check, lines_of
from support.packages import Shelf

_RUN = re.compile(r"^// RUN:\s*(?P<line>.+)$", re.MULTILINE)
_GOES_ON = re.compile(r"\s*\\\n// RUN:\s*")
_PLACEHOLDER = re.compile(r"%(?:\{(?P<name>\w+)\}|(?P<letter>\w))")
_EXPECTED = re.compile(r"//.*\bexpected-")
_COMMANDS = {"mil-opt": mil_opt, "milopt": milopt}
_VERIFY = "--verify-diagnostics"
_FORM = "[not] mil-opt ... [2>&1] [&& ...] [| filecheck %s [--check-prefix=P]]"


class GoldenError(Exception):
    """A RUN line that can not be read, a command that failed, or a file that was updated."""


@attrs.frozen
class Command:
    """One command of a RUN line.

    Attributes:
        words: its name and arguments.
        fails: whether it must end with exit code 2.
        with_stderr: whether stderr is part of its output.
    """

    words: tuple[str, ...]
    fails: bool
    with_stderr: bool


@attrs.frozen
class RunLine:
    """One RUN line: commands, and the prefixes that the output of the last one is checked with."""

    text: str
    commands: tuple[Command, ...]
    prefixes: tuple[str, ...]

    @property
    def verifies(self) -> bool:
        """Whether a command checks the diagnostics that the text expects."""
        return any(_VERIFY in command.words for command in self.commands)


def run_lines(path: Path) -> list[RunLine]:
    """The RUN lines of a golden file, in order."""
    text = _GOES_ON.sub(" ", path.read_text("utf-8"))
    found = [_parse(match.group("line")) for match in _RUN.finditer(text)]
    if not found:
        raise GoldenError(f"{path.name} has no RUN line")
    return found


def _parse(line: str) -> RunLine:
    left, *right = _divided(shlex.split(line), "|")
    commands = tuple(_command(words, line) for words in _divided(left, "&&"))
    found = RunLine(line, commands, _prefixes(right[0]) if right else ())
    if len(right) > 1 or (right and not found.prefixes):
        raise GoldenError(f"not '{_FORM}': {line}")
    if not found.prefixes and not found.verifies:
        raise GoldenError(f"nothing is checked, neither by filecheck nor by {_VERIFY}: {line}")
    return found


def _divided(words: list[str], mark: str) -> list[list[str]]:
    """The words between marks."""
    found: list[list[str]] = [[]]
    for word in words:
        if word == mark:
            found.append([])
        else:
            found[-1].append(word)
    return found


def _command(words: list[str], line: str) -> Command:
    fails, merged = words[:1] == ["not"], "2>&1" in words
    words = [word for word in words[fails:] if word != "2>&1"]
    if not words or words[0] not in _COMMANDS:
        raise GoldenError(f"not '{_FORM}': {line}")
    return Command(tuple(words), fails, merged)


def _prefixes(words: list[str]) -> tuple[str, ...]:
    """The prefixes of `filecheck %s`; none if the words are no such call."""
    options = [word.partition("=") for word in words[2:]]
    is_call = words[:2] == ["filecheck", "%s"] and all(name == "--check-prefix" for name, _, _ in options)
    return tuple(value for _, _, value in options) or ("CHECK",) if is_call else ()


def execute(line: RunLine, path: Path, shelf: Shelf, *, update: bool) -> None:
    """Runs a RUN line and checks its output, or writes its generated block anew."""
    with TemporaryDirectory(prefix="milopt-golden-") as folder:
        output = _output(line, path, Path(folder) / path.stem, shelf)
    if update and _update(path, line.prefixes, output):
        raise GoldenError(f"{path.name} was updated: read the change, and run again without --update-golden")
    _check_file(path)
    if line.prefixes:
        file_check(output, path, list(line.prefixes))
        _check_blocks(line, path, output)


def _output(line: RunLine, path: Path, temporary: Path, shelf: Shelf) -> str:
    """What the last command prints; each must end as it should."""
    output = ""
    for command in line.commands:
        argv = [_substitute(word, path, temporary, shelf) for word in command.words]
        stdout, stderr = io.StringIO(), io.StringIO()
        code = run(_COMMANDS[argv[0]], argv[1:], io.StringIO(), stdout, stdout if command.with_stderr else stderr)
        output = stdout.getvalue()
        if code != (BAD_INPUT if command.fails else 0):
            raise GoldenError(f"exit code {code} of: {line.text}\n{stderr.getvalue()}{output}")
    return output


def _substitute(word: str, path: Path, temporary: Path, shelf: Shelf) -> str:
    def value(match: re.Match[str]) -> str:
        known = {"s": path, "t": temporary}
        if match["name"] is None and match["letter"] not in known:
            raise GoldenError(f"{match.group()} stands for nothing in: {word}")
        return str(shelf[match["name"]] if match["name"] else known[match["letter"]])

    return _PLACEHOLDER.sub(value, word)


def _check_file(path: Path) -> None:
    """Fails for what would never be checked: directives of no prefix, and expected diagnostics without the flag."""
    lines = run_lines(path)
    check_directives(path, [prefix for each in lines for prefix in each.prefixes])
    if not any(each.verifies for each in lines) and _EXPECTED.search(path.read_text("utf-8")):
        raise FileCheckError(f"{path.name}: it expects diagnostics, and no RUN line has {_VERIFY}")


def _check_blocks(line: RunLine, path: Path, output: str) -> None:
    """FileCheck ignores what stands in front of the first directive and behind the last; a generated block does not."""
    text = path.read_text("utf-8")
    for prefix in line.prefixes:
        for block in _block(prefix).finditer(text):
            if lines_of(block["lines"]) != as_directives(output, prefix):
                raise FileCheckError(f"{path.name}: the block {prefix} is not all of the output\n{output}")


def _block(prefix: str) -> re.Pattern[str]:
    return re.compile(rf"(?P<begin>// BEGIN {prefix}\n)(?P<lines>.*?)(?P<end>// END {prefix}\n)", re.DOTALL)


def _update(path: Path, prefixes: Iterable[str], output: str) -> bool:
    """Whether a generated block of the prefixes changed; files without one are never touched."""
    before = after = path.read_text("utf-8")
    for prefix in prefixes:
        lines = "".join(f"{line}\n" for line in as_directives(output, prefix))
        after = _block(prefix).sub(lambda block, lines=lines: f"{block['begin']}{lines}{block['end']}", after)
    if after == before:
        return False
    path.write_text(after, "utf-8")
    return True
