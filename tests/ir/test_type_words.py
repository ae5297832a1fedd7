"""Types in words: what people read is what MIL text says, letter by letter."""

from __future__ import annotations

import pytest
from milopt.ir.text.formatting import format_name
from milopt.ir.text.printer import print_program
from milopt.ir.type_words import short_type_words, type_words
from milopt.ir.walking import walk
from support.programs import PROGRAMS

# What text does not define in the same words: constants stand in their users, and an update is two ops in text.
ELSEWHERE = ("const", "coreml_update_state")


@pytest.mark.parametrize("name", PROGRAMS)
def test_words_are_those_of_text(name: str) -> None:
    program = PROGRAMS[name]()
    text = print_program(program)
    for operation in walk(program):
        for var in operation.outputs if operation.op_type not in ELSEWHERE else ():
            assert f"{type_words(var.sym_type)} {format_name(var.name)}" in text
    for function in program.functions.values():
        for var in function.inputs.values():
            assert f"{type_words(var.sym_type)} {format_name(var.name)}" in text


@pytest.mark.parametrize("name", PROGRAMS)
def test_short_words_differ_in_tensors_alone(name: str) -> None:
    for operation in walk(PROGRAMS[name]()):
        for var in operation.outputs:
            words, short = type_words(var.sym_type), short_type_words(var.sym_type)
            assert short == words.replace("tensor<", "").replace(", [", "[").replace("]>", "]")
            assert (len(short) < len(words)) == ("tensor<" in words)
