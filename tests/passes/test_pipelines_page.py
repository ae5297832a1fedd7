"""docs/pipelines.md: its code runs, its pipelines parse, its mistake is shown as it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from milopt.cli.main import milopt
from milopt.cli.mil_opt import mil_opt
from milopt.ir.diagnostics import TextError
from milopt.passes.registry import pipeline_class, unregister
from milopt.pipelines.text import parse_pipeline
from support.source_tree import ROOT

PAGE = (ROOT / "docs" / "pipelines.md").read_text("utf-8")
PARSER = (ROOT / "passes" / "text" / "parser.py").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("line", re.findall(r"^\$ (.*?)(?:\s+#.*)?$", "\n".join(blocks("console")), re.MULTILINE))
def test_commands_of_the_page_exist(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, *words = shlex.split(line)
    (tmp_path / "Model.mlpackage").mkdir()
    monkeypatch.chdir(tmp_path)
    command = {"milopt": milopt, "mil-opt": mil_opt}[program]
    context = command.make_context(program, words)
    if isinstance(command, click.Group):
        name, found, rest = command.resolve_command(context, words)
        assert found is not None
        found.make_context(name, rest, parent=context)
    for pipeline in re.findall(r"'(program\(.*\))'", line):
        assert parse_pipeline(pipeline)


@pytest.mark.parametrize("code", [code for code in blocks("python") if "import" in code])
def test_python_of_the_page_runs(code: str) -> None:
    exec(compile(code, "pipelines.md", "exec"), {"__name__": "page"})  # noqa: S102 - our own text
    if "SmallWeights" in code:
        text = "program(small-weights{dtype=uint8})"
        assert text in PAGE
        assert str(parse_pipeline(text)) == "program(raise-opset{target=iOS18}, quantize-weights{dtype=uint8})"
        unregister(pipeline_class("small-weights"))


@pytest.mark.parametrize("text", re.findall(r"^\| [^|]+ \| `(program\(.*\))` \|$", PAGE, re.MULTILINE))
def test_pipelines_of_the_page_parse(text: str) -> None:
    assert parse_pipeline(text)


def test_grammar_of_the_page_is_that_of_the_parser() -> None:
    rules = [re.findall(r"^    \w+ +::= .*$", text, re.MULTILINE) for text in (PAGE, PARSER)]
    assert rules[0] == rules[1] != []


def test_mistake_of_the_page_is_shown_as_it_says() -> None:
    with pytest.raises(TextError) as caught:
        parse_pipeline("program(\n    raise-opset{target=iOS18},\n    quantize-weights{dtpye=uint8}\n)")
    assert caught.value.diagnostics[0].render() + "\n" in blocks("text")
