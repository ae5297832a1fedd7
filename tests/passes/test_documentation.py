"""What passes say of themselves: every example is run, and what is shown is what the class says."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from typing import Any, ClassVar

import attrs
import pytest
from milopt.ir.errors import PipelineError
from milopt.ir.text.printer import print_program
from milopt.ir.text.reading import parse_program
from milopt.passes.base import Anchor, Pass
from milopt.passes.catalogue.docstrings import Example, examples_in, rules_in
from milopt.passes.catalogue.documentation import Documentation, OptionDoc, document, document_foreign
from milopt.passes.manager import PassManager
from milopt.passes.options import option
from milopt.passes.pipeline import NamedPipeline
from milopt.passes.pipeline_option import option_pipeline
from milopt.passes.pipeline_text import parse_pipeline
from milopt.passes.registry import list_passes, list_pipelines
from milopt.pipelines.named import register_named

register_named()
PASSES = [row.cls for row in list_passes() if row.cls and row.distribution is None]
EXAMPLES = [
    pytest.param(cls, example, id=f"{cls.pass_name()}-{number}")
    for cls in PASSES
    for number, example in enumerate(document(cls).examples)
]


def program_of(functions: str) -> Any:
    return parse_program(f"program(1.3)\n{{\n{functions}\n}}\n")


@pytest.mark.parametrize(("cls", "example"), EXAMPLES)
def test_example_of_a_pass_is_what_it_does(cls: type[Pass], example: Example) -> None:
    text = f"{cls.anchor}({cls.pass_name()}{{{example.options}}})"
    pipeline = parse_pipeline(text if cls.anchor == "program" else f"program({text})")
    before = program_of(example.before)
    result = PassManager(pipeline).run(before).program
    after = print_program(program_of(example.after), weights="inline")
    assert print_program(result, weights="inline") == after
    assert print_program(before, weights="inline") != after


@pytest.mark.parametrize("cls", PASSES)
def test_every_pass_has_an_example(cls: type[Pass]) -> None:
    assert document(cls).examples


# --- reading a docstring

TEXT = textwrap.dedent("""\
    Does it.

    Rules:
        1. The first,
           on two lines.
        2. Refused: 3. all else,
           e.g. 4.5 and `{x}`.

    Words between.

    Before:

        func main<ios18>() {
            a
        } -> (y);

    After:

        func main<ios18>() {

            b
        } -> (y);

    After, with `x=1 y`:

        c

    Before:
        d
    After, with `z`:
        e
""")


def test_rules_are_found() -> None:
    assert list(rules_in(TEXT)) == ["The first, on two lines.", "Refused: 3. all else, e.g. 4.5 and `{x}`."]


def test_examples_are_found() -> None:
    first = "func main<ios18>() {\n    a\n} -> (y);"
    assert list(examples_in(TEXT)) == [
        Example("", first, "func main<ios18>() {\n\n    b\n} -> (y);"),
        Example("x=1 y", first, "c"),
        Example("z", "d", "e"),
    ]


@pytest.mark.parametrize("text", ["", "Does it.", "Rules:", "Rules:\n    none\n", "Before:\n", "Before:\n\nAfter\n"])
def test_text_without_rules_and_examples_has_none(text: str) -> None:
    assert list(rules_in(text)) == []
    assert list(examples_in(text)) == []


# --- the record


@attrs.frozen
class Inner:
    bits: int = option(8, help="how many")


@attrs.frozen(kw_only=True)
class Documented(Pass):
    """Does nothing.

    Rules:
        1. It begins.
        2. Left alone: all.
    """

    anchor: ClassVar[Anchor] = "function"
    targets: ClassVar[str] = "iOS18 and later"
    statistics: ClassVar[dict[str, str]] = {"seen": "ops that it saw"}

    flag: bool = option(False, help="a flag")  # noqa: FBT003 - the default that gives the option its type
    ratio: float = option(float, help="a ratio that must be given")
    two_words: str = option("two words", help="some words", choices=("two words", "one"))
    sizes: tuple[int, ...] = option((1, 2), help="sizes")
    names: tuple[str, ...] = option((), of=str, help="names")
    inner: Inner = option(Inner(bits=4), help="more")
    then: Any = option_pipeline(help="what to run")


def test_documentation_of_a_pass_is_its_own() -> None:
    assert str(document(Documented)) == textwrap.dedent("""\
        documented (runs on a function; iOS18 and later; in coremltools: milopt::documented)

        Does nothing.

        Rules:
            1. It begins.
            2. Left alone: all.

        Options:
            flag=false: a flag
            ratio=...: a ratio that must be given
            two-words="two words" (two words, one): some words
            sizes=1,2: sizes
            names=[]: names
            inner={bits=4}: more
            then=...: what to run

        Statistics:
            seen: ops that it saw""")


def test_documentation_as_json_holds_everything() -> None:
    found = json.loads(json.dumps(document(Documented).as_json()))
    assert found["name"] == "documented"
    assert found["rules"] == ["It begins.", "Left alone: all."]
    assert found["refusals"] == ["Left alone: all."]
    assert found["statistics"] == {"seen": "ops that it saw"}
    assert found["options"][1] == {
        "name": "ratio",
        "takes": "a number",
        "default": None,
        "choices": [],
        "help": "a ratio that must be given",
    }
    assert [each["takes"] for each in found["options"]][3:] == [
        "a list, each item a whole number",
        "a list, each item a word",
        "options in braces such as {bits=...}",
        "a pipeline in braces such as {program(...)}",
    ]


def test_pass_without_options_says_nothing_of_them() -> None:
    class Bare(Pass):
        """Does nothing."""

    assert str(document(Bare)) == "bare (runs on a program; in coremltools: milopt::bare)\n\nDoes nothing."


def test_pipeline_has_no_name_in_coremltools() -> None:
    @attrs.frozen(kw_only=True)
    class Some(NamedPipeline):
        """Does something."""

    assert str(document(Some)) == "some (runs on a program)\n\nDoes something."
    assert document(Some).noun == "pipeline"


@pytest.mark.parametrize("row", [*list_passes(), *list_pipelines()], ids=lambda row: row.name)
def test_everything_is_documented(row: Any) -> None:
    page: Documentation = document(row.cls)
    assert page.summary
    assert all(each.help for each in page.options)
    assert json.dumps(page.as_json())


# --- passes of coremltools


def test_pass_of_coremltools_is_documented() -> None:
    page = document_foreign("common::const_elimination")
    assert page.name == page.coremltools_id == "common::const_elimination"
    assert str(page).startswith("common::const_elimination (runs on a program)\n\n")
    assert page.summary
    assert page.summary == " ".join(page.summary.split())
    assert [each.name for each in page.options] == ["skip_const_by_size"]


def test_options_of_coremltools_have_their_defaults() -> None:
    options = document_foreign("common::scaled_dot_product_attention_sliced_q").options
    assert OptionDoc("min_seq_length", "int", "1280") in options


def test_pass_that_can_not_be_made_is_documented_as_well() -> None:
    assert document_foreign("compression::WeightDecompressor").options == ()


@pytest.mark.parametrize("function", [document_foreign])
def test_unknown_pass_of_coremltools_is_refused(function: Callable[[str], object]) -> None:
    with pytest.raises(PipelineError, match=r"did you mean 'common::const_elimination'\?"):
        function("common::const_eliminaton")
