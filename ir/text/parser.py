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
from typing import Any, Literal, TypeAlias

import attrs

from ..errors import did_you_mean
from ..proto.faults import Part, PartKind
from ..pymil import proto
from ..targets import IOS26, OPSETS, deployment_targets
from .cursor import Cursor, quoted
from .source import Source
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
Dialect = Literal["1.0", "1.3"]
_DIALECTS: tuple[Dialect, ...] = ("1.0", "1.3")
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
            self._spans.setdefault(Part(kind, name), (start, self._cursor.end - start))

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
            hint = several if cursor.peek_word() == "program" else None
            cursor.fail(f"expected the end of the text, found {cursor.found()}", hint=hint)
        return Parsed(program, dialect, cursor.source, begin, functions, operations)

    def _header(self) -> Dialect:
        self._keyword("program", "at the beginning of the text")
        self._cursor.expect("(", "after program")
        version, start = self._cursor.number("a version")
        for dialect in _DIALECTS:
            if version == dialect:
                self._cursor.expect(")", "after the version")
                return dialect
        hint = f"milopt reads {' and '.join(_DIALECTS)}"
        return self._cursor.fail(f"unknown version {version[:20]!r} of MIL text", at=start, hint=hint)

    def _keyword(self, keyword: str, where: str) -> None:
        if self._cursor.peek_word() != keyword:
            self._cursor.fail(f"expected {keyword!r} {where}, found {self._cursor.found()}")
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
            attributes[name].CopyFrom(self._values.parse())
            self._note("attribute", name, start)

    def _function(self, functions: Any) -> str:
        cursor = self._cursor
        self._keyword("func", "or '}' in the program")
        start, name = cursor.position, cursor.name("the name of a function")
        if name in functions:
            cursor.fail(f"the function {quoted(name)} is defined twice", at=start, length=len(name))
        function = functions[name]
        cursor.expect("<", "and an opset after the name of a function")
        function.opset = self._opset()
        cursor.expect(">", "after the opset")
        self._parameters(function.inputs)
        self._attributes(function.attributes)
        self._operations = array("Q")
        self._body(function.block_specializations[function.opset])
        cursor.expect(";", "at the end of a function")
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
        start, kind = self._cursor.position, self._types.parse()
        name = self._cursor.name(f"the name of this {'input' if what == 'parameter' else what}")
        values.add(name=name, type=kind)
        self._note(what, name, start)

    def _body(self, block: Any) -> None:
        cursor = self._cursor
        cursor.expect("{", "at the beginning of a block")
        spans, self._spans = self._spans, None
        while not cursor.accept("}"):
            self._operation(block.operations.add())
        self._spans = spans
        cursor.expect("->", "and the outputs after a block")
        cursor.expect("(", "at the beginning of the outputs")
        while not cursor.accept(")"):
            if block.outputs:
                cursor.expect(",", "or ')' after an output")
            start = cursor.position
            block.outputs.append(cursor.name("the name of an output"))
            self._note("result", block.outputs[-1], start)

    def _operation(self, operation: Any) -> None:
        cursor = self._cursor
        self._operations.append(cursor.position)
        self._outputs(operation.outputs)
        start = cursor.position
        operation.type = cursor.name("the type of an op")
        self._note("op", "", start)
        if cursor.next_is("<"):
            cursor.fail("an op has no opset of its own", hint="it takes that of its function")
        cursor.expect("(", "after the type of an op")
        first = True
        while not cursor.accept(")"):
            if not first:
                cursor.expect(",", "or ')' after an input")
            self._argument(operation.inputs)
            first = False
        self._attributes(operation.attributes)
        self._blocks(operation.blocks)
        cursor.expect(";", "at the end of an op")

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
        word = cursor.peek_word()
        if not word and not cursor.next_is('"'):
            cursor.fail(f"expected an op or '}}', found {cursor.found()}")
        if word and _DEFINED.match(cursor.text, cursor.position + len(word)):
            self._types.parse()  # no type begins like this: it says so
        if word and _ASSIGNED.match(cursor.text, cursor.position + len(word)):
            cursor.fail(
                "a value needs its type in front", length=len(word), hint="such as tensor<fp16, [1, 2]> y = ..."
            )

    def _argument(self, inputs: Any) -> None:
        cursor = self._cursor
        start, name = cursor.position, cursor.name("the name of an input")
        if name in inputs:
            cursor.fail(f"the input {quoted(name)} is given twice", at=start, length=len(name))
        cursor.expect("=", "after the name of an input")
        arguments = inputs[name].arguments
        start = cursor.position
        if not cursor.accept("("):
            self._operand(arguments)
        else:
            while not cursor.accept(")"):
                if arguments:
                    cursor.expect(",", "or ')' after a value")
                self._operand(arguments)
        self._note("input", name, start)

    def _operand(self, arguments: Any) -> None:
        """Takes the name of a value, or a value itself; a type's name can be a value's as well."""
        cursor = self._cursor
        word = cursor.peek_word()
        if word and self._types.at_type() and self._after(word) in ("<", "("):
            arguments.add(value=self._values.parse())
        else:
            arguments.add(name=cursor.name("a value or its name"))

    def _after(self, word: str) -> str:
        """The character behind the word that is next."""
        end = self._cursor.after(self._cursor.position + len(word))
        return self._cursor.text[end : end + 1]

    def _blocks(self, blocks: Any) -> None:
        cursor = self._cursor
        while cursor.next_is("(") or cursor.next_is("{"):
            cursor.enter()
            block = blocks.add()
            if cursor.next_is("("):
                self._parameters(block.inputs)
            self._body(block)
            cursor.leave()
