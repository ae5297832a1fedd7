"""The registry: each file of passes/transforms is a pass, documented, with options that say what they are."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from milopt.ir.errors import PipelineError
from milopt.passes import transforms
from milopt.passes.base import UNCHANGED, Outcome, Pass
from milopt.passes.context import PassContext
from milopt.passes.options import option, options_of
from milopt.passes.pipeline import NamedPipeline
from milopt.passes.pipeline_text import parse_pipeline
from milopt.passes.registry import (
    element_class,
    list_passes,
    pass_class,
    pass_names,
    pipeline_class,
    pipeline_names,
    register,
    unregister,
)
from milopt.passes.transforms.quantize_weights import QuantizeWeights

Registered = Callable[[type[Pass]], type[Pass]]
FILES = sorted(file for file in Path(transforms.__path__[0]).glob("*.py") if file.stem != "__init__")
STEMS = [file.stem for file in FILES]
# Values for the options that must be given, so that every pass can be made.
GIVEN = {"raise_opset": {"target": "iOS18"}, "fixed_point": {"pipeline": "program()"}}


def class_of(stem: str) -> type[Pass]:
    return pass_class(stem)


def made_of(stem: str) -> Pass:
    return class_of(stem).from_options(GIVEN.get(stem, {}))


def paragraphs(stem: str) -> str:
    return inspect.getdoc(class_of(stem)) or ""


# --- every file is a pass


def test_there_are_passes() -> None:
    assert {"quantize_weights", "raise_opset"} <= set(STEMS)


def test_every_file_is_registered_and_nothing_else() -> None:
    assert [row.name.replace("-", "_") for row in list_passes() if row.distribution is None] == STEMS


@pytest.mark.parametrize("stem", STEMS)
def test_pass_has_one_name_in_three_spellings(stem: str) -> None:
    cls = class_of(stem)
    assert Path(inspect.getfile(cls)).stem == stem
    assert cls.pass_name() == stem.replace("_", "-")
    assert cls.__name__ == "".join(word.capitalize() for word in stem.split("_"))
    assert pass_class(stem) is pass_class(stem.replace("_", "-")) is cls


@pytest.mark.parametrize("stem", STEMS)
def test_file_holds_one_pass(stem: str) -> None:
    module = inspect.getmodule(class_of(stem))
    assert module is not None
    found = [
        each
        for each in vars(module).values()
        if inspect.isclass(each) and issubclass(each, Pass) and each.__module__ == module.__name__
    ]
    assert found == [class_of(stem)]
    assert f"`{class_of(stem).pass_name()}`" in (module.__doc__ or "")


@pytest.mark.parametrize("stem", STEMS)
def test_pass_is_a_frozen_record_of_keywords(stem: str) -> None:
    made = made_of(stem)
    assert all(field.kw_only for field in attrs.fields(type(made)))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        made.anything = 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("stem", STEMS)
def test_pass_says_what_it_runs_on(stem: str) -> None:
    assert class_of(stem).anchor in ("program", "function")
    assert class_of(stem).run is not Pass.run


@pytest.mark.parametrize("stem", STEMS)
def test_pass_prints_and_parses(stem: str) -> None:
    made = made_of(stem)
    text = f"{made.anchor}({made})"
    assert list(parse_pipeline(text).passes()) == [made]


# --- every pass is documented


@pytest.mark.parametrize("stem", STEMS)
def test_pass_is_documented_by_a_summary_rules_and_an_example(stem: str) -> None:
    text = paragraphs(stem)
    summary = text.partition("\n")[0]
    assert re.fullmatch(r"[A-Z].*\.", summary)
    assert len(summary) <= 100
    places = [re.search(pattern, text, re.MULTILINE) for pattern in (r"^Rules:$", r"^Before:$", r"^After(,.*)?:$")]
    assert all(places), "Rules:, Before: and After: head its paragraphs"
    assert [place.start() for place in places if place] == sorted(place.start() for place in places if place)


@pytest.mark.parametrize("stem", STEMS)
def test_rules_are_numbered_and_tell_what_is_refused(stem: str) -> None:
    rules = paragraphs(stem).partition("Rules:")[2].partition("Before:")[0]
    numbers = [int(number) for number in re.findall(r"^ +(\d+)\. ", rules, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1)) != []
    assert re.search(r"refused|Left alone|left alone", rules, re.IGNORECASE)


@pytest.mark.parametrize("stem", STEMS)
@pytest.mark.parametrize("heading", ["Before", "After"])
def test_example_is_indented_text(stem: str, heading: str) -> None:
    example = re.split(rf"^{heading}.*:$", paragraphs(stem), flags=re.MULTILINE)[1].strip("\n")
    assert example.startswith("    ")


@pytest.mark.parametrize("stem", STEMS)
def test_options_have_help_of_one_line(stem: str) -> None:
    cls = class_of(stem)
    assert len(options_of(cls)) == len(attrs.fields(cls))
    for each in options_of(cls).values():
        assert each.help
        assert "\n" not in each.help
        assert not each.help.endswith(".")


@pytest.mark.parametrize("stem", STEMS)
def test_default_is_one_of_the_choices(stem: str) -> None:
    for each in options_of(class_of(stem)).values():
        chosen = each.default if isinstance(each.default, tuple) else (each.default,)
        assert not each.choices or each.default is attrs.NOTHING or set(chosen) <= set(each.choices)


# --- registering


@attrs.frozen(kw_only=True)
class ForTests(Pass):
    """Does nothing.

    Rules:
        1. Nothing is left alone.
    """

    flag: bool = option(False, help="a flag")  # noqa: FBT003 - the default that gives the option its type
    ratio: float = option(float, help="a ratio that must be given")
    words: str = option("two words", help="some words", choices=("two words", "one"))

    def run(self, root: Any, context: PassContext) -> Outcome:  # noqa: ARG002
        return UNCHANGED


def impostor(name: str) -> type[Pass]:
    return type(name, (Pass,), {})


def test_registered_pass_is_known_by_both_names(registered: Registered) -> None:
    assert registered(ForTests) is ForTests
    assert pass_class("for-tests") is pass_class("for_tests") is ForTests
    assert "for-tests" in pass_names()
    assert pass_names() == sorted(pass_names())


def test_registering_again_is_harmless(registered: Registered) -> None:
    registered(ForTests)
    registered(ForTests)
    assert pass_names().count("for-tests") == 1


@pytest.mark.parametrize("name", ["QuantizeWeights", "RaiseOpset", "ForTests"])
def test_name_that_is_taken_is_refused(name: str, registered: Registered) -> None:
    registered(ForTests)
    kebab = impostor(name).pass_name()
    before = pass_class(kebab)
    with pytest.raises(PipelineError, match=f"^a pass named '{kebab}' is registered already$"):
        register(impostor(name))
    assert pass_class(kebab) is before


def test_unregistered_pass_is_unknown(registered: Registered) -> None:
    registered(ForTests)
    unregister(ForTests)
    assert "for-tests" not in pass_names()
    with pytest.raises(PipelineError, match="there is no pass 'for-tests'"):
        pass_class("for-tests")
    registered(impostor("ForTests"))  # the name is free again


def test_unregistering_what_is_not_registered_is_harmless() -> None:
    unregister(ForTests)
    unregister(QuantizeWeights)
    assert pass_class("quantize-weights") is QuantizeWeights


def test_unregistering_takes_no_other_pass_of_that_name(registered: Registered) -> None:
    registered(ForTests)
    unregister(impostor("ForTests"))
    assert pass_class("for-tests") is ForTests


@pytest.mark.parametrize("name", ["for-test", "For-Tests", "ForTests"])
def test_unknown_name_is_answered_with_the_nearest(name: str, registered: Registered) -> None:
    registered(ForTests)
    with pytest.raises(PipelineError, match=rf"^there is no pass '{name}' \(did you mean 'for-tests'\?\)$"):
        pass_class(name)


# --- named pipelines


@attrs.frozen(kw_only=True)
class PipelineForTests(NamedPipeline):
    """Consists of nothing."""

    def build(self) -> tuple[Pass, ...]:
        return ()


def test_registered_pipeline_is_known_by_both_names(registered: Registered) -> None:
    registered(PipelineForTests)  # type: ignore[arg-type]
    assert pipeline_class("pipeline-for-tests") is pipeline_class("pipeline_for_tests") is PipelineForTests
    assert element_class("pipeline-for-tests") is PipelineForTests
    assert "pipeline-for-tests" in pipeline_names()
    assert "pipeline-for-tests" not in pass_names()
    unregister(PipelineForTests)
    assert "pipeline-for-tests" not in pipeline_names()


def test_pass_is_no_pipeline(registered: Registered) -> None:
    registered(PipelineForTests)  # type: ignore[arg-type]
    with pytest.raises(PipelineError, match=r"^there is no pipeline 'quantize-weights' \(it is a pass\)$"):
        pipeline_class("quantize-weights")
    with pytest.raises(PipelineError, match=r"^there is no pass 'pipeline-for-tests' \(it is a pipeline\)$"):
        pass_class("pipeline-for-tests")
    with pytest.raises(PipelineError, match=r"\(did you mean 'pipeline-for-tests'\?\)$"):
        pipeline_class("pipeline-for-test")


def test_pass_and_pipeline_can_not_have_one_name(registered: Registered) -> None:
    registered(PipelineForTests)  # type: ignore[arg-type]
    with pytest.raises(PipelineError, match=r"^a pass named 'pipeline-for-tests' is registered already$"):
        register(impostor("PipelineForTests"))
    with pytest.raises(PipelineError, match=r"^a pipeline named 'raise-opset' is registered already$"):
        register(type("RaiseOpset", (NamedPipeline,), {}))
