"""Pages that are run: what their commands and their code print is what they show.

A block of MIL whose first line is `// name.mil` is a file of the folder that all is run in. Below a command of a
console block stands what it prints, stderr included; below a block of Python may stand a block of text with what that
prints. A line `[...]` stands for any lines, and a time for any other.
"""

from __future__ import annotations

import io
import re
import shlex
import subprocess
from contextlib import chdir, redirect_stdout
from pathlib import Path
from typing import Any

from milopt.cli.entry import run
from milopt.cli.main import milopt
from milopt.cli.mil_opt import mil_opt

_COMMANDS = {"milopt": milopt, "mil-opt": mil_opt}
_BLOCK = re.compile(
    r"^```(?P<language>mil|console|python)\n(?P<body>.*?)^```\n(?:\n```text\n(?P<output>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)
_COMMAND = re.compile(r"^\$ (?P<command>.*\n(?:    .*\n)*)(?P<output>(?:(?!\$ ).*\n)*)", re.MULTILINE)
_TIME = re.compile(r"\s*\d+\.\d{4}\s+\d+\.\d%|(?<=, )\d+\.\d(?= s$)")
_ANY = r"(?:.*\n)*?"
_ERROR = re.compile(r"(^|: )error: ", re.MULTILINE)


def blocks(language: str, page: str) -> list[str]:
    """The contents of a page's blocks of a language."""
    return [found["body"] for found in _BLOCK.finditer(page) if found["language"] == language]


class Page:
    """A page in the course of its execution.

    Args:
        text: the page, in Markdown.
        folder: what it is run in.

    Attributes:
        names: what its Python defined.
    """

    def __init__(self, text: str, folder: Path) -> None:
        self._text, self._folder = text, folder
        self.names: dict[str, Any] = {"__name__": "page"}

    def executed(self) -> str:
        """The page as it should be: as it is where it shows what was printed, mended elsewhere."""
        with chdir(self._folder):
            return _BLOCK.sub(self._block, self._text)

    def _block(self, block: re.Match[str]) -> str:
        match block["language"]:
            case "mil":
                return self._file(block)
            case "console":
                return f"```console\n{_COMMAND.sub(_command, block['body'])}```\n"
        return self._python(block)

    def _file(self, block: re.Match[str]) -> str:
        name = re.match(r"// (\S+\.mil)\n", block["body"])
        if name is not None:
            Path(name[1]).write_text(block["body"], "utf-8")
        return block[0]

    def _python(self, block: re.Match[str]) -> str:
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(compile(block["body"], "page", "exec"), self.names)  # noqa: S102 - our own text
        shown = _shown(block["output"] or "", printed.getvalue())
        return f"```python\n{block['body']}```\n" + (f"\n```text\n{shown}```\n" if shown else "")


def _command(block: re.Match[str]) -> str:
    code, printed = _run(block["command"].replace("\\\n", "\n"))
    assert (code != 0) == bool(_ERROR.search(printed)), f"exit code {code} of {block['command']}{printed}"
    return f"$ {block['command']}{_shown(block['output'], printed)}"


def _run(command: str) -> tuple[int, str]:
    """The exit code of a command, and what it prints."""
    words = shlex.split(command)
    if words[0] in _COMMANDS:
        printed = io.StringIO()
        return run(_COMMANDS[words[0]], words[1:], io.StringIO(), printed, printed), printed.getvalue()
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - our own text
    return done.returncode, done.stdout + done.stderr


def _shown(shown: str, printed: str) -> str:
    """What the page shows if that is what was printed, else what was."""
    lines = [line.rstrip() for line in printed.splitlines()]
    if re.fullmatch("".join(map(_pattern, shown.splitlines())), "".join(f"{_plain(line)}\n" for line in lines)):
        return shown
    return "".join(f"{line}\n" for line in lines)


def _pattern(line: str) -> str:
    return _ANY if line.strip() == "[...]" else f"{re.escape(_plain(line))}\n"


def _plain(line: str) -> str:
    return _TIME.sub("TIME", line)
