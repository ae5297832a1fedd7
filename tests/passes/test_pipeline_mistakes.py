"""Mistakes in pipeline text: each is shown its place, a caret under it, and what is right."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from milopt.ir.diagnostics import TextError
from milopt.ir.errors import OptionError, PipelineError
from milopt.passes.pipeline import Pipeline, program_pipeline
from milopt.passes.pipeline_text import parse_pipeline
from support.option_passes import EveryKind, OnFunctions, option_passes


@pytest.fixture(autouse=True, scope="module")
def registered() -> Iterator[None]:
    with option_passes():
        yield


def picture(text: str) -> str:
    """What the command line prints."""
    with pytest.raises(TextError) as caught:
        parse_pipeline(text)
    assert isinstance(caught.value, PipelineError | OptionError)
    assert "\n" not in str(caught.value)
    (diagnostic,) = caught.value.diagnostics
    return diagnostic.render()


def shown(marked: str) -> str:
    """What is said about a text, in which | stands in front of the faulty place, and behind it if it is longer."""
    before, fault, *behind = marked.split("|")
    text = marked.replace("|", "")
    head, _, below = picture(text).partition("\n")
    place, _, message = head.partition(": error: ")
    line, column = before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1
    assert place == f"<pipeline>:{line}:{column}", head
    faulty_line = text.split("\n")[line - 1].rstrip()
    caret = f"{'':{column - 1}}^{'~' * (len(fault) - 1 if behind else 0)}"
    assert below == (f"{faulty_line}\n{caret}" if faulty_line else "")
    return message


# --- the grammar

AN_ANCHOR = "expected 'program(...)' or 'function(...)'"
GRAMMAR = [
    ("|", f"{AN_ANCHOR}, found the end of the text"),
    ("   |", f"{AN_ANCHOR}, found the end of the text"),
    ("// nothing|", f"{AN_ANCHOR}, found the end of the text"),
    ("|module|(every-kind)", f"{AN_ANCHOR}, found 'module'"),
    ("|progam|(every-kind)", f"{AN_ANCHOR}, found 'progam' (did you mean 'program'?)"),
    ("  |every-kind|", f"{AN_ANCHOR}, found 'every-kind' (write program(every-kind))"),
    ("|every-kind|{count=1}", f"{AN_ANCHOR}, found 'every-kind' (write program(every-kind{{...}}))"),
    ("|on-functions|", f"{AN_ANCHOR}, found 'on-functions' (write function(on-functions))"),
    ("|nobodys|", f"{AN_ANCHOR}, found 'nobodys' (write program(nobodys))"),
    ("|(every-kind)", f"{AN_ANCHOR}, found '('"),
    ('|"program"()', f"{AN_ANCHOR}, found a string"),
    ("program|", "expected '(' behind an anchor, found the end of the text"),
    ("program|{}", "expected '(' behind an anchor, found '{'"),
    ("program |every-kind", "expected '(' behind an anchor, found 'every-kind'"),
    ("program(|", "expected a pass, found the end of the text"),
    ("program(|,)", "expected a pass, found ','"),
    ("program(|{})", "expected a pass, found '{'"),
    ('program(|"every-kind")', "expected a pass, found a string"),
    ("program(every-kind,|)", "expected a pass, found ')' (no comma stands behind the last one)"),
    ("program(every-kind,|", "expected a pass, found the end of the text"),
    ("program(every-kind,|,every-kind)", "expected a pass, found ','"),
    ("program(every-kind |every-kind)", "expected ',' or ')', found 'every-kind'"),
    ("program(every-kind|(1))", "expected ',' or ')', found '(' (options stand in braces: every-kind{...})"),
    ("program(functio|(on-functions))", "expected ',' or ')', found '(' (did you mean 'function'?)"),
    ("program(every-kind|", "expected ',' or ')', found the end of the text"),
    ("program(every-kind|}", "expected ',' or ')', found '}'"),
    ("program(function|)", "expected '(' behind an anchor, found ')'"),
    ("program(function(on-functions)|", "expected ',' or ')', found the end of the text"),
    ("program() |every-kind", "expected the end, found 'every-kind'"),
    ("program(|\ud800)", "this is no character: the text was not UTF-8"),
    ("program(every-kind)|)", "expected the end, found ')'"),
    ("program()|,", "expected the end, found ','"),
    ("program(\n  every-kind,\n  every-kind|]\n)", "expected ',' or ')', found ']'"),
]


@pytest.mark.parametrize(("marked", "message"), GRAMMAR)
def test_text_that_is_no_pipeline(marked: str, message: str) -> None:
    assert shown(marked) == message


OPTIONS = [
    ("{|", "expected an option or '}', found the end of the text"),
    ("{|)", "expected an option or '}', found ')'"),
    ("{|=1}", "expected an option or '}', found '='"),
    ('{|"word"=a}', "expected an option or '}', found a string"),
    ("{flag|, word=a}", "expected an option or '}', found ',' (options are separated by blanks)"),
    ("{|,}", "expected an option or '}', found ','"),
    ("{count=1|, word=a}", "a comma stands between two values of one option (options are separated by blanks)"),
    ("{count=|}", "expected a value, found '}'"),
    ("{count=|", "expected a value, found the end of the text"),
    ("{count=|=1}", "expected a value, found '='"),
    ("{count=1|=2}", "expected an option or '}', found '='"),
    ("{counts=1,|}", "expected a value, found '}' (no comma stands behind the last one)"),
    ("{counts=1,|,2}", "expected a value, found ','"),
    ("{counts=[|1, 2]}", "expected ']' behind '[', found '1' (a list is written a,b,c, and [] if it is empty)"),
    ("{counts=1,|[]}", "expected a value, found '['"),
    ('{word=|"a})', 'this string does not end on its line (strings end with ", line breaks are \\n)'),
    ('{word="a|\\q|b"})', 'this escape is unknown (known are \\\\ \\" \\n \\t \\r \\0 \\xHH \\uHHHH \\UHHHHHHHH)'),
    ('{word=a|"b"}', "expected an option or '}', found a string"),
    ("{then=|program|()}", "a pipeline as a value stands in braces (write {program(...)})"),
    ("{then={|programm|(every-kind)}}", f"{AN_ANCHOR}, found 'programm' (did you mean 'program'?)"),
    ("{then={program()|, program()}}", "expected '}' behind a pipeline, found ','"),
    ("{rounding={mode=down|", "expected an option or '}', found the end of the text"),
    ("{count=1 |count|=2}", "the option 'count' is given twice"),
    ("{flag |flag|}", "the option 'flag' is given twice"),
    ("{two-words=1 |two_words|=1}", "the option 'two-words' is given twice"),
    ("{rounding={mode=down |mode|=even}}", "the option 'mode' is given twice"),
]


@pytest.mark.parametrize(("marked", "message"), OPTIONS)
def test_options_that_are_none(marked: str, message: str) -> None:
    assert shown(f"program(every-kind{marked}") == message


# --- names

OURS = "there is no pass or pipeline"
THEIRS = "coremltools has no pass"
NAMES = [
    ("program(every-kind, |quantise-weights|{count=1})", OURS, "did you mean 'quantize-weights'?"),
    ("program(|quantise_weights|)", OURS, "did you mean 'quantize-weights'?"),
    ("program(|QuantizeWeights|)", OURS, "did you mean 'quantize-weights'?"),
    ("program(\n\tevery-kind{},\n |every-kid|)", OURS, "did you mean 'every-kind'?"),
    ("program(|two-count|)", OURS, "did you mean 'two-counts'?"),
    ("program(|xyz|)", OURS, "mil-opt --list-passes lists them"),
    ("program(every-kind{then={program(|frob|)}})", OURS, "mil-opt --list-passes lists them"),
    ("program(function(|on-function|))", OURS, "did you mean 'on-functions'?"),
    ("program(|fuse_conv_batchnorm|)", OURS, "did you mean 'common::fuse_conv_batchnorm'?"),
    ("program(|common::fuse_conv_batchnom|)", THEIRS, "did you mean 'common::fuse_conv_batchnorm'?"),
    ("program(|common::const-elimination|)", THEIRS, "did you mean 'common::const_elimination'?"),
]


@pytest.mark.parametrize(("marked", "message", "hint"), NAMES)
def test_unknown_name_is_answered_with_the_nearest(marked: str, message: str, hint: str) -> None:
    name = marked.split("|")[1]
    assert shown(marked) == f"{message} {name!r} ({hint})"


@pytest.mark.parametrize("name", ["a::b", "::", "compression::WeightDecompressor"])
def test_pass_that_coremltools_does_not_have_or_make_is_refused(name: str) -> None:
    assert name in shown(f"program(every-kind, |{name}|)")


# --- options of passes

RECORD = "{mode=... bits=... words=...}"
PIPELINE = "a pipeline in braces such as {program(...)}"
SIDES = "one of left, right, both sides"
MODES = "one of even, nearest-up, down"
VALUES = [
    ("{count=|many|}", "option 'count': takes a whole number, not 'many'"),
    ("{|count|}", "option 'count': takes a whole number, not 'true' (write count=...)"),
    ('{count=|""|}', "option 'count': takes a whole number, not ''"),
    ("{flag=|maybe|}", "option 'flag': takes true or false, not 'maybe'"),
    ("{|cont|=1}", "has no option 'cont' (did you mean 'count'?)"),
    ("{flag |Ratio|=many}", "has no option 'Ratio' (did you mean 'ratio'?)"),
    ("{side=|rigth|}", f"option 'side': takes {SIDES}, not 'rigth' (did you mean 'right'?)"),
    ("{count=|1,2|}", "option 'count': takes a whole number, not 1,2"),
    ("{word=|{a=1}|}", "option 'word': takes a word, not {a=1}"),
    ("{word={|program(every-kind)|}}", "option 'word': takes a word, not program(every-kind)"),
    ("{counts=1,|x|,3}", "option 'counts': takes a whole number, not 'x'"),
    ("{counts=1,|-6|}", "option 'counts': takes a number of at least -5, not -6"),
    ("{sides=left,|middle|}", f"option 'sides': takes {SIDES}, not 'middle'"),
    ("{rounding=|even|}", f"option 'rounding': takes options in braces such as {RECORD}, not 'even'"),
    ("{rounding={|mod|=even}}", "option 'rounding': has no option 'mod' (did you mean 'mode'?)"),
    ("{rounding={mode=|evn|}}", f"option 'rounding.mode': takes {MODES}, not 'evn' (did you mean 'even'?)"),
    ("{nested={rounding={bits=8,|0|}}}", "option 'nested.rounding.bits': takes a number of at least 1, not 0"),
    ("{nested={\nrounding={\n|bit|=8}}}", "option 'nested.rounding': has no option 'bit' (did you mean 'bits'?)"),
    ("{roundings={mode=down},{mode=|x|}}", f"option 'roundings.mode': takes {MODES}, not 'x'"),
    ("{strict=|{}|}", "option 'strict': needs the option 'bits'"),
    ("{then=|{count=1}|}", f"option 'then': takes {PIPELINE}, not {{count=1}}"),
    ("{then=|every-kind|}", f"option 'then': takes {PIPELINE}, not 'every-kind'"),
    ("{then={program(every-kind{count=|x|})}}", "option 'count': takes a whole number, not 'x'"),
]


@pytest.mark.parametrize(("marked", "message"), VALUES)
def test_option_that_is_at_fault_is_shown(marked: str, message: str) -> None:
    comma = ", " if message.startswith("option") else ": "
    assert shown(f"program(every-kind{marked})") == f"pass 'every-kind'{comma}{message}"
    with pytest.raises(OptionError):
        parse_pipeline(f"program(every-kind{marked})".replace("|", ""))


@pytest.mark.parametrize(
    ("marked", "message"),
    [
        ("program(every-kind, |raise-opset|)", "pass 'raise-opset': needs the option 'target'"),
        ("program(|needy|{sizes=1})", "pass 'needy': needs the option 'pipeline'"),
        (
            "program(two-counts{first=1 |third|=2})",
            "pipeline 'two-counts': has no option 'third' (it has first, second)",
        ),
        (
            "program(two-counts{first=|-1|})",
            "pipeline 'two-counts', option 'first': takes a number of at least 0, not -1",
        ),
        (
            "program(raise-opset{target=|iOS81|})",
            "pass 'raise-opset', option 'target': unknown deployment target 'iOS81' (did you mean 'iOS18'?)",
        ),
    ],
)
def test_options_of_others_are_shown_too(marked: str, message: str) -> None:
    assert shown(marked) == message


@pytest.mark.parametrize(
    ("element", "words"),
    [
        ("common::const_elimination{|skip_const_by_siz|=3}", "skip_const_by_siz"),
        ("common::const_elimination{skip_const_by_size=|many|}", "many"),
        ("common::fuse_conv_batchnorm{|flag|}", "flag"),
        ("common::add_int16_cast{target_dtype=|int4|}", "must be int16 or uint16"),
        ("common::noop_elimination{|apply|=1}", "apply"),
        ("common::noop_elimination{|set_options|=1}", "set_options"),
        ("common::noop_elimination{|__class__|=1}", "__class__"),
        ("compression::linear_quantize_weights{config=|1|}", "config"),
    ],
)
def test_option_that_coremltools_does_not_take_is_shown(element: str, words: str) -> None:
    message = shown(f"program({element})")
    assert message.startswith(f"pass '{element.partition('{')[0]}'")
    assert words in message


# --- anchors


@pytest.mark.parametrize(
    ("marked", "message"),
    [
        (
            "function(|every-kind|{count=1})",
            "the pass 'every-kind{count=1}' runs on a program, not on a function (write program(every-kind{count=1}))",
        ),
        (
            "program(|on-functions|{word=b})",
            "the pass 'on-functions{word=b}' runs on a function, not on a program "  # noqa: ISC004 - one message
            "(write function(on-functions{word=b}))",
        ),
        (
            "program(function(|common::noop_elimination|))",
            "the pass 'common::noop_elimination' runs on a program, not on a function "  # noqa: ISC004 - one message
            "(write program(common::noop_elimination))",
        ),
        ("program(|program|())", "a pipeline on a program can not stand in one on a program"),
        ("function(|program|())", "a pipeline on a program can not stand in one on a function"),
        ("function(|function|())", "a pipeline on a function can not stand in one on a function"),
    ],
)
def test_element_on_the_wrong_anchor_is_refused(marked: str, message: str) -> None:
    assert shown(marked) == message


def test_pipeline_made_in_python_is_checked_as_well() -> None:
    with pytest.raises(PipelineError, match="runs on a function, not on a program"):
        program_pipeline(EveryKind(), OnFunctions())
    with pytest.raises(PipelineError, match="runs on a program, not on a function"):
        Pipeline("function", (EveryKind(),))
    with pytest.raises(PipelineError, match=r"^there is no anchor 'programm' \(did you mean 'program'\?\)$"):
        Pipeline("programm", ())  # type: ignore[arg-type]
    with pytest.raises(PipelineError, match=r"not of <class .*EveryKind'> \(write EveryKind\(...\)\)$"):
        program_pipeline(EveryKind)  # type: ignore[arg-type]
    with pytest.raises(PipelineError, match=r"^a pipeline consists of passes and pipelines, not of 'every-kind'$"):
        program_pipeline("every-kind")  # type: ignore[arg-type]


# --- what is printed


def test_mistake_in_several_lines_is_shown_its_line() -> None:
    text = "program(\n    // quantize what is large\n    every-kind{count=1},\n    every-kind{cuont=2}\n)\n"
    assert picture(text) == (
        "<pipeline>:4:16: error: pass 'every-kind': has no option 'cuont' (did you mean 'count'?)\n"
        "    every-kind{cuont=2}\n"
        "               ^~~~~"
    )


def test_mistake_is_one_line_for_python() -> None:
    with pytest.raises(OptionError) as caught:
        parse_pipeline("program(every-kind{count=x})")
    assert str(caught.value) == "<pipeline>:1:26: pass 'every-kind', option 'count': takes a whole number, not 'x'"
