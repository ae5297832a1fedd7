"""docs/compare.md: its commands and its code are executed, and print what it shows."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from milopt.cli.commands.compare import compare
from milopt.cli.commands.evaluate import evaluate
from support.pages import Page
from support.source_tree import ROOT

FILE = ROOT / "docs" / "compare.md"
PAGE = FILE.read_text("utf-8")
PROSE = re.sub(r"^```.*?^```$", "", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_page_shows_what_happens(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    executed = Page(PAGE, tmp_path).executed()
    if pytestconfig.getoption("--update-golden"):
        FILE.write_text(executed, "utf-8")
    assert executed == PAGE, "read what was printed, or write it with --update-golden"


@pytest.mark.parametrize("flag", sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z-]*(?![.\w-])", PROSE))))
def test_flags_of_the_page_exist(flag: str) -> None:
    assert any(flag in each.opts for command in (compare, evaluate) for each in command.params)


@pytest.mark.parametrize("command", [compare, evaluate], ids=lambda each: each.name)
def test_flags_of_the_commands_are_told(command: click.Command) -> None:
    obvious = {"--data", "--function", "--threads", "--allow-missing-weights"}  # as in all commands that run models
    flags = {flag for each in command.params if isinstance(each, click.Option) for flag in each.opts}
    assert flags - obvious <= set(re.findall(r"--[a-z-]+\b", PAGE))
