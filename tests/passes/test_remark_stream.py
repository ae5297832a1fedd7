"""Remarks as they are said: filtered, placed, and written as text, JSON and YAML."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
import yaml
from milopt.ir.diagnostics import Location
from milopt.ir.errors import PassFailure
from milopt.passes.instrumentation.remark_formats import REMARK_FORMATS, RemarkFormat, format_of
from milopt.passes.instrumentation.remark_stream import RemarkFilter, RemarkStream
from milopt.passes.instrumentation.rewrite_limit import RewriteLimit
from milopt.passes.instrumentation.rewrite_log import NumberedRewrite, RewriteLog
from milopt.passes.remarks import REMARK_KINDS, Remark
from milopt.passes.runs import Rewrite
from support.passes import CHANGED, Note, doing, made, run_passes
from support.programs import PROGRAMS

EVERY = RemarkFilter()
PLACE = Location("in.mil", 3, 9, "    x = relu()", 4)


def remark(kind: Any = "missed", **more: Any) -> Remark:
    given = {"pass_name": "quantize-weights", "function": "main", "op": "w", "op_type": "const", "code": "small"}
    return Remark(kind=kind, **{**given, "message": "it has 3 elements", **more})


FULL = remark(
    suggestion="lower min-elements: to 2",
    source="a: table",
    data={
        "shape": (2, np.int64(3)),
        "scale": np.float32(0.5),
        "codes": np.arange(3),
        "type": np.dtype("int8"),
        "no": None,
    },
    location=PLACE,
)


def written(form: RemarkFormat, *remarks: Remark, accepts: RemarkFilter = EVERY) -> list[str]:
    texts: list[str] = []
    stream = RemarkStream(texts.append, form, accepts)
    for each in remarks:
        stream.on_remark(each)
    stream.finish()
    return texts


def test_text_is_a_line_for_each() -> None:
    assert written("text", remark(), FULL) == [
        "missed: op 'w' (const) in main: it has 3 elements {quantize-weights}\n",
        "in.mil:3:9: missed: op 'w' (const) in main: it has 3 elements [lower min-elements: to 2] {quantize-weights}\n",
    ]


def test_json_is_one_list() -> None:
    (text,) = written("json", remark(), FULL)
    bare, full = json.loads(text)
    assert bare == {
        "kind": "missed",
        "pass_name": "quantize-weights",
        "function": "main",
        "op": "w",
        "op_type": "const",
        "code": "small",
        "message": "it has 3 elements",
        "suggestion": None,
        "source": None,
        "data": {},
        "location": None,
    }
    assert full["location"] == {"file": "in.mil", "line": 3, "column": 9}
    assert full["data"] == {"shape": [2, 3], "scale": 0.5, "codes": [0, 1, 2], "type": "int8", "no": None}
    assert written("json") == ["[]\n"]


@pytest.mark.parametrize("kind", REMARK_KINDS)
def test_yaml_is_a_document_for_each(kind: Any) -> None:
    texts = written("yaml", remark(kind), FULL)
    assert len(texts) == 2
    assert texts[0].startswith(f"--- !{kind.capitalize()}\nPass: quantize-weights\nName: small\n")
    assert all(text.endswith("\n...\n") for text in texts)
    bare, full = yaml.safe_load_all(re.sub("^--- !.*", "---", "".join(texts), flags=re.MULTILINE))
    assert bare == {
        "Pass": "quantize-weights",
        "Name": "small",
        "Function": "main",
        "Op": "w",
        "OpType": "const",
        "Message": "it has 3 elements",
    }
    assert full == bare | {
        "DebugLoc": {"File": "in.mil", "Line": 3, "Column": 9},
        "Suggestion": "lower min-elements: to 2",
        "Source": "a: table",
        "Args": {"shape": [2, 3], "scale": 0.5, "codes": [0, 1, 2], "type": "int8", "no": None},
    }


@pytest.mark.parametrize("form", ["json", "yaml"])
@pytest.mark.parametrize("message", ["größer: als #1", "a\nb", "'quoted' \"twice\"", "--- !x", "yes", ""])
def test_strange_messages_survive(form: RemarkFormat, message: str) -> None:
    (text,) = written(form, remark(message=message))
    if form == "json":
        assert json.loads(text)[0]["message"] == message
    else:
        assert yaml.safe_load(text.replace("--- !Missed", "---", 1))["Message"] == message


@pytest.mark.parametrize(
    ("name", "form"), [("a.json", "json"), ("a.yaml", "yaml"), ("a.yml", "yaml"), ("a.txt", "text"), ("json", "text")]
)
def test_file_name_asks_for_a_format(name: str, form: str) -> None:
    assert format_of(name) == form
    assert form in REMARK_FORMATS


def test_filters_are_of_passes_and_kinds() -> None:
    every = [remark(kind, pass_name=name) for kind in REMARK_KINDS for name in ("raise-opset", "quantize-weights")]
    by_pass = RemarkFilter(passes=re.compile("^quantize"))
    by_kind = RemarkFilter(kinds=("passed", "failed"))
    both = RemarkFilter(re.compile("opset"), ("missed",))
    assert [each.kind for each in every if by_pass(each)] == list(REMARK_KINDS)
    assert {each.kind for each in every if by_kind(each)} == {"passed", "failed"}
    assert [each for each in every if both(each)] == [every[2]]
    assert all(map(RemarkFilter(), every))
    assert len(written("text", *every, accepts=both)) == 1


def test_remarks_are_written_as_they_are_said() -> None:
    texts: list[str] = []

    def look(_: Any) -> None:
        assert texts
        raise RuntimeError

    with pytest.raises(PassFailure, match="RuntimeError"):
        run_passes(PROGRAMS["linear"](), Note(), doing(look), around=(RemarkStream(texts.append),))
    assert re.fullmatch(r"analysis: op 'linear' \(linear\) in main: it is a linear \{note\}\n", texts[-1])


def test_remarks_get_their_places_from_outside() -> None:
    stream = RemarkStream(lambda _: None)
    stream.on_remark(remark())
    stream.locate = lambda each: PLACE if each.op == "w" else None
    stream.on_remark(remark())
    stream.on_remark(remark(op="other"))
    other = Location("else.mil", 1, 1)
    stream.on_remark(remark(location=other))
    assert [each.location for each in stream.remarks] == [None, PLACE, None, other]


# --- the log of rewrites


def rewriting(steps: int) -> Any:
    def run(_: Any, context: Any) -> Any:
        for _ in range(steps):
            context.admits("step")
        return CHANGED

    return made("Step", run)


def test_rewrites_are_numbered_over_all_passes_and_runs() -> None:
    log: list[NumberedRewrite] = []
    around = (RewriteLog(log.append),)
    run_passes(PROGRAMS["linear"](), rewriting(2), rewriting(1), around=around)
    run_passes(PROGRAMS["linear"](), rewriting(1), around=around)
    assert [str(each) for each in log] == [f"rewrite {number}: step {{step}}" for number in (1, 2, 3, 4)]


def test_log_says_where() -> None:
    found = NumberedRewrite(7, Rewrite("canonicalize", "cancel-transposes", "main", "x", "transpose"))
    assert str(found) == "rewrite 7: cancel-transposes on op 'x' (transpose) in main {canonicalize}"
    assert found.as_json() == {
        "number": 7,
        "pass_name": "canonicalize",
        "name": "cancel-transposes",
        "function": "main",
        "op": "x",
        "op_type": "transpose",
    }


def test_log_ends_where_the_limit_does() -> None:
    log: list[NumberedRewrite] = []
    run_passes(PROGRAMS["linear"](), rewriting(5), around=(RewriteLimit(3), RewriteLog(log.append)))
    assert [each.number for each in log] == [1, 2, 3]
