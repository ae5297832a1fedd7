"""docs/calibration.md: all that it shows is executed, and prints what it says."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from milopt.cli.commands.calibrate import calibrate
from milopt.cli.commands.optimize import optimize
from milopt.passes.analysis.calibration.observers import OBSERVERS
from milopt.passes.analysis.data_checks import rules as data_checks_rules
from support.pages import Page
from support.source_tree import ROOT

FILE = ROOT / "docs" / "calibration.md"
PAGE = FILE.read_text("utf-8")
RULES = Path(data_checks_rules.__file__).read_text("utf-8")


def first_column(heading: str) -> set[str]:
    (table,) = re.findall(rf"^\| {heading} \|.*\n\|.*\n((?:\|.*\n)*)", PAGE, re.MULTILINE)
    return set(re.findall(r"^\| `([a-z0-9-]+)", table, re.MULTILINE))


def test_page_shows_what_happens(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")

    executed = Page(PAGE, tmp_path).executed()

    if pytestconfig.getoption("--update-golden"):
        FILE.write_text(executed, "utf-8")
    assert executed == PAGE, "read what was printed, or write it with --update-golden"


def test_checks_of_the_page_are_all() -> None:
    assert first_column("code") == set(re.findall(r'^ +"([a-z]+(?:-[a-z0-9]+)+)",$', RULES, re.MULTILINE)) | set(
        re.findall(r'Finding\("missed", "([a-z0-9-]+)"', RULES)
    )


def test_observers_of_the_page_are_all() -> None:
    assert first_column("observer") == OBSERVERS.keys()


@pytest.mark.parametrize("flag", sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", PAGE))))
def test_flags_of_the_page_exist(flag: str) -> None:
    options = (each for command in (calibrate, optimize) for each in command.params if isinstance(each, click.Option))
    assert any(flag in each.opts for each in options)


@pytest.mark.parametrize("code", re.findall(r"^```py\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
def test_code_that_needs_a_cluster_is_python(code: str) -> None:
    assert compile(code, "calibration.md", "exec")
