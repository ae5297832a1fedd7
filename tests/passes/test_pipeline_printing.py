"""Pipelines print to text that rebuilds them, and any text is a pipeline or an error with its place."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from milopt.ir.diagnostics import TextError
from milopt.ir.errors import OptionError, PipelineError
from milopt.ir.targets import deployment_targets
from milopt.passes.foreign.passes import coremltools_pass
from milopt.passes.pipeline import Pipeline, program_pipeline
from milopt.passes.pipeline_text import parse_pipeline
from milopt.passes.transforms.quantize_weights import QuantizeWeights
from milopt.passes.transforms.raise_opset import RaiseOpset
from support.option_passes import EveryKind, Needy, Nested, OnFunctions, Rounding, Strict, TwoCounts, option_passes

quick = settings(deadline=None, database=None, derandomize=True)


@pytest.fixture(autouse=True, scope="module")
def registered() -> Iterator[None]:
    with option_passes():
        yield


# --- pipelines made in Python


def optional(**fields: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries({}, optional=fields)


quantizers = st.builds(
    QuantizeWeights,
    dtype=st.sampled_from(["int8", "uint8"]),
    mode=st.sampled_from(["symmetric", "affine"]),
    granularity=st.sampled_from(["per-channel", "per-tensor"]),
    min_elements=st.integers(0, 10**12),
)
raisers = st.builds(RaiseOpset, target=st.sampled_from(sorted(deployment_targets())))
floats = st.floats(allow_nan=False)
roundings = optional(
    mode=st.sampled_from(["even", "nearest-up", "down"]),
    bits=st.lists(st.integers(1), max_size=3),
    words=st.lists(st.text(max_size=5), max_size=3),
).map(lambda fields: Rounding(**fields))
nesteds = optional(rounding=roundings, scale=st.floats(0, allow_nan=False)).map(lambda fields: Nested(**fields))
functions = st.builds(
    lambda passes: Pipeline("function", tuple(passes)),
    st.lists(st.builds(OnFunctions, word=st.text(max_size=5)), max_size=3),
)


def every_kind(pipelines: st.SearchStrategy[Pipeline]) -> st.SearchStrategy[EveryKind]:
    return optional(
        flag=st.booleans(),
        switch=st.booleans(),
        count=st.integers(),
        ratio=floats,
        word=st.text(),
        side=st.sampled_from(["left", "right", "both sides"]),
        flags=st.lists(st.booleans(), max_size=3),
        counts=st.lists(st.integers(-5), max_size=3),
        ratios=st.lists(floats, max_size=3),
        words=st.lists(st.text(max_size=5), max_size=3),
        sides=st.lists(st.sampled_from(["left", "right", "both sides"]), max_size=3),
        rounding=roundings,
        roundings=st.lists(roundings, max_size=2),
        nested=nesteds,
        strict=st.builds(Strict, bits=st.integers()),
        then=pipelines,
    ).map(lambda fields: EveryKind(**fields))


foreign = st.one_of(
    st.sampled_from(["common::fuse_conv_batchnorm", "mil_backend::fuse_pow2_sqrt", "common::noop_elimination"]).map(
        lambda name: coremltools_pass(name, {})
    ),
    st.one_of(st.floats(0, 1e9), st.integers(0, 10**9), st.integers(0, 9).map(str)).map(
        lambda size: coremltools_pass("common::const_elimination", {"skip_const_by_size": size})
    ),
    st.text().map(lambda types: coremltools_pass("common::add_fp16_cast", {"skip_ops_by_type": types})),
)


def programs(pipelines: st.SearchStrategy[Pipeline]) -> st.SearchStrategy[Pipeline]:
    needy = st.builds(Needy, pipeline=pipelines, sizes=st.lists(st.integers(), max_size=3))
    named = st.builds(TwoCounts, first=st.integers(0))
    element = st.one_of(quantizers, raisers, every_kind(pipelines), foreign, functions, needy, named)
    return st.lists(element, max_size=4).map(lambda elements: program_pipeline(*elements))


pipelines = st.recursive(functions, programs, max_leaves=3)


@quick
@given(pipelines)
@example(program_pipeline(EveryKind(word='\\"\n} ,function(')))
@example(program_pipeline(EveryKind(word="\\")))
@example(program_pipeline(EveryKind(word="\u2028\x1c\x85\x00//")))
@example(program_pipeline(EveryKind(roundings=(Rounding(),), words=())))
@example(program_pipeline(EveryKind(words=("",), rounding=Rounding(words=("[]",)))))
def test_printed_pipeline_parses_to_itself(pipeline: Pipeline) -> None:
    text = str(pipeline)
    assert parse_pipeline(text) == pipeline
    assert str(parse_pipeline(text)) == text
    assert "\n" not in text


@quick
@given(pipelines, st.data())
def test_part_of_a_pipeline_is_never_taken_for_a_whole(pipeline: Pipeline, data: st.DataObject) -> None:
    text = str(pipeline)
    cut = data.draw(st.integers(0, len(text) - 1))
    assert_located_error(text[:cut])


# --- any text


def assert_located_error(text: str) -> None:
    """What is wrong is told in one line with a place inside the text."""
    with pytest.raises(TextError) as caught:
        parse_pipeline(text)
    assert isinstance(caught.value, PipelineError | OptionError)
    assert "\n" not in str(caught.value)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.location is not None
    lines = text.split("\n")
    assert 1 <= diagnostic.location.line <= len(lines)
    assert 1 <= diagnostic.location.column <= len(lines[diagnostic.location.line - 1]) + 1


def is_pipeline(text: str) -> bool:
    """Whether it is one; that it prints to itself then."""
    try:
        found = parse_pipeline(text)
    except TextError:
        return False
    assert parse_pipeline(str(found)) == found
    return True


WORDS = ["program", "function", "every-kind", "on-functions", "needy", "two-counts", "word", "count", "counts", "then",
         "rounding", "nested", "mode", "even", "1", '"a b"', '"', "(", ")", "{", "}", "[", "]", ",", "=", " ", "\n",
         "\\", "::", "common::noop_elimination", "//", "\ud800"]  # fmt: skip


@settings(quick, max_examples=500)
@given(st.lists(st.sampled_from(WORDS), max_size=16).map("".join))
def test_any_words_are_a_pipeline_or_an_error_with_its_place(text: str) -> None:
    if not is_pipeline(text):
        assert_located_error(text)


@settings(quick, max_examples=500)
@given(pipelines, st.data())
def test_damaged_text_is_a_pipeline_or_an_error_with_its_place(pipeline: Pipeline, data: st.DataObject) -> None:
    text = str(pipeline)
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(start + 8, len(text))))
        text = text[:start] + data.draw(st.sampled_from(WORDS)) + text[end:]
    if not is_pipeline(text):
        assert_located_error(text)


@settings(quick, max_examples=200)
@given(st.text())
def test_any_characters_are_an_error_with_their_place(text: str) -> None:
    if not is_pipeline(text):
        assert_located_error(text)


@pytest.mark.parametrize(
    "text",
    [
        "program(" * 10**5,
        "program(every-kind{nested=" + "{rounding=" * 10**5,
        "program(a{b=" + "{function(c{d=" * 10**5,
    ],
)
def test_endless_nesting_is_refused(text: str) -> None:
    with pytest.raises(PipelineError, match="nested more than 20 levels deep"):
        parse_pipeline(text)


@pytest.mark.parametrize(
    "element", ["function()", "every-kind{flag}", "every-kind{rounding={}}", "every-kind{then={function()}}"]
)
def test_nests_beside_each_other_are_no_deeper_than_one(element: str) -> None:
    text = f"program({', '.join([element] * 50)})"
    assert len(parse_pipeline(text).elements) == 50
