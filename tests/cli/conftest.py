"""Both commands in this process, as functions of their arguments."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import click
import pytest
from milopt.cli.entry import BAD_INPUT, run
from milopt.cli.main import milopt as milopt_command
from milopt.cli.mil_opt import mil_opt as mil_opt_command
from support.packages import Shelf


class Ran(NamedTuple):
    """What a command gave back."""

    code: int
    out: str
    err: str

    def require_mistake(self, message: str) -> None:
        """Asserts that it was refused in one line that says `message`, and printed nothing else."""
        assert (self.code, self.out) == (BAD_INPUT, "")
        assert self.err.startswith("error: ")
        assert self.err.endswith("\n")
        assert len(self.err.splitlines()) == 1
        assert message in self.err
        assert "Traceback" not in self.err


def runner(command: click.Command, shelf: Shelf, folder: Path) -> Callable[..., Ran]:
    """Runs a command; `@name` stands for a package of the shelf, `@/name` for a file in the test's folder."""

    def expanded(word: object) -> str:
        text = str(word)
        if text.startswith("@/"):
            return str(folder / text[2:])
        return str(shelf[text[1:]]) if text.startswith("@") else text

    def run_it(*words: object) -> Ran:
        out, err = io.StringIO(), io.StringIO()
        code = run(command, [expanded(word) for word in words], io.StringIO(), out, err)
        return Ran(code, out.getvalue(), err.getvalue())

    return run_it


@pytest.fixture
def milopt(shelf: Shelf, tmp_path: Path) -> Callable[..., Ran]:
    return runner(milopt_command, shelf, tmp_path)


@pytest.fixture
def mil_opt(shelf: Shelf, tmp_path: Path) -> Callable[..., Ran]:
    return runner(mil_opt_command, shelf, tmp_path)
