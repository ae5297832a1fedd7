"""Diagnostics that a text itself expects in its comments: what meets them, and what is told when something does not."""

from __future__ import annotations

from typing import Any

import pytest
from milopt.ir.diagnostics import Diagnostic, Location, TextError
from milopt.ir.text.expectations import expectations, unmet
from milopt.ir.text.source import Source


def found_in(text: str) -> list[tuple[Any, ...]]:
    """What a text expects: severity, line and words."""
    return [(each.severity, each.line, each.text) for each in expectations(Source(text, "f.mil"))]


def given(message: str, line: int | None = None, **more: Any) -> Diagnostic:
    """A diagnostic about a line."""
    location = None if line is None else Location("f.mil", line, 5)
    return Diagnostic(more.pop("where", ""), message, location=location, **more)


def left(text: str, *diagnostics: Diagnostic) -> list[str]:
    """What is not as the text expects."""
    return [str(each) for each in unmet(Source(text, "f.mil"), diagnostics)]


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("// expected-error {{a}}", ("error", 2, "a")),
        ("op; // expected-warning{{a b}}", ("warning", 2, "a b")),
        ("//expected-remark@+0 {{a}}", ("remark", 2, "a")),
        ("// expected-error@+2 {{'x' {y} (z)}}", ("error", 4, "'x' {y} (z)")),
        ("// expected-error@-1 {{a}}", ("error", 1, "a")),
        ("// expected-error@above {{a}}", ("error", 1, "a")),
        ("// expected-error@below   {{a}}", ("error", 3, "a")),
        ("// expected-error@unknown {{a}}", ("error", None, "a")),
        ("// see: expected-error {{a}} and so on", ("error", 2, "a")),
        ("// expected-error {{}}", ("error", 2, "")),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_expected_diagnostics_are_found(comment: str, expected: tuple[Any, ...], end: str) -> None:
    assert found_in(f"first{end}{comment}{end}last") == [expected]


@pytest.mark.parametrize("line", ["", "// nothing", "expected-error {{a}}", "// unexpected-error {{a}}", "// expected"])
def test_other_lines_expect_nothing(line: str) -> None:
    assert found_in(f"{line}\n") == []


def test_one_line_can_expect_several() -> None:
    text = "x // expected-error {{a}} expected-remark@+1 {{b}} and expected-error {{c}}"
    assert found_in(text) == [("error", 1, "a"), ("remark", 2, "b"), ("error", 1, "c")]


def test_several_lines_expect_in_order() -> None:
    text = "// expected-error@+1 {{a}}\n\n// expected-error@-1 {{b}}\n"
    assert found_in(text) == [("error", 2, "a"), ("error", 2, "b")]


def test_lines_are_those_of_the_whole_file() -> None:
    _, second = Source("a\n// -----\nb // expected-error {{x}}\n", "f.mil").sections()
    (found,) = expectations(second)
    assert (found.line, str(found.location)) == (3, "f.mil:3:6")


@pytest.mark.parametrize(
    "comment",
    [
        "// expected-error {a}",
        "// expected-error",
        "// expected-eror {{a}}",
        "// expected-note {{a}}",
        "// expected-error@next {{a}}",
        "// expected-error@1 {{a}}",
        "// expected-error {{a",
    ],
)
def test_what_only_looks_like_an_expectation_is_refused(comment: str) -> None:
    with pytest.raises(TextError) as caught:
        found_in(f"\n  {comment}\n")
    (found,) = caught.value.diagnostics
    assert str(found.location) == "f.mil:2:6"
    assert found.message == "this is no expected diagnostic"
    assert "// expected-error@+1 {{message}}" in (found.hint or "")


# --- what meets them


def test_nothing_is_left_of_what_is_as_expected() -> None:
    text = (
        "x // expected-error {{wrong}}\n// expected-remark@below {{done}}\ny\n// expected-warning@unknown {{careful}}\n"
    )
    met = [given("all wrong here", 1), given("done.", 3, severity="remark"), given("be careful", severity="warning")]
    assert left(text, *met) == []
    assert left(text, *reversed(met)) == []


def test_words_of_place_and_hint_count() -> None:
    text = "// expected-error {{op 'y': wrong (try this)}}\n"
    assert left(text, given("wrong", 1, where="op 'y'", hint="try this")) == []


@pytest.mark.parametrize(
    "diagnostic",
    [
        given("wrong", 2),
        given("wrong"),
        given("Wrong", 1),
        given("wrong", 1, severity="warning"),
        given("wrong", 1, severity="remark"),
    ],
)
def test_what_nearly_meets_an_expectation_does_not(diagnostic: Diagnostic) -> None:
    unexpected, missing = left("// expected-error {{wrong}}\n", diagnostic)
    assert f"unexpected {diagnostic.severity}: {diagnostic.message}" in unexpected
    assert missing == "f.mil:1:4: the expected error 'wrong' in line 1 was not given"


def test_place_of_an_unexpected_diagnostic_is_its_own() -> None:
    assert left("", given("wrong", 7, where="op 'y'", hint="do")) == ["f.mil:7:5: op 'y': unexpected error: wrong (do)"]


def test_place_of_a_missing_diagnostic_is_that_of_the_comment() -> None:
    text = "\nx  // expected-remark@+3 {{done}}\n// expected-error@unknown {{a}}\n"
    assert left(text) == [
        "f.mil:2:7: the expected remark 'done' in line 5 was not given",
        "f.mil:3:4: the expected error 'a' without a place was not given",
    ]
    first, _ = unmet(Source(text, "f.mil"), [])
    assert first.render().splitlines()[1:] == ["x  // expected-remark@+3 {{done}}", f"      ^{'~' * 26}"]


def test_each_expectation_is_met_once() -> None:
    text = "// expected-error {{wrong}}\n"
    assert left(text, given("wrong", 1), given("wrong too", 1)) == ["f.mil:1:5: unexpected error: wrong too"]
    twice = "// expected-error@+1 {{wrong}}\n// expected-error {{wrong}}\n"
    assert left(twice, given("wrong", 2), given("wrong too", 2)) == []
    assert left(twice, given("wrong", 2)) == ["f.mil:2:4: the expected error 'wrong' in line 2 was not given"]


def test_every_complaint_is_an_error() -> None:
    complaints = unmet(Source("// expected-remark {{a}}\n"), [given("b", 1, severity="remark")])
    assert [each.severity for each in complaints] == ["error", "error"]


@pytest.mark.parametrize("nothing", ["", "\n\n", "// only this\n", "  // this\n// and that"])
def test_parts_with_nothing_in_them_are_left_out(nothing: str) -> None:
    parts = Source(f"{nothing}\n// -----\nprogram\n// -----\n{nothing}").sections()
    assert [(part.text.strip(), part.first_line) for part in parts] == [("program", 2 + nothing.count("\n"))]


def test_a_part_that_expects_something_is_something() -> None:
    parts = Source("program\n// -----\n// expected-error@+1 {{x}}\n").sections()
    assert len(parts) == 2


def test_a_text_with_nothing_in_it_is_one_part() -> None:
    assert len(Source("// -----\n// -----\n").sections()) == 1
