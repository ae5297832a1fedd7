from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from milopt.cli.main import milopt
from milopt.cli.mil_opt import mil_opt
from milopt.ir.text.parser import parse_proto
from milopt.ir.text.printer import print_proto
from milopt.ir.text.reading import parse_program
from milopt.ir.verifier import verify
from milopt.pipelines.text import parse_pipeline
from support.source_tree import ROOT

README = (ROOT / "README.md").read_text("utf-8")
TEXT = (ROOT / "docs" / "text.md").read_text("utf-8")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
LINKS = [(page, link) for page in PAGES for link in re.findall(r"\]\(([\w./#-]+)\)", page.read_text("utf-8"))]
# The tables of the architecture page, each of a folder.
FOLDERS = ("ir", "runtime", "passes")
TABLES = re.findall(r"^\| file \|.*\n\|.*\n((?:\|.*\n)*)", ARCHITECTURE, re.MULTILINE)


def blocks(language: str, page: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def commands(page: str) -> list[str]:
    return re.findall(r"^\$ (.*?)(?:\s+[#>].*)?$", "\n".join(blocks("console", page)), re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """What a page's headings can be linked by."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_set_up_takes_two_commands() -> None:
    assert [block.count("\n") for block in blocks("sh")] == [1, 1]


@pytest.mark.parametrize("code", blocks("python"))
def test_python_of_the_readme_runs(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - our own text


@pytest.mark.parametrize("line", [*commands(README), *commands(TEXT)])
def test_commands_of_the_pages_exist(line: str) -> None:
    program, *words = shlex.split(line)
    command: click.Command = {"milopt": milopt, "mil-opt": mil_opt}[program]
    context = None
    if isinstance(command, click.Group):  # click remembers the names of help flags, which come from the parent
        context, command = click.Context(command, info_name=program), command.commands[words.pop(0)]
    command.make_context(program, words, parent=context)


@pytest.mark.parametrize("text", re.findall(r"--pass-pipeline='(.*?)'", README))
def test_pipelines_of_the_readme_parse(text: str) -> None:
    assert parse_pipeline(text)


@pytest.mark.parametrize(("page", "link"), LINKS, ids=[f"{page.name}-{link}" for page, link in LINKS])
def test_links_of_the_pages_lead_somewhere(page: Path, link: str) -> None:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    assert target.exists()
    assert not anchor or anchor in anchors(target)


@pytest.mark.parametrize(("folder", "table"), zip(FOLDERS, TABLES, strict=True), ids=FOLDERS)
def test_tables_of_the_architecture_name_everything(folder: str, table: str) -> None:
    told = {name for row in table.splitlines() for name in re.findall(r"`([\w./]+)`", row.split("|")[1])}
    files = {path.name for path in (ROOT / folder).glob("[a-z]*.py")}
    folders = {f"{path.parent.name}/" for path in (ROOT / folder).glob("*/__init__.py")}
    assert told == files | folders


def test_program_of_the_text_page_is_one() -> None:
    (text,) = blocks("mil", TEXT)
    assert print_proto(parse_proto(text).program) == text
    assert verify(parse_program(text)) == []
