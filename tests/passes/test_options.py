"""Options of passes: one conversion, wherever a value comes from."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import pytest
from milopt.ir.errors import MiloptError, OptionError
from milopt.passes.base import Pass
from milopt.passes.options import option, options_of
from milopt.passes.pipeline import program_pipeline
from milopt.passes.text.words import format_word
from milopt.passes.transforms.quantize_weights import QuantizeWeights
from milopt.passes.transforms.raise_opset import RaiseOpset
from support.option_passes import EveryKind, Nested, Rounding


@attrs.frozen(kw_only=True)
class EveryOption(Pass):
    flag: bool = option(False, help="a flag")  # noqa: FBT003 - the default that gives the option its type
    switch: bool = option(True, help="a flag that is set")  # noqa: FBT003
    count: int = option(3, help="a count", minimum=-2)
    ratio: float = option(0.5, help="a ratio", minimum=0)
    word: str = option("left", help="a word")
    side: str = option("left", help="a choice", choices=("left", "right side"))


@attrs.frozen(kw_only=True)
class NeedyPass(Pass):
    count: int = option(int, help="a count that must be given", minimum=1)
    some_word: str = option(str, help="a word that must be given", choices=("one", "two"))


def one_line(error: OptionError) -> str:
    text = str(error)
    assert "\n" not in text
    return text


# --- conversion


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("flag", True, True),
        ("flag", "true", True),
        ("flag", "TRUE", True),
        ("flag", "1", True),
        ("flag", 1, True),
        ("flag", np.bool_(True), True),  # noqa: FBT003
        ("switch", False, False),
        ("switch", "false", False),
        ("switch", "False", False),
        ("switch", "0", False),
        ("switch", 0, False),
        ("count", 7, 7),
        ("count", "7", 7),
        ("count", "-2", -2),
        ("count", 7.0, 7),
        ("count", np.int64(7), 7),
        ("count", str(2**70), 2**70),
        ("ratio", 0.25, 0.25),
        ("ratio", "0.25", 0.25),
        ("ratio", "1e-3", 0.001),
        ("ratio", 2, 2.0),
        ("ratio", np.float32(0.25), 0.25),
        ("word", "right", "right"),
        ("word", "", ""),
        ("word", "7", "7"),
        ("word", "true", "true"),
        ("side", "right side", "right side"),
    ],
)
def test_value_is_converted_to_the_type_of_the_default(name: str, given: Any, expected: Any) -> None:
    value = getattr(EveryOption.from_options({name: given}), name)
    assert value == expected
    assert type(value) is type(expected)
    assert getattr(EveryOption(**{name: given}), name) == expected


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("flag", "yes", "takes true or false, not 'yes'"),
        ("flag", "", "takes true or false, not ''"),
        ("flag", 2, "takes true or false, not 2"),
        ("flag", None, "takes true or false, not None"),
        ("count", "many", "takes a whole number, not 'many'"),
        ("count", "", "takes a whole number, not ''"),
        ("count", "1.5", "takes a whole number, not '1.5'"),
        ("count", 1.5, "takes a whole number, not 1.5"),
        ("count", True, "takes a whole number, not True"),
        ("count", None, "takes a whole number, not None"),
        ("count", [1], "takes a whole number, not [1]"),
        ("count", float("nan"), "takes a whole number, not nan"),
        ("count", float("inf"), "takes a whole number, not inf"),
        ("ratio", "half", "takes a number, not 'half'"),
        ("ratio", "", "takes a number, not ''"),
        ("ratio", False, "takes a number, not False"),
        ("ratio", None, "takes a number, not None"),
        pytest.param("ratio", 10**400, "takes a number, not 1000", id="ratio-beyond-floats"),
        ("word", 7, "takes a word, not 7"),
        ("word", True, "takes a word, not True"),
        ("word", None, "takes a word, not None"),
    ],
)
def test_value_of_another_type_is_refused(name: str, given: Any, words: str) -> None:
    with pytest.raises(OptionError) as caught:
        EveryOption.from_options({name: given})
    assert one_line(caught.value).startswith(f"pass 'every-option', option '{name}': {words}")


@pytest.mark.parametrize(("name", "least"), [("count", -2), ("ratio", 0)])
@pytest.mark.parametrize("as_text", [False, True], ids=["python", "text"])
def test_least_number_is_allowed_and_what_is_below_is_not(name: str, least: int, *, as_text: bool) -> None:
    convert = str if as_text else int
    assert getattr(EveryOption.from_options({name: convert(least)}), name) == least
    with pytest.raises(OptionError, match=f"option '{name}': takes a number of at least {least}, not {least - 1}"):
        EveryOption.from_options({name: convert(least - 1)})


def test_not_a_number_is_below_every_minimum() -> None:
    with pytest.raises(OptionError, match="option 'ratio'"):
        EveryOption.from_options({"ratio": "nan"})


@pytest.mark.parametrize(
    ("given", "hint"),
    [("up", ""), ("", ""), ("LEFT", " (did you mean 'left'?)"), ("left ", " (did you mean 'left'?)")],
)
def test_word_that_is_no_choice_is_refused_with_the_choices(given: str, hint: str) -> None:
    with pytest.raises(OptionError) as caught:
        EveryOption.from_options({"side": given})
    assert one_line(caught.value) == (
        f"pass 'every-option', option 'side': takes one of left, right side, not {given!r}{hint}"
    )


def test_another_number_is_no_misspelt_choice() -> None:
    with pytest.raises(OptionError, match=r"takes one of int8, uint8, not 'int4'$"):
        QuantizeWeights(dtype="int4")
    with pytest.raises(OptionError, match=r"not 'it8' \(did you mean 'int8'\?\)$"):
        QuantizeWeights(dtype="it8")


def test_error_stays_on_one_line_whatever_the_value_is() -> None:
    with pytest.raises(OptionError) as caught:
        EveryOption.from_options({"count": "1\n2\r\n3"})
    assert "option 'count': takes a whole number" in one_line(caught.value)
    with pytest.raises(OptionError) as caught:
        EveryOption.from_options({"count": np.arange(100)})
    one_line(caught.value)


def test_error_in_python_names_the_option() -> None:
    with pytest.raises(OptionError, match=r"^option 'min-elements': takes a number of at least 0, not -1$"):
        QuantizeWeights(min_elements=-1)


# --- names


@pytest.mark.parametrize("name", ["min-elements", "min_elements"])
def test_dashes_and_underscores_are_the_same_in_a_name(name: str) -> None:
    assert QuantizeWeights.from_options({name: "7"}) == QuantizeWeights(min_elements=7)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("min-element", "did you mean 'min-elements'?"),
        ("min_elemants", "did you mean 'min-elements'?"),
        ("Dtype", "did you mean 'dtype'?"),
        ("granularty", "did you mean 'granularity'?"),
        ("xyz", "it has dtype, mode, granularity, min-elements"),
        ("", "it has dtype, mode, granularity, min-elements"),
    ],
)
def test_unknown_option_is_refused_with_the_nearest_name(name: str, hint: str) -> None:
    with pytest.raises(OptionError) as caught:
        QuantizeWeights.from_options({name: "7"})
    assert one_line(caught.value) == f"pass 'quantize-weights': has no option {name!r} ({hint})"


def test_one_option_in_two_spellings_is_refused() -> None:
    with pytest.raises(OptionError, match=r"^pass 'quantize-weights': .* given twice$"):
        QuantizeWeights.from_options({"min-elements": "7", "min_elements": "8"})


def test_python_names_are_keywords_only() -> None:
    with pytest.raises(TypeError):
        QuantizeWeights("int8")  # type: ignore[call-arg]


# --- options that must be given


@pytest.mark.parametrize(
    ("given", "missing"),
    [({}, "count"), ({"count": 1}, "some-word"), ({"some-word": "one"}, "count")],
)
def test_option_that_must_be_given_is_asked_for(given: dict[str, Any], missing: str) -> None:
    with pytest.raises(OptionError) as caught:
        NeedyPass.from_options(given)
    assert one_line(caught.value) == f"pass 'needy-pass': needs the option '{missing}'"


def test_option_that_must_be_given_is_converted_and_checked() -> None:
    assert NeedyPass.from_options({"count": "2", "some_word": "two"}) == NeedyPass(count=2, some_word="two")
    with pytest.raises(OptionError, match="option 'count': takes a number of at least 1, not 0"):
        NeedyPass(count=0, some_word="one")
    with pytest.raises(OptionError, match="option 'some-word': takes one of one, two, not 'three'"):
        NeedyPass(count=1, some_word="three")


def test_unknown_option_is_told_before_a_missing_one() -> None:
    with pytest.raises(OptionError, match="has no option 'word'"):
        NeedyPass.from_options({"word": "one"})


@pytest.mark.parametrize("name", ["iOS99", "", "true"])
def test_unknown_target_of_raise_opset_is_refused_at_once(name: str) -> None:
    with pytest.raises(MiloptError, match=r"raise-opset.*target"):
        RaiseOpset.from_options({"target": name})


# --- the record


@pytest.mark.parametrize("name", ["flag", "count", "word"])
def test_options_can_not_be_changed_afterwards(name: str) -> None:
    made = EveryOption()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(made, name, getattr(made, name))


def test_passes_with_equal_options_are_equal_and_hash_alike() -> None:
    assert EveryOption.from_options({"count": "4"}) == EveryOption(count=4)
    assert hash(EveryOption.from_options({"count": "4"})) == hash(EveryOption(count=4))
    assert EveryOption(count=4) != EveryOption(count=5)
    assert len({EveryOption(), EveryOption(word="left"), EveryOption(word="right")}) == 2


def test_evolved_pass_is_checked_again() -> None:
    assert attrs.evolve(QuantizeWeights(), dtype="uint8").dtype == "uint8"
    with pytest.raises(OptionError, match="option 'dtype': takes one of int8, uint8, not 'int4'"):
        attrs.evolve(QuantizeWeights(), dtype="int4")


def test_what_is_known_of_options_stands_beside_their_fields() -> None:
    found = options_of(EveryOption)
    assert list(found) == ["flag", "switch", "count", "ratio", "word", "side"]
    assert [each.help for each in found.values()][:2] == ["a flag", "a flag that is set"]
    assert [each.default for each in found.values()] == [False, True, 3, 0.5, "left", "left"]
    assert [each.choices for each in found.values()] == [(), (), (), (), (), ("left", "right side")]
    assert options_of(NeedyPass)["count"].default is attrs.NOTHING


def test_field_of_no_known_type_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="options can not be of the type dict"):
        option({}, help="a dictionary")
    with pytest.raises(TypeError, match="a tuple without items needs `of`"):
        option((), help="a list of what?")


def test_field_that_is_no_option_prints_as_well() -> None:
    @attrs.frozen(kw_only=True)
    class Plain(Pass):
        words: str = "a"

    assert str(Plain.from_options({"words": "a b"})) == 'plain{words="a b"}'


# --- lists, records and pipelines


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("counts", (3, 4), (3, 4)),
        ("counts", [3.0, "4"], (3, 4)),
        ("counts", "3,4", (3, 4)),
        ("counts", " 3 , 4 ", (3, 4)),
        ("counts", "3", (3,)),
        ("counts", "[]", ()),
        ("counts", (), ()),
        ("words", ["a,b", ""], ("a,b", "")),
        ("words", '"a,b",c', ("a,b", "c")),
        ("flags", "true,false", (True, False)),
        ("rounding", Rounding(mode="down"), Rounding(mode="down")),
        ("rounding", {"mode": "down", "bits": [2]}, Rounding(mode="down", bits=(2,))),
        ("rounding", "{mode=down bits=2}", Rounding(mode="down", bits=(2,))),
        ("roundings", [{"mode": "down"}, Rounding()], (Rounding(mode="down"), Rounding())),
        ("roundings", "{mode=down},{}", (Rounding(mode="down"), Rounding())),
        ("nested", {"rounding": {"mode": "down"}, "scale": "2"}, Nested(rounding=Rounding(mode="down"), scale=2.0)),
        ("then", program_pipeline(RaiseOpset(target="iOS18")), program_pipeline(RaiseOpset(target="iOS18"))),
        ("then", "program(raise-opset{target=iOS18})", program_pipeline(RaiseOpset(target="iOS18"))),
        ("then", " {program(raise-opset{target=iOS18})}", program_pipeline(RaiseOpset(target="iOS18"))),
    ],
)
def test_lists_records_and_pipelines_are_converted(name: str, given: Any, expected: Any) -> None:
    assert getattr(EveryKind.from_options({name: given}), name) == expected
    assert getattr(EveryKind(**{name: given}), name) == expected


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("counts", 3, "'counts': takes a list, each item a whole number, not 3"),
        ("counts", None, "'counts': takes a list, each item a whole number, not None"),
        ("counts", {1, 2}, "'counts': takes a list, each item a whole number, not {1, 2}"),
        ("counts", [1, None], "'counts': takes a whole number, not None"),
        ("counts", "1,", "'counts': expected a value, found the end of the text in '1,'"),
        ("counts", "1 2", "'counts': expected the end, found '2' in '1 2'"),
        ("counts", "1,{a}", "'counts': takes a whole number, not {a}"),
        ("rounding", 3, "'rounding': takes options in braces such as {mode=... bits=... words=...}, not 3"),
        ("rounding", "even", "'rounding': takes options in braces such as {mode=... bits=... words=...}, not 'even'"),
        ("rounding", {"mod": "even"}, "'rounding': has no option 'mod' (did you mean 'mode'?)"),
        ("rounding", {"mode": "evn"}, "'rounding.mode': takes one of even, nearest-up, down, not 'evn'"),
        ("rounding", "{mode=even", "'rounding': expected an option or '}', found the end of the text in '{mode=even'"),
        ("then", 3, "'then': takes a pipeline in braces such as {program(...)}, not 3"),
        ("then", "program(frob)", "'then': there is no pass or pipeline 'frob' in 'program(frob)'"),
        ("then", "program(frob", "'then': expected ',' or ')', found the end of the text in 'program(frob'"),
        ("then", "{flag}", "'then': takes a pipeline in braces such as {program(...)}, not {flag}"),
    ],
)
def test_what_is_no_list_record_or_pipeline_is_refused(name: str, given: Any, words: str) -> None:
    with pytest.raises(OptionError) as caught:
        EveryKind.from_options({name: given})
    assert one_line(caught.value).startswith(f"pass 'every-kind', option {words}")


def test_half_characters_are_refused() -> None:
    with pytest.raises(OptionError, match="option 'word': takes a word, not "):
        EveryKind(word="\ud800")


# --- as text


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (EveryOption(), "every-option"),
        (EveryOption(count=3, word="left"), "every-option"),
        (EveryOption(flag=True, switch=False), "every-option{flag=true switch=false}"),
        (EveryOption(ratio=2, count=-1), "every-option{count=-1 ratio=2.0}"),
        (EveryOption(side="right side"), 'every-option{side="right side"}'),
        (EveryOption(word=""), 'every-option{word=""}'),
        (NeedyPass(count=1, some_word="one"), "needy-pass{count=1 some-word=one}"),
        (QuantizeWeights(min_elements=0, dtype="uint8"), "quantize-weights{dtype=uint8 min-elements=0}"),
    ],
)
def test_pass_prints_what_is_not_its_default(made: Pass, text: str) -> None:
    assert str(made) == text


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("-3", "-3"),
        ("plain-word_1.5:/*", "plain-word_1.5:/*"),
        ("two words", '"two words"'),
        ("", '""'),
        ("a,b", '"a,b"'),
        ("{}", '"{}"'),
        ("[]", '"[]"'),
        ("f(x)=1", '"f(x)=1"'),
        ('say "x"', '"say \\"x\\""'),
        ("back\\slash", "back\\slash"),
        ("back\\ slash", '"back\\\\ slash"'),
        ("line\nbreak", '"line\\nbreak"'),
        ("no\x00thing", '"no\\x00thing"'),
        ("a//b", '"a//b"'),
        ("a/b/", "a/b/"),
    ],
)
def test_word_is_quoted_where_the_grammar_needs_it(word: str, text: str) -> None:
    assert format_word(word) == text


@pytest.mark.parametrize(
    ("class_name", "name"),
    [
        ("QuantizeWeights", "quantize-weights"),
        ("RaiseOpset", "raise-opset"),
        ("Fold", "fold"),
        ("FuseConv2Bias", "fuse-conv2-bias"),
        ("SinkQdq", "sink-qdq"),
    ],
)
def test_name_of_a_pass_is_its_class_in_kebab_case(class_name: str, name: str) -> None:
    cls: type[Pass] = type(class_name, (Pass,), {})
    assert cls.pass_name() == name
