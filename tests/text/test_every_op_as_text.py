"""Every op of the opsets iOS15 to iOS18 has programs as text, in `ops/`, which come back as they are."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import pytest
from coremltools.converters.mil._deployment_compatibility import AvailableTarget
from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry
from milopt.ir.equality import first_difference
from milopt.ir.errors import ProgramError
from milopt.ir.proto.walking import selected_block, walk_operations
from milopt.ir.pymil import op_class
from milopt.ir.targets import IOS18, OPSETS, Opset, parse_target
from milopt.ir.text.printer import Dialect, print_program, print_proto
from milopt.ir.verifier import verify

FOLDER = Path(__file__).parent / "ops"
FILES = {file.stem: file for file in FOLDER.glob("*.mil")}
# PyMIL's op for a write to a state and the read after it; the protobuf has one op for each.
TEXT_NAMES = {"coreml_update_state": "write_state"}
# PyMIL's own bookkeeping: it stands for the symbol of an unknown size, and no program as text holds it.
INTERNAL = {"_const_symbolic"}
DIALECTS: list[Dialect] = ["1.3", "1.0"]

every_file = pytest.mark.parametrize("op_type", sorted(FILES))


@attrs.frozen
class Section:
    """One program of a file.

    Attributes:
        name: the file and which of its programs this is, for diagnostics.
        comment: what the program shows.
        text: the program.
    """

    name: str
    comment: str
    text: str

    @property
    def opset(self) -> Opset:
        """The opset of its function."""
        found = re.search(r"func main<(ios\d+)>\(", self.text)
        assert found, self.name
        return parse_target(found.group(1))


@cache
def sections(op_type: str) -> list[Section]:
    """The programs of a file."""
    parts = FILES[op_type].read_text("utf-8").split("// -----\n")
    lines = [part.partition("\n") for part in parts]
    return [
        Section(f"{op_type}.mil, program {number}", comment, text) for number, (comment, _, text) in enumerate(lines, 1)
    ]


def versions(op_type: str) -> dict[Opset, Any]:
    """PyMIL's class of an op in each opset that has it."""
    found = {}
    for opset in OPSETS[: OPSETS.index(IOS18) + 1]:
        try:
            found[opset] = op_class(op_type, opset)
        except ProgramError:
            continue
    return found


def given(section: Section, op_type: str) -> set[str]:
    """The inputs that a program gives to the ops of a type."""
    from milopt.ir.text.parser import parse_proto

    (function,) = parse_proto(section.text, section.name).program.functions.values()
    _, block = selected_block(function)
    found = [operation for operation in walk_operations(block) if operation.type == op_type]
    return {name for operation in found for name in (*operation.inputs, *operation.attributes)}


def test_every_op_has_a_file() -> None:
    in_opsets = {
        op_type
        for op_type, variants in SSAOpRegistry.core_ops.items()
        if any(target <= AvailableTarget.iOS18 for target in variants)
    }
    assert set(FILES) == (in_opsets - INTERNAL) | set(TEXT_NAMES)


@every_file
def test_every_version_has_a_program(op_type: str) -> None:
    known = versions(op_type)
    assert {known[section.opset] for section in sections(op_type)} == set(known.values())


@every_file
def test_every_program_holds_its_op_and_says_what_it_shows(op_type: str) -> None:
    name = TEXT_NAMES.get(op_type, op_type)
    for section in sections(op_type):
        assert re.search(rf"(= |^ +){name}\(", section.text, re.MULTILINE), section.name
        assert re.fullmatch(r"// \w.*\.", section.comment), section.name
        assert "//" not in section.text, section.name


@every_file
def test_every_input_is_given_by_some_program(op_type: str) -> None:
    if op_type in TEXT_NAMES:
        pytest.skip("the protobuf calls its inputs otherwise")
    kinds: dict[str, Any] = {}
    for cls in versions(op_type).values():
        kinds |= cls.input_spec.input_types
    expected = {name for name, kind in kinds.items() if name[0] != "_" and type(kind).__name__ != "PyFunctionInputType"}
    assert expected - set().union(*(given(section, op_type) for section in sections(op_type))) == set()


@every_file
def test_programs_come_back(op_type: str) -> None:
    from milopt.ir.text.reading import parse_program

    for section in sections(op_type):
        program = parse_program(section.text, name=section.name)
        assert verify(program) == [], section.name
        assert print_program(program, weights="inline") == section.text


@every_file
def test_programs_come_back_from_the_older_dialect(op_type: str) -> None:
    from milopt.ir.text.reading import parse_program

    for section in sections(op_type):
        program = parse_program(section.text, name=section.name)
        older = print_program(program, weights="inline", dialect="1.0")
        assert older != section.text
        assert first_difference(parse_program(older, name=section.name), program) is None


@every_file
def test_protobufs_come_back(op_type: str) -> None:
    from milopt.ir.text.parser import parse_proto

    for section in sections(op_type):
        program = parse_proto(section.text, section.name).program
        for dialect in DIALECTS:
            assert parse_proto(print_proto(program, dialect=dialect), section.name).program == program, section.name
