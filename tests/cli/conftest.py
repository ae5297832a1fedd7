"""Both commands in this process, as functions of their arguments."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest
from milopt.cli.entry import run
from milopt.cli.main import milopt as milopt_command
from milopt.cli.mil_opt import mil_opt as mil_opt_command
from milopt.passes.base import Pass
from milopt.passes.registry import register, unregister
from support.packages import Shelf


class Ran(NamedTuple):
    """What a command gave back."""

    code: int
    out: str
    err: str


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


@pytest.fixture
def registered() -> Iterator[Callable[[type[Pass]], type[Pass]]]:
    """Registers passes for the length of a test."""
    known: list[type[Pass]] = []

    def remember(cls: type[Pass]) -> type[Pass]:
        known.append(register(cls))
        return cls

    yield remember
    for cls in known:
        unregister(cls)
