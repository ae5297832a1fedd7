"""docs/eligibility.md: its tables are those of the code, and what it shows happens."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from milopt.passes.analysis.eligibility.activation_rules import ACTIVATION_RULES
from milopt.passes.analysis.eligibility.chips import CHIPS
from milopt.passes.analysis.eligibility.placement import PLACEMENTS
from milopt.passes.analysis.eligibility.records import LEVELS
from milopt.passes.analysis.eligibility.rule import Rule
from milopt.passes.analysis.eligibility.schemes import SCHEMES
from milopt.passes.analysis.eligibility.weight_rules import NO_WEIGHT, WEIGHT_RULES
from support.pages import Page
from support.source_tree import ROOT

FILE = ROOT / "docs" / "eligibility.md"
PAGE = FILE.read_text("utf-8")


def table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(titles), ["---"] * len(list(titles)), *map(list, rows)]
    return "".join(f"| {' | '.join(line)} |\n".replace("|  |", "| |").replace("|  |", "| |") for line in lines)


def rules(found: Iterable[Rule], schemes: int) -> str:
    rows = [
        (f"`{rule.code}`", rule.level, "all" if len(rule.schemes) == schemes else ", ".join(rule.schemes), rule.what,
         rule.suggestion or "", rule.source, rule.reliability)
        for rule in found
    ]  # fmt: skip
    return table(("code", "level", "schemes", "when", "what to do", "source", ""), rows)


TABLES = {
    "schemes": table(
        ("scheme", "what it means", "from", "encoded by"),
        ((f"`{each.name}`", each.summary, each.since.ios, f"`{each.op}`") for each in SCHEMES),
    ),
    "weights": rules((*NO_WEIGHT, *WEIGHT_RULES), 3),
    "activations": rules(ACTIVATION_RULES, 2),
    "placements": table(
        ("ops", "from", "why", "source", ""),
        (
            (", ".join(f"`{name}`" for name in each.op_types), "never" if each.since is None else f"H{each.since}",
             each.why, each.source, each.reliability)
            for each in PLACEMENTS
        ),
    ),
}  # fmt: skip


def with_tables(page: str) -> str:
    for name, text in TABLES.items():
        page = re.sub(rf"(<!-- {name} -->\n).*?(<!-- end -->)", lambda found, text=text: f"{found[1]}{text}{found[2]}",
                      page, flags=re.DOTALL)  # fmt: skip
    return page


def test_page_shows_what_happens(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    executed = with_tables(Page(PAGE, tmp_path).executed())
    if pytestconfig.getoption("--update-golden"):
        FILE.write_text(executed, "utf-8")
    assert executed == PAGE, "read what was printed, or write it with --update-golden"


def test_every_table_is_on_the_page() -> None:
    assert re.findall(r"^<!-- (\w+) -->$", PAGE, re.MULTILINE) == [each for name in TABLES for each in (name, "end")]


def test_levels_of_the_page_are_all() -> None:
    section = PAGE.split("## Verdicts")[1].split("## Weights")[0]
    assert tuple(re.findall(r"^\| ([\w-]+) \| `", section, re.MULTILINE)) == LEVELS


def test_generations_of_the_page_are_those_of_the_chips() -> None:
    generations = {chip.name: chip.generation for chip in CHIPS}
    told = re.findall(r"\bH(\d+)(?: is the Neural Engine of| that of) (A\d+(?: Pro)?)(?:\s+and\s+(M\d))?", PAGE)
    assert [int(number) for number, _, _ in told] == [13, 14, 15, 16, 17, 18]
    for number, phone, mac in told:
        assert generations[phone] == int(number)
        assert not mac or generations[mac] == int(number)
