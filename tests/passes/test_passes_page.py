"""docs/passes.md: all that it shows is executed, and prints what it says."""

from __future__ import annotations

import re
from pathlib import Path

import click
import milopt.passes.instrumentation
import pytest
from milopt.cli import exit_codes
from milopt.cli.mil_opt import mil_opt
from milopt.passes.canonicalization.families import FAMILIES
from milopt.passes.context import PassContext
from milopt.passes.registry import unregister
from support.pages import Page
from support.source_tree import ROOT

FILE = ROOT / "docs" / "passes.md"
PAGE = FILE.read_text("utf-8")
PROSE = re.sub(r"^```.*?^```$", "", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_page_shows_what_happens(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    page = Page(PAGE, tmp_path)
    try:
        executed = page.executed()
    finally:
        if "FuseClips" in page.names:
            unregister(page.names["FuseClips"])
    if pytestconfig.getoption("--update-golden"):
        FILE.write_text(executed, "utf-8")
    assert executed == PAGE, "read what was printed, or write it with --update-golden"


@pytest.mark.parametrize("flag", sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z-]*(?<!-)(?![.\w-])", PROSE)) - {"--no"}))
def test_flags_of_the_page_exist(flag: str) -> None:
    assert any(flag in (*each.opts, *each.secondary_opts) for each in mil_opt.params if isinstance(each, click.Option))


@pytest.mark.parametrize("name", re.findall(r"\| `(\w+)` \|$", PAGE, re.MULTILINE))
def test_instrumentations_of_the_page_exist(name: str) -> None:
    files = Path(milopt.passes.instrumentation.__path__[0]).glob("*.py")
    assert any(re.search(rf"^class {name}\b", file.read_text("utf-8"), re.MULTILINE) for file in files)


def test_context_of_the_page_is_all_of_it() -> None:
    told = set(re.findall(r"^\| `context\.(\w+)", PAGE, re.MULTILINE))
    wiring = {"pass_name", "run", "say", "admit", "nest", "function_name"}
    assert told == {name for name in dir(PassContext) if not name.startswith("_")} - wiring


def test_families_of_the_page_are_all() -> None:
    (table,) = re.findall(r"^\| family \|.*\n\|.*\n((?:\|.*\n)*)", PAGE, re.MULTILINE)
    assert tuple(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == FAMILIES


def test_exit_codes_of_the_page_are_all() -> None:
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}
    assert told == {value for value in vars(exit_codes).values() if isinstance(value, int)}
