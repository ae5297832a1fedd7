"""The parser: MIL text of both dialects to the protobuf of an ML program.

The grammar is what real files show; where they show nothing (nested blocks, states, odd names) it is what our
printer writes, which follows the protobuf:

    program   = "program" "(" VERSION ")" [attributes] "{" {function} "}"
    function  = "func" NAME "<" OPSET ">" parameters [attributes] body ";"
    body      = "{" {operation} "}" "->" "(" [NAME {"," NAME}] ")"
    operation = [type NAME {"," type NAME} "="] OP "(" [argument {"," argument}] ")" [attributes] {block} ";"
    block     = [parameters] body                     the branches of cond, the condition and body of while_loop
    parameters = "(" [type NAME {"," type NAME}] ")"
    argument  = NAME "=" (operand | "(" [operand {"," operand}] ")")
    operand   = NAME | value
    attributes = "[" [NAME "=" value {"," NAME "=" value}] "]"

NAME is a word or, for what is no word, a quoted string. Comments run from `//` to the end of the line.
"""

from __future__ import annotations

import re
from array import array
from typing import Any, TypeAlias

import attrs

from ..errors import did_you_mean, quoted
from ..proto.faults import Part, PartKind
from ..pymil import proto
from ..targets import IOS26, OPSETS, deployment_targets
from . import mistakes
from .cursor import Cursor
from .source import DIALECTS, Dialect, Source
from .type_parser import TypeParser
from .value_parser import ValueParser

_MIL = proto.MIL_pb2
# Other tools still write ios19, which iOS 26 was called before its release.
_OPSETS = {opset.text_name: opset for opset in OPSETS} | {"ios19": IOS26}
# What opsets are called elsewhere: by their deployment targets, and in the protobuf.
_OPSETS_ELSEWHERE = {
    **{target.lower(): opset.text_name for target, opset in deployment_targets().items()},
    **{opset.mil_name.lower(): opset.text_name for opset in OPSETS},
}
_ASSIGNED = re.compile(r"\s*=")
_DEFINED = re.compile(r"<|\s+[^\W\d]")  # what comes behind a type and behind no op


@attrs.frozen
class Parsed:
    """What a text says.

    Attributes:
        program: the protobuf `MIL.Program`.
        dialect: the version in its first line.
        source: the text.
        start: where the program begins.
        functions: where each function begins.
        operations: by function, where its ops begin: an op comes before those in its blocks.
    """

    program: Any
    dialect: Dialect
    source: Source
    start: int
    functions: dict[str, int]
    operations: dict[str, array[int]]


Spans: TypeAlias = dict[Part, tuple[int, int]]  # where the parts of an op or function begin, and their lengths


def trace(parsed: Parsed, offset: int) -> Spans:
    """The places of the parts of the op or function that begins at `offset`."""
    return _Parser(parsed.source).trace(offset)


def parse_proto(text: str | Source, name: str = "<text>") -> Parsed:
    """Parses MIL text; weights that it refers to are not looked for.

    Args:
        text: in either dialect.
        name: what diagnostics call it.

    Raises:
        TextError: it does not parse; the diagnostic has the place.
    """
    return _Parser(text if isinstance(text, Source) else Source(text, name)).parse()


