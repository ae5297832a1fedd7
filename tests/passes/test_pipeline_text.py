"""Pipeline text: what is parsed prints back to text that parses to the same, and every mistake is shown its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from milopt.ir.errors import MiloptError, OptionError, PipelineError
from milopt.ir.targets import deployment_targets
from milopt.passes.base import Anchor, Pass
from milopt.passes.coremltools_passes import CoremltoolsPass, coremltools_pass
from milopt.passes.options import option
from milopt.passes.pipeline import Pipeline, program_pipeline
from milopt.passes.pipeline_text import parse_pipeline
from milopt.passes.registry import register, unregister
from milopt.passes.transforms.quantize_weights import QuantizeWeights
from milopt.passes.transforms.raise_opset import RaiseOpset

quick = settings(deadline=None, database=None, derandomize=True)


@attrs.frozen(kw_only=True)
class EveryKind(Pass):
    flag: bool = option(False, help="a flag")  # noqa: FBT003 - the default that gives the option its type
    switch: bool = option(True, help="a flag that is set")  # noqa: FBT003
    count: int = option(0, help="a count")
    ratio: float = option(1.0, help="a ratio")
    word: str = option("left", help="a word")


@attrs.frozen(kw_only=True)
class OnFunctions(Pass):
    anchor: ClassVar[Anchor] = "function"
    word: str = option("left", help="a word")


@pytest.fixture(autouse=True, scope="module")
def registered() -> Iterator[None]:
    for cls in (EveryKind, OnFunctions):
        register(cls)
    yield
    for cls in (EveryKind, OnFunctions):
        unregister(cls)


def test_pipeline_is_read() -> None:
    assert parse_pipeline("program(raise-opset{target=iOS18}, quantize-weights{dtype=uint8 min-elements=0})") == (
        Pipeline("program", (RaiseOpset(target="iOS18"), QuantizeWeights(dtype="uint8", min_elements=0)))
    )


def test_empty_pipelines_are_read() -> None:
    assert parse_pipeline("program()") == program_pipeline()
    assert parse_pipeline("function()") == Pipeline("function", ())
    assert str(parse_pipeline("program(function())")) == "program(function())"


def test_functions_nest_in_programs() -> None:
    found = parse_pipeline("program(every-kind, function(on-functions, on-functions{word=b}), every-kind{flag})")
    inner = Pipeline("function", (OnFunctions(), OnFunctions(word="b")))
    assert found == program_pipeline(EveryKind(), inner, EveryKind(flag=True))
    assert [str(each) for each in found.passes()] == [
        "every-kind",
        "on-functions",
        "on-functions{word=b}",
        "every-kind{flag=true}",
    ]


def test_names_may_have_underscores() -> None:
    text = "program(every_kind{count=1}, function(on_functions))"
    assert str(parse_pipeline(text)) == "program(every-kind{count=1}, function(on-functions))"


def test_option_without_a_value_is_true() -> None:
    assert parse_pipeline("program(every-kind{flag count=2})") == program_pipeline(EveryKind(flag=True, count=2))


def test_empty_options_are_the_defaults() -> None:
    assert parse_pipeline("program(every-kind{})") == program_pipeline(EveryKind())


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("plain", "plain"),
        ("a-b_c.d:e/f*g", "a-b_c.d:e/f*g"),
        ('"two words"', "two words"),
        ('""', ""),
        ('"a, b(c){d}=e"', "a, b(c){d}=e"),
        (r'"say \"x\""', 'say "x"'),
        (r'"back\\slash"', r"back\slash"),
        (r"back\slash", r"back\slash"),
        ('"line\nbreak"', "line\nbreak"),
        ("program", "program"),
        ("ünï", "ünï"),
        ("'single'", "'single'"),
    ],
)
def test_value_is_a_bare_word_or_a_quoted_string(value: str, word: str) -> None:
    assert parse_pipeline(f"program(every-kind{{word={value}}})") == program_pipeline(EveryKind(word=word))


@pytest.mark.parametrize(
    "text",
    [
        "program(every-kind{count=1 word=b},function(on-functions))",
        "  program ( every-kind { count = 1 word = b } , function ( on-functions ) )  ",
        "program(\n  every-kind{\n    count=1\n    word=b\n  },\n\tfunction(on-functions)\n)\n",
        'program(every-kind{count="1"word="b"},function(on-functions))',
        "\r\nprogram\r\n(every-kind{count=1\u00a0word=b}, function(on-functions{}))",
    ],
)
def test_white_space_means_nothing(text: str) -> None:
    expected = program_pipeline(EveryKind(count=1, word="b"), Pipeline("function", (OnFunctions(),)))
    assert parse_pipeline(text) == expected


# --- passes of coremltools


def test_pass_of_coremltools_is_found_by_its_id() -> None:
    found = parse_pipeline("program(common::fuse_conv_batchnorm, common::const_elimination{skip_const_by_size=100})")
    assert found == program_pipeline(
        CoremltoolsPass(id="common::fuse_conv_batchnorm"),
        CoremltoolsPass(id="common::const_elimination", options=(("skip_const_by_size", "100"),)),
    )


def test_options_of_coremltools_keep_their_order_and_their_quotes() -> None:
    text = 'program(common::add_fp16_cast{skip_ops_by_type="conv,linear"})'
    assert str(parse_pipeline(text)) == text


def test_numbers_of_coremltools_options_can_be_written() -> None:
    text = "program(common::scaled_dot_product_attention_sliced_q{min_seq_length=512 seq_length_divider=8})"
    assert str(parse_pipeline(text)) == text


def test_our_own_passes_have_an_id_in_coremltools_too() -> None:
    text = "program(milopt::quantize_weights{min_elements=1}, milopt::raise_opset{target=iOS18})"
    assert parse_pipeline(text) == program_pipeline(QuantizeWeights(min_elements=1), RaiseOpset(target="iOS18"))


# --- there and back

quantizers = st.builds(
    QuantizeWeights,
    dtype=st.sampled_from(["int8", "uint8"]),
    mode=st.sampled_from(["symmetric", "affine"]),
    granularity=st.sampled_from(["per-channel", "per-tensor"]),
    min_elements=st.integers(0, 10**12),
)
raisers = st.builds(RaiseOpset, target=st.sampled_from(sorted(deployment_targets())))
every_kind = st.builds(
    EveryKind,
    flag=st.booleans(),
    switch=st.booleans(),
    count=st.integers(),
    ratio=st.floats(allow_nan=False),
    word=st.text(),
)
foreign = st.one_of(
    st.sampled_from(["common::fuse_conv_batchnorm", "mil_backend::fuse_pow2_sqrt", "common::noop_elimination"]).map(
        lambda name: coremltools_pass(name, {})
    ),
    st.floats(0, 1e9).map(
        lambda size: coremltools_pass("common::const_elimination", {"skip_const_by_size": str(size)})
    ),
    st.text().map(lambda types: coremltools_pass("common::add_fp16_cast", {"skip_ops_by_type": types})),
)
nested = st.builds(
    lambda passes: Pipeline("function", tuple(passes)),
    st.lists(st.builds(OnFunctions, word=st.text()), max_size=3),
)
pipelines = st.one_of(
    nested,
    st.builds(
        lambda elements: program_pipeline(*elements),
        st.lists(st.one_of(quantizers, raisers, every_kind, foreign, nested), max_size=6),
    ),
)


@quick
@given(pipelines)
@example(program_pipeline(EveryKind(word='\\"\n} ,function(')))
@example(program_pipeline(EveryKind(word="\\")))
@example(program_pipeline(EveryKind(word="\u2028\x1c\x85")))
def test_printed_pipeline_parses_to_itself(pipeline: Pipeline) -> None:
    assert parse_pipeline(str(pipeline)) == pipeline


@quick
@given(pipelines)
def test_printing_is_stable(pipeline: Pipeline) -> None:
    assert str(parse_pipeline(str(pipeline))) == str(pipeline)


@quick
@given(pipelines, st.data())
def test_part_of_a_pipeline_is_never_taken_for_a_whole(pipeline: Pipeline, data: st.DataObject) -> None:
    text = str(pipeline)
    cut = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(MiloptError) as caught:
        parse_pipeline(text[:cut])
    assert "\n" not in str(caught.value)


WORDS = ["program", "function", "every-kind", "on-functions", "word", "count", "1", '"a b"', '"', "(", ")", "{", "}",
         ",", "=", " ", "\n", "\\", "::"]  # fmt: skip


@settings(quick, max_examples=400)
@given(st.lists(st.sampled_from(WORDS), max_size=14).map("".join))
def test_any_text_is_a_pipeline_or_an_error_of_one_line(text: str) -> None:
    try:
        found = parse_pipeline(text)
    except MiloptError as error:
        assert "\n" not in str(error)  # noqa: PT017 - text that is a pipeline after all must not fail the test
    else:
        assert parse_pipeline(str(found)) == found


# --- mistakes


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "expected 'program(...)' or 'function(...)', found the end"),
        ("   ", 4, "expected 'program(...)' or 'function(...)', found the end"),
        ("module(every-kind)", 1, "expected 'program(...)' or 'function(...)', found 'module'"),
        ("  every-kind", 3, "expected 'program(...)' or 'function(...)', found 'every-kind'"),
        ("(every-kind)", 1, "expected 'program(...)' or 'function(...)', found '('"),
        ('"program"()', 1, "expected 'program(...)' or 'function(...)', found '\"program\"'"),
        ("program", 8, "expected '(', found the end"),
        ("program{}", 8, "expected '(', found '{'"),
        ("program every-kind", 9, "expected '(', found 'every-kind'"),
        ("program(", 9, "expected a pass, found the end"),
        ("program(,)", 9, "expected a pass, found ','"),
        ("program({})", 9, "expected a pass, found '{'"),
        ('program("every-kind")', 9, "expected a pass, found '\"every-kind\"'"),
        ("program(every-kind,)", 20, "expected a pass, found ')'"),
        ("program(every-kind,", 20, "expected a pass, found the end"),
        ("program(every-kind,,every-kind)", 20, "expected a pass, found ','"),
        ("program(every-kind every-kind)", 20, "expected ',' or ')', found 'every-kind'"),
        ("program(every-kind(1))", 19, "expected ',' or ')', found '('"),
        ("program(every-kind", 19, "expected ',' or ')', found the end"),
        ("program(every-kind}", 19, "expected ',' or ')', found '}'"),
        ("program(function)", 17, "expected '(', found ')'"),
        ("program(function(on-functions)", 31, "expected ',' or ')', found the end"),
        ("program(every-kind{", 20, "expected an option or '}', found the end"),
        ("program(every-kind{)", 20, "expected an option or '}', found ')'"),
        ("program(every-kind{=1})", 20, "expected an option or '}', found '='"),
        ('program(every-kind{"word"=a})', 20, "expected an option or '}', found '\"word\"'"),
        ("program(every-kind{count=1, word=a})", 27, "expected an option or '}', found ','"),
        ("program(every-kind{count=})", 26, "expected a value, found '}'"),
        ("program(every-kind{count=", 26, "expected a value, found the end"),
        ("program(every-kind{count==1})", 26, "expected a value, found '='"),
        ("program(every-kind{count=1=2})", 27, "expected an option or '}', found '='"),
        ("program(every-kind{word={}})", 25, "expected a value, found '{'"),
        ('program(every-kind{word="a})', 25, "unexpected '\"'"),
        ('program(every-kind{word=a"b"c"})', 30, "unexpected '\"'"),
        ("program() every-kind", 11, "expected the end, found 'every-kind'"),
        ("program(every-kind))", 20, "expected the end, found ')'"),
        ("program(),", 10, "expected the end, found ','"),
    ],
)
def test_mistake_is_shown_its_column(text: str, column: int, message: str) -> None:
    with pytest.raises(PipelineError) as caught:
        parse_pipeline(text)
    assert str(caught.value) == f"pipeline text, column {column}: {message}"


def test_column_counts_every_character_before() -> None:
    with pytest.raises(PipelineError, match=r"^pipeline text, column 26: there is no pass 'frob'"):
        parse_pipeline("program(\n\tevery-kind{},\n frob)")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("quantise-weights", "did you mean 'quantize-weights'?"),
        ("quantise_weights", "did you mean 'quantize-weights'?"),
        ("QuantizeWeights", "did you mean 'quantize-weights'?"),
        ("raise-opsets", "did you mean 'raise-opset'?"),
        ("every-kid", "did you mean 'every-kind'?"),
        ("xyz", "mil-opt --list-passes lists them"),
    ],
)
def test_unknown_pass_is_shown_its_column_and_the_nearest_name(name: str, hint: str) -> None:
    with pytest.raises(PipelineError) as caught:
        parse_pipeline(f"program(every-kind, {name}{{count=1}})")
    assert str(caught.value) == f"pipeline text, column 21: there is no pass {name!r} ({hint})"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "common::fuse_conv_batchnom",
            "coremltools has no pass 'common::fuse_conv_batchnom' (did you mean 'common::fuse_conv_batchnorm'?)",
        ),
        (
            "common::const-elimination",
            "coremltools has no pass 'common::const-elimination' (did you mean 'common::const_elimination'?)",
        ),
        ("a::b", "coremltools has no pass 'a::b'"),
        ("::", "coremltools has no pass '::'"),
    ],
)
def test_unknown_pass_of_coremltools_is_shown_its_column(name: str, message: str) -> None:
    with pytest.raises(PipelineError) as caught:
        parse_pipeline(f"program({name})")
    assert str(caught.value) == f"pipeline text, column 9: {message}"


@pytest.mark.parametrize(
    ("element", "words"),
    [
        ("common::const_elimination{skip_const_by_siz=3}", "skip_const_by_siz"),
        ("common::const_elimination{skip_const_by_size=many}", "many"),
        ("common::fuse_conv_batchnorm{flag}", "flag"),
        ("common::add_int16_cast{target_dtype=int4}", "must be int16 or uint16"),
        ("common::noop_elimination{apply=1}", "apply"),
        ("common::noop_elimination{set_options=1}", "set_options"),
        ("common::noop_elimination{__class__=1}", "__class__"),
        ("compression::linear_quantize_weights{config=1}", "config"),
    ],
)
def test_option_that_coremltools_does_not_take_is_refused(element: str, words: str) -> None:
    with pytest.raises(OptionError) as caught:
        parse_pipeline(f"program({element})")
    assert str(caught.value).startswith(f"pass '{element.partition('{')[0]}'")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_pass_that_coremltools_can_not_make_by_its_name_is_refused() -> None:
    with pytest.raises(MiloptError, match="compression::WeightDecompressor"):
        parse_pipeline("program(compression::WeightDecompressor)")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("{count=many}", "pass 'every-kind', option 'count': takes a whole number, not 'many'"),
        ("{count}", "pass 'every-kind', option 'count': takes a whole number, not 'true'"),
        ('{count=""}', "pass 'every-kind', option 'count': takes a whole number, not ''"),
        ("{flag=maybe}", "pass 'every-kind', option 'flag': takes true or false, not 'maybe'"),
        ("{cont=1}", "pass 'every-kind': has no option 'cont' (did you mean 'count'?)"),
    ],
)
def test_wrong_option_names_the_pass_and_the_option(options: str, message: str) -> None:
    with pytest.raises(OptionError) as caught:
        parse_pipeline(f"program(every-kind{options})")
    assert str(caught.value) == message


def test_missing_option_is_asked_for() -> None:
    with pytest.raises(OptionError, match=r"^pass 'raise-opset': needs the option 'target'$"):
        parse_pipeline("program(raise-opset)")


@pytest.mark.parametrize(
    ("element", "column"),
    [
        ("every-kind{count=1 count=2}", 28),
        ("every-kind{flag flag}", 25),
        ("common::add_fp16_cast{skip_ops_by_type=a skip_ops_by_type=b}", 50),
    ],
)
def test_option_given_twice_is_refused(element: str, column: int) -> None:
    with pytest.raises(PipelineError, match=rf"^pipeline text, column {column}: the option '.*' is given twice$"):
        parse_pipeline(f"program({element})")


def test_option_given_in_two_spellings_is_refused() -> None:
    with pytest.raises(MiloptError, match=r"the option 'min-elements' is given twice$"):
        parse_pipeline("program(quantize-weights{min-elements=1 min_elements=2})")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "function(every-kind{count=1})",
            "the pass 'every-kind{count=1}' runs on a program, not on a function (write program(every-kind{count=1}))",
        ),
        (
            "program(on-functions{word=b})",
            "the pass 'on-functions{word=b}' runs on a function, not on a program "  # noqa: ISC004 - one message
            "(write function(on-functions{word=b}))",
        ),
        (
            "program(function(common::noop_elimination))",
            "the pass 'common::noop_elimination' runs on a program, not on a function "  # noqa: ISC004 - one message
            "(write program(common::noop_elimination))",
        ),
        ("program(program())", "a pipeline on a program can not stand in one on a program"),
        ("function(program())", "a pipeline on a program can not stand in one on a function"),
        ("function(function())", "a pipeline on a function can not stand in one on a function"),
    ],
)
def test_element_on_the_wrong_anchor_is_refused(text: str, message: str) -> None:
    with pytest.raises(PipelineError) as caught:
        parse_pipeline(text)
    assert str(caught.value) == message


def test_pipeline_made_in_python_is_checked_as_well() -> None:
    with pytest.raises(PipelineError, match="runs on a function, not on a program"):
        program_pipeline(EveryKind(), OnFunctions())
    with pytest.raises(PipelineError, match="runs on a program, not on a function"):
        Pipeline("function", (EveryKind(),))


def test_pipeline_can_not_be_changed() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        program_pipeline().anchor = "function"  # type: ignore[misc]
