"""Dumps: programs, functions and excerpts around passes, each a program by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from milopt.ir.errors import PassFailure, SaveError
from milopt.ir.text.printer import print_program
from milopt.ir.text.reading import parse_program
from milopt.ir.walking import walk
from milopt.passes.base import Pass
from milopt.passes.instrumentation.ir_printing import Dump, IRPrinting, Moments, PassNames, difference
from milopt.passes.instrumentation.ir_scope import Scope
from milopt.passes.instrumentation.ir_tree import DumpTree, safe
from milopt.passes.instrumentation.paths import parts_of
from milopt.passes.instrumentation.verify_each import VerifyEach
from milopt.passes.manager import PassManager
from milopt.passes.pipeline import Pipeline, program_pipeline
from support.editing import find_op
from support.passes import CHANGED, Note, NoteFunctions, doing, made
from support.programs import PROGRAMS

ALL = PassNames(every=True)
PLAIN = Scope()
BOTH = program_pipeline(Note(), Pipeline("function", (NoteFunctions(),)))


def rename(program: Any) -> None:
    find_op(program, "relu").outputs[0].name = "renamed"


RENAME = doing(rename, "Rename")


def fail(_: Any) -> None:
    raise RuntimeError("no")


def break_program(program: Any) -> None:
    find_op(program, "relu").outputs[0]._sym_type = None


def dumped(
    name: str,
    pipeline: Pipeline,
    moments: Moments,
    scope: Scope = PLAIN,
    *,
    fails: bool = False,
    verify: bool = False,
) -> list[Dump]:
    dumps: list[Dump] = []
    around = [IRPrinting(moments, dumps.append, scope), *([VerifyEach()] if verify else [])]
    manager = PassManager(pipeline, around)
    if fails:
        with pytest.raises(PassFailure):
            manager.run(PROGRAMS[name]())
    else:
        manager.run(PROGRAMS[name]())
    return dumps


def told(dumps: list[Dump]) -> list[tuple[str, str, int]]:
    return [(dump.moment, dump.path, dump.number) for dump in dumps]


def functions_in(dump: Dump) -> list[str]:
    return list(parse_program(str(dump), missing_weights="zeros").functions)


# --- what is shown


@pytest.mark.parametrize("name", ["linear", "cond", "two_functions", "linear_chain", "attention"])
def test_dump_of_a_program_is_its_text(name: str) -> None:
    (dump,) = dumped(name, program_pipeline(Note()), Moments(before=ALL))
    assert dump.text == print_program(PROGRAMS[name]())
    header, _, text = str(dump).partition("\n")
    assert (header, text) == ("// ----- IR dump before note (program/note) ----- //", dump.text)


@pytest.mark.parametrize("name", ["linear", "cond", "two_functions", "attention"])
def test_every_dump_is_a_program_by_itself(name: str) -> None:
    program = PROGRAMS[name]()
    ops = [operation.name for operation in walk(program) if operation.op_type != "const"]
    scopes = [Scope(), Scope(whole_program=True), *(Scope(op=op) for op in ops)]
    for scope in scopes:
        dumps = dumped(name, BOTH, Moments(before=ALL, after=ALL), scope)
        assert dumps
        for dump in dumps:
            again = parse_program(str(dump), missing_weights="zeros")
            assert set(again.functions) <= set(program.functions)
            assert scope.op is None or any(scope.op == each.name for each in walk(again)) or name == "cond"


def test_function_pass_shows_its_function() -> None:
    dumps = dumped("two_functions", BOTH, Moments(after=PassNames(frozenset({"note-functions"}))))
    assert [functions_in(dump) for dump in dumps] == [
        ["encode"],
        ["decode"],
    ]


def test_function_is_shown_alone() -> None:
    dumps = dumped("two_functions", BOTH, Moments(before=ALL), Scope(function="decode"))
    assert told(dumps) == [("before", "program/note", 0), ("before", "program/function(decode)/note-functions", 2)]
    assert all(functions_in(dump) == ["decode"] for dump in dumps)
    assert dumped("two_functions", BOTH, Moments(before=ALL), Scope(function="none")) == []


def test_whole_program_is_shown_for_passes_on_the_function_that_is_asked_for() -> None:
    dumps = dumped("two_functions", BOTH, Moments(before=ALL), Scope(function="decode", whole_program=True))
    assert [dump.number for dump in dumps] == [0, 2]
    assert all("func encode" in dump.text for dump in dumps)


def test_op_is_shown_with_its_neighbours() -> None:
    (dump,) = dumped("linear_chain", program_pipeline(Note()), Moments(before=ALL), Scope(op="relu"))
    relu = find_op(PROGRAMS["linear_chain"](), "relu")
    shown = [each.name for each in walk(parse_program(dump.text, missing_weights="zeros")) if each.op_type != "const"]
    assert shown == [relu.x.op.name, relu.name, *(user.name for user in relu.outputs[0].child_ops)]
    assert dumped("linear_chain", program_pipeline(Note()), Moments(before=ALL), Scope(op="none")) == []


def uproot(program: Any) -> None:
    find_op(program, "relu").enclosing_block = None


@pytest.mark.parametrize(
    ("action", "scope"), [(break_program, Scope()), (uproot, Scope(op="relu"))], ids=["program", "op"]
)
def test_program_that_can_not_be_printed_gives_a_comment(action: Any, scope: Scope) -> None:
    (dump,) = dumped("linear_chain", program_pipeline(doing(action)), Moments(after=ALL), scope)

    assert dump.text.startswith("// it can not be printed: the program: ")
    assert dump.text.count("\n") == 1


# --- when


def test_moments_before_and_after() -> None:
    paths = ["program/note", "program/function(main)/note-functions"]
    assert told(dumped("linear", BOTH, Moments(before=ALL, after=ALL))) == [
        (moment, path, number) for number, path in enumerate(paths) for moment in ("before", "after")
    ]
    assert dumped("linear", BOTH, Moments()) == []


def test_passes_are_chosen_by_name_whatever_their_options() -> None:
    pipeline = program_pipeline(Note(), Note(word="b"), RENAME)
    some = PassNames(frozenset({"note"}))
    assert told(dumped("linear_chain", pipeline, Moments(before=some))) == [
        ("before", "program/note", 0),
        ("before", "program/note{word=b}", 1),
    ]


def test_only_changes_are_printed() -> None:
    pipeline = program_pipeline(Note(), RENAME, RENAME)
    dumps = dumped("linear_chain", pipeline, Moments(after=ALL, only_changes=True))
    assert told(dumps) == [("after", "program/rename", 1)]
    assert "renamed" in dumps[0].text


def test_same_program_is_not_printed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    printed: list[str] = []
    text = Scope.text
    monkeypatch.setattr(Scope, "text", lambda scope, run: (printed.append(run.path), text(scope, run))[1])
    pipeline = program_pipeline(Note(), RENAME, Note(), Note(word="b"))
    dumps = dumped("linear_chain", pipeline, Moments(before=ALL, after=ALL))
    assert printed == ["program/note", "program/rename"]
    assert [dump.text for dump in dumps] == [dumps[0].text] * 3 + [dumps[3].text] * 5


def test_same_pipeline_on_another_program_is_printed_anew() -> None:
    dumps: list[Dump] = []
    manager = PassManager(program_pipeline(Note()), [IRPrinting(Moments(before=ALL), dumps.append)])
    for name in ("linear", "linear_chain"):
        manager.run(PROGRAMS[name]())
    assert [dump.text for dump in dumps] == [print_program(PROGRAMS[name]()) for name in ("linear", "linear_chain")]


def test_changes_of_what_is_not_shown_are_none() -> None:
    moments = Moments(after=ALL, only_changes=True)
    assert dumped("linear_chain", program_pipeline(RENAME), moments, Scope(function="other")) == []


def test_changes_outside_of_and_inside_of_a_pass_are_kept_apart() -> None:
    def nest(_: Any, context: Any) -> Any:
        context.run_pipeline(program_pipeline(RENAME, RENAME))
        return CHANGED

    dumps = dumped("linear_chain", program_pipeline(made("Nest", nest)), Moments(after=ALL, only_changes=True))
    assert told(dumps) == [("after", "program/nest/program/rename", 1), ("after", "program/nest", 0)]


def test_differences_are_lines_with_signs() -> None:
    (dump,) = dumped("linear_chain", program_pipeline(RENAME), Moments(after=ALL, differences=True))
    assert str(dump).startswith("// ----- IR changes by rename (program/rename) ----- //\n--- before\n+++ after\n@@ ")
    signs = [line[0] for line in dump.text.splitlines()[3:] if line[0] != " "]
    assert set(signs) == {"-", "+"}
    assert sum("renamed" in line for line in dump.text.splitlines() if line[0] == "+") >= 1
    assert not any("renamed" in line for line in dump.text.splitlines() if line[0] == "-")


def test_difference_of_nothing_and_something_is_all_of_it() -> None:
    assert difference("", "a\nb\n").splitlines()[3:] == ["+a", "+b"]
    assert difference("a\n", "a\n") == ""


@pytest.mark.parametrize(("action", "verify"), [(fail, False), (break_program, True)], ids=["raises", "breaks"])
def test_pass_that_fails_is_printed_if_that_is_asked_for(action: Any, *, verify: bool) -> None:
    pipeline = program_pipeline(Note(), doing(action, "Fail"), Note())
    dumps = dumped("linear_chain", pipeline, Moments(failures=True), fails=True, verify=verify)
    assert told(dumps) == [("failure", "program/fail", 1)]
    assert str(dumps[0]).startswith("// ----- IR dump after failed fail (program/fail) ----- //\n")
    assert (
        dumped("linear_chain", pipeline, Moments(after=PassNames(frozenset({"fail"}))), fails=True, verify=verify) == []
    )


def test_header_is_one_line() -> None:
    pipeline = program_pipeline(Note(word="a\nb"))
    (dump,) = dumped("linear", pipeline, Moments(before=ALL))
    assert str(dump).splitlines()[1] == "program(1.3)"


# --- files


def nested(name: str) -> Pass:
    return made(name, lambda _, context: (context.run_pipeline(BOTH), CHANGED)[1])


def test_files_stand_in_folders_like_the_pipelines(tmp_path: Path) -> None:
    pipeline = program_pipeline(nested("Nest"), Pipeline("function", (NoteFunctions(),)))
    printing = IRPrinting(Moments(before=PassNames(frozenset({"note"})), after=ALL), DumpTree(tmp_path / "a" / "b"))
    PassManager(pipeline, [printing]).run(PROGRAMS["two_functions"]())
    found = sorted(str(path.relative_to(tmp_path / "a" / "b")) for path in tmp_path.rglob("*") if path.is_file())
    assert found == [
        "program/0_nest.mil",
        "program/function_decode/5_note-functions.mil",
        "program/function_encode/4_note-functions.mil",
        "program/nest/program/1_note.before.mil",
        "program/nest/program/1_note.mil",
        "program/nest/program/function_decode/3_note-functions.mil",
        "program/nest/program/function_encode/2_note-functions.mil",
    ]
    text = (tmp_path / "a/b/program/function_decode/5_note-functions.mil").read_text("utf-8")
    assert list(parse_program(text, missing_weights="zeros").functions) == ["decode"]


@pytest.mark.parametrize(
    ("moment", "ending"),
    [("before", ".before.mil"), ("after", ".mil"), ("failure", ".failed.mil"), ("changes", ".diff")],
)
def test_name_of_a_file_tells_the_moment(moment: Any, ending: str, tmp_path: Path) -> None:
    DumpTree(tmp_path)(Dump(moment, "common::noop", "program/common::noop{a=b/c}", 7, "text\n"))
    assert (tmp_path / "program" / f"7_common_noop{ending}").read_text("utf-8").endswith("\ntext\n")


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("program/note", ["program", "note"]),
        ("program/function(a/b)/note{word=c/d}", ["program", "function(a/b)", "note{word=c/d}"]),
        (
            "program/x{pipeline={function(a, b)}}/function(main)/a",
            ["program", "x{pipeline={function(a, b)}}", "function(main)", "a"],
        ),
    ],
)
def test_path_has_parts(path: str, parts: list[str]) -> None:
    assert parts_of(path) == parts


@pytest.mark.parametrize(
    ("name", "made_safe"),
    [
        ("function(main)", "function_main"),
        ("function(../../etc)", "function_.._.._etc"),
        ("..", "_"),
        ("/", "_"),
        ("a b\nc", "a_b_c"),
        ("größe", "größe"),
        ("function(главная)", "function_главная"),
        ("я" * 300, "я" * 50),
        ("x" * 300, "x" * 100),
    ],
)
def test_names_of_files_are_safe(name: str, made_safe: str) -> None:
    assert safe(name) == made_safe


def test_names_that_would_be_the_same_get_numbers(tmp_path: Path) -> None:
    tree = DumpTree(tmp_path)
    for number, name in enumerate(["a/b", "a b", "A_B", "a/b"]):
        tree(Dump("after", "note", f"program/function({name})/note", number, ""))
    found = sorted(str(path.relative_to(tmp_path / "program")) for path in tmp_path.rglob("*.mil"))
    assert found == [
        "function_A_B_3/2_note.mil", "function_a_b/0_note.mil", "function_a_b/3_note.mil", "function_a_b_2/1_note.mil"
    ]  # fmt: skip


def test_dumps_of_an_earlier_run_go_and_nothing_else(tmp_path: Path) -> None:
    tree = DumpTree(tmp_path)
    for number, moment in enumerate(["before", "after", "failure", "changes"]):
        tree(Dump(moment, "note", "program/function(main)/note", number, "", number))
    kept = [tmp_path / name for name in ("0_note.mil", "program/mine.mil", "mine/0_note.mil", "program_x/0_note.mil")]
    for path in kept:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    DumpTree(tmp_path)
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0_note.mil", "mine", "program", "program_x"]


def test_folder_that_can_not_be_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SaveError, match=r"file: programs can not be dumped there: File exists$"):
        DumpTree(tmp_path / "file")
    with pytest.raises(SaveError, match=r"inner: programs can not be dumped there: Not a directory$"):
        DumpTree(tmp_path / "file" / "inner")


def test_file_that_can_not_be_written_ends_the_run_in_one_line(tmp_path: Path) -> None:
    tree = DumpTree(tmp_path)
    (tmp_path / "program" / "0_note.mil").mkdir(parents=True)
    manager = PassManager(program_pipeline(Note()), [IRPrinting(Moments(after=ALL), tree)])
    with pytest.raises(PassFailure, match=r"^pass 'note', .*0_note.mil: programs .*: Is a directory$"):
        manager.run(PROGRAMS["linear"]())