class _Parser:
    def __init__(self, source: Source) -> None:
        self._cursor = Cursor(source)
        self._types = TypeParser(self._cursor)
        self._values = ValueParser(self._cursor, self._types)
        self._operations: array[int] = array("Q")
        self._spans: Spans | None = None
        self._nested = ""  # what stands in front of the names of a nested block's parameters and results

    def trace(self, offset: int) -> Spans:
        """Parses the op or function at `offset` anew and gives the places of its parts."""
        self._cursor.move_to(offset)
        self._spans = {}
        if self._cursor.peek_word() == "func":
            self._function(_MIL.Program().functions)
        else:
            self._operation(_MIL.Operation())
        return self._spans

    def _note(self, kind: PartKind, name: str, start: int) -> None:
        """Remembers where a part begins and ends, when that is what the text is parsed for."""
        if self._spans is not None:
            within = self._nested if kind in ("parameter", "result") else ""
            self._spans.setdefault(Part(kind, within + name), (start, self._cursor.end - start))

    def parse(self) -> Parsed:
        """The whole text."""
        cursor, program, begin = self._cursor, _MIL.Program(version=1), self._cursor.position
        cursor.refuse_surrogates()
        dialect = self._header()
        self._attributes(program.attributes)
        cursor.expect("{", "at the beginning of the program")
        functions: dict[str, int] = {}
        operations: dict[str, array[int]] = {}
        while not cursor.accept("}"):
            start = cursor.position
            name = self._function(program.functions)
            functions[name], operations[name] = start, self._operations
        if cursor.position < len(cursor.text):
            several = "mil-opt --split-input-file takes texts apart at lines of // -----"
            cursor.miss("the end of the text", hint=several if cursor.peek_word() == "program" else None)
        return Parsed(program, dialect, cursor.source, begin, functions, operations)

    def _header(self) -> Dialect:
        self._keyword("program", "at the beginning of the text", "it begins with program(1.3)")
        self._cursor.expect("(", "after program", "a text begins with program(1.3)")
        version, start = self._cursor.number("a version")
        for dialect in DIALECTS:
            if version == dialect:
                self._cursor.expect(")", "after the version")
                return dialect
        hint = f"write {' or '.join(f'program({dialect})' for dialect in reversed(DIALECTS))}"
        return self._cursor.fail(f"unknown version {version[:20]!r} of MIL text", at=start, hint=hint)

    def _keyword(self, keyword: str, where: str, hint: str | None = None) -> None:
        if self._cursor.peek_word() != keyword:
            self._cursor.miss(f"{keyword!r} {where}", hint=hint)
        self._cursor.word("")

    def _attributes(self, attributes: Any) -> None:
        """Takes `[name = value, ...]`, if it is next, into a map of the protobuf."""
        cursor = self._cursor
        if not cursor.accept("["):
            return
        first = True
        while not cursor.accept("]"):
            if not first:
                cursor.expect(",", "or ']' after an attribute")
            first, start, name = False, cursor.position, cursor.name("the name of an attribute")
            if name in attributes:
                cursor.fail(f"the attribute {quoted(name)} is given twice", at=start, length=len(name))
            cursor.expect("=", "after the name of an attribute")
            start = cursor.position
            if not self._types.at_type():
                mistakes.refuse_untyped_attribute(cursor, name)
            attributes[name].CopyFrom(self._values.parse())
            self._note("attribute", name, start)

    def _function(self, functions: Any) -> str:
        cursor = self._cursor
        self._keyword("func", "or '}' in the program")
        start, name = cursor.position, cursor.name("the name of a function")
        if name in functions:
            cursor.fail(f"the function {quoted(name)} is defined twice", at=start, length=len(name))
        function = functions[name]
        cursor.expect("<", "and an opset after the name of a function", mistakes.function_hint(cursor, name))
        function.opset = self._opset()
        cursor.expect(">", "after the opset")
        self._parameters(function.inputs)
        self._attributes(function.attributes)
        self._operations = array("Q")
        block = function.block_specializations[function.opset]
        self._body(block, end=";")
        if not cursor.accept(";"):
            cursor.expect(";", "at the end of a function", f"write {mistakes.ending(block.outputs)};")
        return name

    def _opset(self) -> str:
        start, name = self._cursor.position, self._cursor.word("an opset, such as ios17")
        if name not in _OPSETS:
            meant = _OPSETS_ELSEWHERE.get(name.lower(), name)
            known = [opset.text_name for opset in OPSETS]
            hint = did_you_mean(meant, known) or f"known are {', '.join(known)}"
            self._cursor.fail(f"unknown opset {quoted(name)}", at=start, length=len(name), hint=hint)
        return _OPSETS[name].mil_name

    def _parameters(self, inputs: Any) -> None:
        cursor = self._cursor
        cursor.expect("(", "at the beginning of the inputs")
        first = True
        while not cursor.accept(")"):
            if not first:
                cursor.expect(",", "or ')' after an input")
            self._definition(inputs, "parameter")
            first = False

    def _definition(self, values: Any, what: PartKind) -> None:
        """Takes the type and the name of an output or a parameter."""
        if not self._types.at_type():
            mistakes.refuse_untyped_name(self._cursor)
        start, kind = self._cursor.position, self._types.parse()
        name = self._cursor.name(f"the name of this {'input' if what == 'parameter' else what}")
        values.add(name=name, type=kind)
        self._note(what, name, start)

    def _body(self, block: Any, end: str = "") -> None:
        cursor = self._cursor
        if not cursor.accept("{"):
            cursor.expect("{", "at the beginning of a block", mistakes.block_hint(cursor))
        spans, self._spans = self._spans, None
        while not cursor.accept("}"):
            self._operation(block.operations.add())
        self._spans = spans
        if not cursor.accept("->"):
            cursor.expect("->", "and the outputs after a block", mistakes.ending_hint(block, end))
        self._results(block.outputs)

    def _results(self, outputs: Any) -> None:
        """Takes the names of what a block gives."""
        cursor = self._cursor
        cursor.expect("(", "at the beginning of the outputs", "such as -> (y)")
        while not cursor.accept(")"):
            if outputs:
                cursor.expect(",", "or ')' after an output")
            start, is_type = cursor.position, self._types.at_type()
            outputs.append(cursor.name("the name of an output"))
            if not cursor.next_is(",") and not cursor.next_is(")"):
                mistakes.refuse_typed_output(cursor, start, is_type=is_type)
            self._note("result", outputs[-1], start)

    def _operation(self, operation: Any) -> None:
        cursor = self._cursor
        self._operations.append(cursor.position)
        self._outputs(operation.outputs)
        self._type(operation)
        first = True
        while not cursor.accept(")"):
            if not first:
                cursor.expect(",", "or ')' after an input")
            self._argument(operation)
            first = False
        self._attributes(operation.attributes)
        self._blocks(operation.blocks)
        cursor.expect(";", "at the end of an op")

    def _type(self, operation: Any) -> None:
        """Takes the type of an op and the parenthesis behind it."""
        cursor = self._cursor
        start, word = cursor.position, cursor.peek_word()
        if self._types.at_type() or word in mistakes.TRUTHS or not (word or cursor.next_is('"')):
            mistakes.refuse_value_for_op(cursor, operation.outputs)
        operation.type = cursor.name("the type of an op")
        self._note("op", "", start)
        if cursor.next_is("<"):
            cursor.fail("an op has no opset of its own", hint="it takes that of its function")
        if not cursor.accept("("):
            cursor.expect("(", "after the type of an op", mistakes.op_hint(cursor, operation.type))

    def _outputs(self, outputs: Any) -> None:
        """Takes `type name, ... =`; an op without outputs begins with its type and a parenthesis."""
        cursor = self._cursor
        if not self._types.at_type() or self._after(cursor.peek_word()) == "(":
            self._check_untyped()
            return
        self._definition(outputs, "output")
        while cursor.accept(","):
            self._definition(outputs, "output")
        cursor.expect("=", "after the outputs of an op")

    def _check_untyped(self) -> None:
        """A value without a type is a likely mistake, and so is a missing end of the block."""
        cursor = self._cursor
        mistakes.refuse_foreign_statement(cursor)
        word = cursor.peek_word()
        if not word and not cursor.next_is('"'):
            cursor.miss("an op or '}'")
        if word and _DEFINED.match(cursor.text, cursor.position + len(word)):
            self._types.parse()  # no type begins like this: it says so
        if word and _ASSIGNED.match(cursor.text, cursor.position + len(word)):
            cursor.fail(
                "a value needs its type in front", length=len(word), hint="such as tensor<fp16, [1, 2]> y = ..."
            )

    def _argument(self, operation: Any) -> None:
        cursor, inputs = self._cursor, operation.inputs
        start, name = cursor.position, self._input_name(operation)
        self._note("input name", name, start)
        if name in inputs:
            cursor.fail(f"the input {quoted(name)} is given twice", at=start, length=len(name))
        cursor.expect("=", "after the name of an input", f"write {name} = ..." if cursor.next_is(":") else None)
        arguments = inputs[name].arguments
        start = cursor.position
        if not cursor.accept("("):
            self._operand(arguments, name)
        else:
            while not cursor.accept(")"):
                if arguments:
                    cursor.expect(",", "or ')' after a value")
                self._operand(arguments, name)
        self._note("input", name, start)

    def _input_name(self, operation: Any) -> str:
        cursor = self._cursor
        start = cursor.position
        if not (cursor.peek_word() or cursor.next_is('"')):
            mistakes.refuse_unnamed_input(cursor, start, operation)
        name = cursor.name("the name of an input")
        if not cursor.next_is("="):
            mistakes.refuse_unnamed_input(cursor, start, operation)
        return name

    def _operand(self, arguments: Any, parameter: str) -> None:
        """Takes the name of a value, or a value itself; a type's name can be a value's as well."""
        cursor = self._cursor
        word, start = cursor.peek_word(), cursor.position
        if word and self._types.at_type() and self._after(word) in ("<", "("):
            arguments.add(value=self._values.parse())
            return
        if not word and not cursor.next_is('"'):
            mistakes.refuse_untyped_operand(cursor)
        name = cursor.name("a value or its name")
        arguments.add(name=name)
        self._note("operand", f"{parameter} {name}", start)
        if word and (cursor.next_is("(") or cursor.next_is("<")):
            mistakes.refuse_nested(cursor, start, self._types)

    def _after(self, word: str) -> str:
        """The character behind the word that is next."""
        end = self._cursor.after(self._cursor.position + len(word))
        return self._cursor.text[end : end + 1]

    def _blocks(self, blocks: Any) -> None:
        cursor = self._cursor
        while cursor.next_is("(") or cursor.next_is("{"):
            cursor.enter()
            outer, self._nested = self._nested, f"{len(blocks)} "
            block = blocks.add()
            if cursor.next_is("("):
                self._parameters(block.inputs)
            self._body(block)
            self._nested = outer
            cursor.leave()
