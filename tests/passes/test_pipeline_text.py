"""Pipeline text: what it stands for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from milopt.ir.errors import PipelineError
from milopt.ir.text.source import Source
from milopt.passes.foreign.passes import CoremltoolsPass
from milopt.passes.pipeline import Pipeline, program_pipeline
from milopt.passes.pipeline_text import parse_pipeline
from milopt.passes.transforms.quantize_weights import QuantizeWeights
from milopt.passes.transforms.raise_opset import RaiseOpset
from support.option_passes import (
    Broken,
    Endless,
    EveryKind,
    Needy,
    Nested,
    OnFunctions,
    Rounding,
    Strange,
    TwiceTwo,
    TwoCounts,
    option_passes,
)


@pytest.fixture(autouse=True, scope="module")
def registered() -> Iterator[None]:
    with option_passes():
        yield


def test_pipeline_is_read() -> None:
    assert parse_pipeline("program(raise-opset{target=iOS18}, quantize-weights{dtype=uint8 min-elements=0})") == (
        Pipeline("program", (RaiseOpset(target="iOS18"), QuantizeWeights(dtype="uint8", min_elements=0)))
    )


def test_source_is_read() -> None:
    assert parse_pipeline(Source("program(every-kind)", "its name")) == program_pipeline(EveryKind())
    with pytest.raises(PipelineError, match=r"^its name:7:9: there is no pass or pipeline 'frob'"):
        parse_pipeline(Source("program(frob)", "its name", 7))


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


# --- values


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("plain", "plain"),
        ("a-b_c.d:e/f*g", "a-b_c.d:e/f*g"),
        ('"two words"', "two words"),
        ('""', ""),
        ('"a, b(c){d}=e[f]"', "a, b(c){d}=e[f]"),
        (r'"say \"x\""', 'say "x"'),
        (r'"back\\slash"', r"back\slash"),
        (r"back\slash", r"back\slash"),
        (r'"line\nbreak\x00\u00fc"', "line\nbreak\0ü"),
        ('"// no comment"', "// no comment"),
        ("a/b/", "a/b/"),
        ("program", "program"),
        ("ünï", "ünï"),
        ("'single'", "'single'"),
        ("true", "true"),
        ("7", "7"),
    ],
)
def test_value_is_a_bare_word_or_a_quoted_string(value: str, word: str) -> None:
    (found,) = parse_pipeline(f"program(every-kind{{word={value}}})").elements
    assert found == EveryKind(word=word)
    assert type(found.word) is str  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("counts=3,4", EveryKind(counts=(3, 4))),
        ("counts=3 , -4 , 5", EveryKind(counts=(3, -4, 5))),
        ("counts=3", EveryKind(counts=(3,))),
        ("counts=[]", EveryKind(counts=())),
        ("counts=[ ] flag", EveryKind(counts=(), flag=True)),
        ("flags=true,false,1", EveryKind(flags=(True, False, True))),
        ("flags", EveryKind(flags=(True,))),
        ("ratios=1,0.5,1e3", EveryKind(ratios=(1.0, 0.5, 1000.0))),
        ('words="a b","c,d",e', EveryKind(words=("a b", "c,d", "e"))),
        ('words="a,b"', EveryKind(words=("a,b",))),
        ('words=""', EveryKind(words=("",))),
        ('sides=left,"both sides",left', EveryKind(sides=("left", "both sides", "left"))),
    ],
)
def test_lists_are_read(options: str, expected: EveryKind) -> None:
    (found,) = parse_pipeline(f"program(every-kind{{{options}}})").elements
    assert found == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("rounding={mode=down}", EveryKind(rounding=Rounding(mode="down"))),
        ("rounding={}", EveryKind()),
        ("rounding={bits=3,2 words=x}", EveryKind(rounding=Rounding(bits=(3, 2), words=("x",)))),
        ("rounding = { mode = nearest-up } flag", EveryKind(rounding=Rounding(mode="nearest-up"), flag=True)),
        ("nested={scale=2 rounding={bits=1}}", EveryKind(nested=Nested(scale=2.0, rounding=Rounding(bits=(1,))))),
        ("roundings={mode=down},{}", EveryKind(roundings=(Rounding(mode="down"), Rounding()))),
        ("roundings={}", EveryKind(roundings=(Rounding(),))),
        ("roundings=[]", EveryKind()),
    ],
)
def test_records_are_read(options: str, expected: EveryKind) -> None:
    (found,) = parse_pipeline(f"program(every-kind{{{options}}})").elements
    assert found == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("{program()}", program_pipeline()),
        ("{ program ( every-kind{flag} ) }", program_pipeline(EveryKind(flag=True))),
        ("{function(on-functions)}", Pipeline("function", (OnFunctions(),))),
        ("{program(two-counts)}", program_pipeline(TwoCounts())),
        (
            "{program(every-kind{then={program(function(on-functions))}})}",
            program_pipeline(EveryKind(then=program_pipeline(Pipeline("function", (OnFunctions(),))))),
        ),
    ],
)
def test_pipelines_as_values_are_read(value: str, expected: Pipeline) -> None:
    (found,) = parse_pipeline(f"program(needy{{pipeline={value} sizes=1}})").elements
    assert found == Needy(pipeline=expected, sizes=(1,))


# --- what means nothing


@pytest.mark.parametrize(
    "text",
    [
        "program(every-kind{count=1 word=b},function(on-functions))",
        "  program ( every-kind { count = 1 word = b } , function ( on-functions ) )  ",
        "program(\n  every-kind{\n    count=1\n    word=b\n  },\n\tfunction(on-functions)\n)\n",
        'program(every-kind{count="1"word="b"},function(on-functions))',
        "\r\nprogram\r\n(every-kind{count=1\u00a0word=b}, function(on-functions{}))",
        "// first\nprogram( // (\n every-kind{count=1// ends a word\nword=b},//\nfunction(on-functions)) // last",
    ],
)
def test_white_space_and_comments_mean_nothing(text: str) -> None:
    expected = program_pipeline(EveryKind(count=1, word="b"), Pipeline("function", (OnFunctions(),)))
    assert parse_pipeline(text) == expected


# --- named pipelines


def test_named_pipeline_is_what_it_consists_of() -> None:
    found = parse_pipeline("program(every-kind{flag}, two-counts{first=7}, twice_two)")
    assert str(found) == (
        "program(every-kind{flag=true}, every-kind{count=7}, every-kind{count=2}, "
        "every-kind{count=1}, every-kind{count=2}, every-kind{count=3}, every-kind{count=4})"
    )
    assert found == program_pipeline(EveryKind(flag=True), TwoCounts(first=7), TwiceTwo())


def test_named_pipeline_prints_as_itself_when_it_is_alone() -> None:
    assert str(TwoCounts(first=7)) == "two-counts{first=7}"


def test_named_pipeline_is_checked_where_it_stands() -> None:
    with pytest.raises(PipelineError, match="runs on a program, not on a function"):
        Pipeline("function", (TwoCounts(),))
    with pytest.raises(PipelineError, match=r"^<pipeline>:1:19: the pass .* runs on a program, not on a function"):
        parse_pipeline("program( function(two-counts))")


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (Endless(), "pipeline 'endless': named pipelines are nested more than 20 levels deep"),
        (Broken(), "pipeline 'broken': can not be built: ZeroDivisionError: by nothing"),
        (Strange(), "pipeline 'strange': a pipeline consists of passes and pipelines, not of 'every-kind'"),
    ],
)
def test_pipeline_that_can_not_be_built_is_refused(named: TwoCounts, message: str) -> None:
    with pytest.raises(PipelineError) as caught:
        program_pipeline(named)
    assert str(caught.value) == message
    with pytest.raises(PipelineError) as caught:
        parse_pipeline(f"program({named})")
    assert str(caught.value) == f"<pipeline>:1:9: {message}"


# --- passes of coremltools


def test_pass_of_coremltools_is_found_by_its_id() -> None:
    found = parse_pipeline("program(common::fuse_conv_batchnorm, common::const_elimination{skip_const_by_size=100})")
    assert [type(each) for each in found.elements] == [CoremltoolsPass] * 2
    assert [each.id for each in found.passes() if isinstance(each, CoremltoolsPass)] == [
        "common::fuse_conv_batchnorm",
        "common::const_elimination",
    ]


@pytest.mark.parametrize(
    "text",
    [
        'program(common::add_fp16_cast{skip_ops_by_type="conv,linear"})',
        "program(common::scaled_dot_product_attention_sliced_q{min_seq_length=512 seq_length_divider=8})",
    ],
)
def test_options_of_coremltools_keep_their_order_and_their_quotes(text: str) -> None:
    assert str(parse_pipeline(text)) == text


def test_list_is_given_to_coremltools_as_it_takes_it() -> None:
    listed = parse_pipeline("program(common::add_fp16_cast{skip_ops_by_type=conv,linear})")
    assert listed == parse_pipeline('program(common::add_fp16_cast{skip_ops_by_type="conv,linear"})')


def test_our_own_passes_have_an_id_in_coremltools_too() -> None:
    text = "program(milopt::quantize_weights{min_elements=1}, milopt::raise_opset{target=iOS18})"
    assert parse_pipeline(text) == program_pipeline(QuantizeWeights(min_elements=1), RaiseOpset(target="iOS18"))
