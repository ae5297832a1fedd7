"""Golden files: `*.mil` whose RUN lines are executed in this process.

    // RUN: mil-opt %{linear} --pass-pipeline='program(quantize-weights)' | filecheck %s --check-prefix=IOS17

`%{name}` is the package of a program of `support.programs`, `%s` the file itself. `not` in front expects exit code 2,
`2>&1` adds stderr to the output. Lines between `// BEGIN PREFIX` and `// END PREFIX` are generated:
`pytest --update-golden` writes them anew and fails, so that a run can not bless itself.
"""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path

import attrs
from milopt.cli.entry import BAD_INPUT, run
from milopt.cli.main import milopt
from milopt.cli.mil_opt import mil_opt
from support import programs_quantize  # noqa: F401 - registers its programs
from support.filechecking import as_directives, check_directives, file_check
from support.packages import Shelf

_RUN = re.compile(r"^// RUN:\s*(?P<line>.+)$", re.MULTILINE)
_COMMANDS = {"mil-opt": mil_opt, "milopt": milopt}


class GoldenError(Exception):
    """A RUN line that can not be read, a command that failed, or a file that was updated."""


@attrs.frozen
class RunLine:
    """One RUN line: a command, and the prefixes that its output is checked with."""

    text: str
    command: tuple[str, ...]
    prefixes: tuple[str, ...]
    fails: bool
    with_stderr: bool


def run_lines(path: Path) -> list[RunLine]:
    """The RUN lines of a golden file, in order."""
    found = [_parse(match.group("line")) for match in _RUN.finditer(path.read_text("utf-8"))]
    if not found:
        raise GoldenError(f"{path.name} has no RUN line")
    return found


def _parse(line: str) -> RunLine:
    left, bar, right = line.partition(" | ")
    words, check = shlex.split(left), shlex.split(right)
    fails, merged = words[:1] == ["not"], "2>&1" in words
    words = [word for word in words[fails:] if word != "2>&1"]
    prefixes = [word.split("=")[1] for word in check[2:] if word.startswith("--check-prefix=")]
    if not bar or check[:2] != ["filecheck", "%s"] or len(check) != 2 + len(prefixes) or words[0] not in _COMMANDS:
        raise GoldenError(f"not '[not] mil-opt ... [2>&1] | filecheck %s [--check-prefix=P]': {line}")
    return RunLine(line, tuple(words), tuple(prefixes or ["CHECK"]), fails, merged)


def execute(line: RunLine, path: Path, shelf: Shelf, *, update: bool) -> None:
    """Runs a RUN line and checks its output, or writes its generated block anew."""
    output = _output(line, path, shelf)
    if update and _update(path, line.prefixes[0], output):
        raise GoldenError(f"{path.name} was updated: read the change, and run again without --update-golden")
    check_directives(path, [prefix for each in run_lines(path) for prefix in each.prefixes])
    file_check(output, path, list(line.prefixes))


def _output(line: RunLine, path: Path, shelf: Shelf) -> str:
    argv = [_substitute(word, path, shelf) for word in line.command]
    stdout, stderr = io.StringIO(), io.StringIO()
    code = run(_COMMANDS[argv[0]], argv[1:], io.StringIO(), stdout, stdout if line.with_stderr else stderr)
    if code != (BAD_INPUT if line.fails else 0):
        raise GoldenError(f"exit code {code} of: {line.text}\n{stderr.getvalue()}{stdout.getvalue()}")
    return stdout.getvalue()


def _substitute(word: str, path: Path, shelf: Shelf) -> str:
    word = re.sub(r"%\{(\w+)\}", lambda match: str(shelf[match.group(1)]), word)
    return word.replace("%s", str(path))


def _update(path: Path, prefix: str, output: str) -> bool:
    """Whether the generated block of a prefix changed; files without one are never touched."""
    before = path.read_text("utf-8")
    block = re.compile(rf"(// BEGIN {prefix}\n).*?(// END {prefix}\n)", re.DOTALL)
    lines = "\n".join(as_directives(output, prefix))
    after = block.sub(lambda match: f"{match.group(1)}{lines}\n{match.group(2)}", before)
    if after == before:
        return False
    path.write_text(after, "utf-8")
    return True
