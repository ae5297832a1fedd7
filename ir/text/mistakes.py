"""What people write by hand where MIL text wants something else, and what to write there instead.

Called where parsing goes wrong, or is about to: functions called `refuse...` raise a `TextError` if they know the
mistake, the others give a hint, or None.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from ..dtypes import dtype_named, dtype_of_proto
from ..errors import ProgramError
from ..pymil import op_class
from ..targets import IOS18
from .cursor import Cursor
from .elements import ElementError, parse_elements
from .formatting import format_name
from .type_parser import TypeParser

_STRING = r'"(?:[^"\\\n]|\\.)*"'
_WORD = re.compile(rf"(?:{_STRING}|[-+]?[\w.]+(?:(?<=[pPeE])[-+][0-9]+)?)")
_ROW = re.compile(r"\[([^\[\](){}=;]*)\]")
_FLOAT_TYPE = re.compile(r"\bfp(?:16|32)\b")
_TYPED_VALUE = re.compile(r"\w+(?:<[^<>()]*>)?\([^()]*\)")
_TYPE_BEHIND = re.compile(r":\s*(\w+(?:<[^<>()]*>)?)")
_GROUP = re.compile(r"\(?([^()=\n]*)\)")
_RETURNED = re.compile(r"return\b\s*\(?([\w., ]*)\)?")
_SEVERAL = re.compile(r"\([\w., ]*\)\s*=|\w+\s*,[\w., ]*=")
_NEAR = 500  # characters in which the type of a float is looked for
_LONG = 60
_OPERATORS = {"+": "add", "-": "sub", "*": "mul", "/": "real_div", "@": "matmul"}
_ANY_VALUE = "such as int32(1), tensor<int32, [2]>([1, 2])"
_ANY_DICTIONARY = 'such as dict<string, string>({{"a", "b"}})'
_NAMES = re.compile(r"\[\s*([^\W\d][\w.]*(?:\s*,\s*[^\W\d][\w.]*)*)\s*\]")
TRUTHS = ("true", "false")


# --- values without a type


def refuse_untyped(cursor: Cursor) -> None:
    """A literal stands where a value with its type should."""
    typed = _typed(cursor)
    if typed:
        cursor.fail("a value needs its type", length=_length(cursor), hint=f"write {typed}")
    if cursor.next_is("[") or cursor.next_is("{"):
        cursor.fail("a value needs its type", hint=_ANY_VALUE if cursor.next_is("[") else _ANY_DICTIONARY)


def refuse_untyped_operand(cursor: Cursor) -> None:
    """A literal, or names in square brackets, stand where a value or its name should."""
    names = _NAMES.match(cursor.text, cursor.position)
    if names and _typed(cursor) is None:
        cursor.fail("several values stand in parentheses", length=len(names.group()), hint=f"write ({names.group(1)})")
    refuse_untyped(cursor)


def refuse_untyped_attribute(cursor: Cursor, key: str) -> None:
    """A literal or a name stands where an attribute's value should; a misspelt type is none of them."""
    word = cursor.peek_word()
    end = cursor.after(cursor.position + len(word))
    if cursor.text[end : end + 1] in ("(", "<") and word:
        return
    refuse_untyped(cursor)
    if word:
        hint = f'write string("{word}")' if key == "name" else _ANY_VALUE
        cursor.fail("attributes hold values, not names", length=len(word), hint=hint)


def _literal(cursor: Cursor) -> re.Match[str] | None:
    """What could be a literal: a word, or a row of them."""
    pattern = _ROW if cursor.next_is("[") else _WORD
    return pattern.match(cursor.text, cursor.position)


def _length(cursor: Cursor) -> int:
    """How many characters the literal or value that is next has."""
    found = _TYPED_VALUE.match(cursor.text, cursor.position) or _literal(cursor)
    return len(found.group()) if found else 1


def _typed(cursor: Cursor, declared: Sequence[str] = ()) -> str | None:
    """The literal that is next with its type; None if none is, or if its type can not be told."""
    found = _literal(cursor)
    if found is None:
        return None
    is_row, literal = cursor.next_is("["), found.group()
    words = [word.strip() for word in literal[1:-1].split(",")] if is_row else [literal]
    kind = next((name for name in (*declared, *_element_types(cursor)) if _holds(name, words)), None)
    if kind is None or not is_row:
        return kind and f"{kind}({literal})"
    return f"tensor<{kind}, [{len(words)}]>({literal if len(literal) <= _LONG else '[...]'})"


def _typed_value(cursor: Cursor) -> str | None:
    """The value with its type that is next, without its elements if they are many."""
    found = _TYPED_VALUE.match(cursor.text, cursor.position)
    if found is None or len(found.group()) <= _LONG:
        return found and found.group()
    return f"{found.group().split('(', 1)[0]}(...)"


def _element_types(cursor: Cursor) -> Iterable[str]:
    """The types that a literal could have, the likeliest first: floats have that of their neighbours."""
    at = cursor.position
    near = _FLOAT_TYPE.findall(cursor.text, max(0, at - _NEAR), at)
    return ("string", "bool", "int32", near[-1] if near else "fp16")


def _holds(name: str, words: list[str]) -> bool:
    if name == "string":
        return all(word.startswith('"') for word in words)
    with suppress(ElementError):
        return len(parse_elements(words, dtype_named(name))) > 0
    return False


# --- ops and their inputs


def refuse_foreign_statement(cursor: Cursor) -> None:
    """What begins a statement in other languages stands where an op should."""
    if _SEVERAL.match(cursor.text, cursor.position):
        hint = "several outputs: tensor<fp16, [1]> a, tensor<fp16, [1]> b = ..."
        cursor.fail("a value needs its type in front", hint=hint)
    returned = _RETURNED.match(cursor.text, cursor.position)
    if returned and not _is_call(cursor):
        hint = f"the outputs stand behind the block: }} -> ({returned.group(1).strip()})"
        cursor.fail("there is no 'return'", length=len("return"), hint=hint)


def refuse_untyped_name(cursor: Cursor) -> None:
    """A name stands where the type of an output or input should."""
    word = cursor.peek_word()
    end = cursor.after(cursor.position + len(word))
    if not word or cursor.text[end : end + 1] not in ("=", ",", ")", ":"):
        return
    behind = _TYPE_BEHIND.match(cursor.text, end)
    hint = f"write {behind.group(1)} {word}" if behind else f"such as tensor<fp16, [1, 2]> {word}"
    cursor.fail("a value needs its type in front", length=len(word), hint=hint)


def refuse_value_for_op(cursor: Cursor, outputs: Any) -> None:
    """A value stands where the type of an op should; an op may be called as a type is."""
    if _is_call(cursor):
        return
    declared = [dtype_of_proto(outputs[0].type.tensorType.dataType).name] if _is_tensor(outputs) else []
    typed = _typed_value(cursor) or _typed(cursor, declared)
    if typed:
        hint = f"a constant is const()[val = {typed}]"
        cursor.fail(f"expected the type of an op, found {cursor.found()}", length=_length(cursor), hint=hint)


def _is_call(cursor: Cursor) -> bool:
    """Whether a word, a parenthesis, and its end or the name of an input are next."""
    text, word = cursor.text, cursor.peek_word()
    opening = cursor.after(cursor.position + len(word))
    first = cursor.after(opening + 1)
    name = _WORD.match(text, first)
    behind = cursor.after(name.end()) if name else first
    return bool(word) and text[opening : opening + 1] == "(" and text[behind : behind + 1] == ("=" if name else ")")


def _is_tensor(outputs: Any) -> bool:
    return bool(outputs) and outputs[0].type.WhichOneof("type") == "tensorType"


def op_hint(cursor: Cursor, name: str) -> str | None:
    """What to write for an expression of other languages; the cursor stands behind its first name."""
    mark = cursor.text[cursor.position : cursor.position + 1]
    if mark in _OPERATORS:
        return f"such as {_OPERATORS[mark]}(x = {format_name(name)}, y = ...)"
    return f"such as identity(x = {format_name(name)})" if mark == ";" else None


def refuse_unnamed_input(cursor: Cursor, start: int, operation: Any) -> None:
    """An op is given a value without the name of the input; it began at `start`."""
    if cursor.position > start and cursor.text[cursor.position : cursor.position + 1] not in (",", ")", "(", "<"):
        return
    cursor.move_to(start)
    _refuse_nested_op(cursor)
    parameter, several = _next_parameter(operation)
    group = _GROUP.match(cursor.text, start) if several else None
    given = f"({group.group(1).strip()})" if group else _given(cursor)
    if given:
        length = len(given) if group and cursor.next_is("(") else _length(cursor)
        cursor.fail("an input needs its name", length=length, hint=f"inputs are named: {parameter} = {given}")


def _given(cursor: Cursor) -> str:
    """The value or the name that is next, as it is to be written; empty if neither is."""
    typed = _typed_value(cursor) or _typed(cursor)
    return typed or cursor.peek_word() or ("..." if cursor.next_is("[") or cursor.next_is("(") else "")


def _next_parameter(operation: Any) -> tuple[str, bool]:
    """The name of the first input that an op was not given yet, and whether it takes several values."""
    with suppress(ProgramError):
        for name, kind in op_class(operation.type, IOS18).input_spec.input_types.items():
            if name not in operation.inputs and not name.startswith("_"):
                return name, type(kind).__name__ == "TupleInputType"
    return "x", False


def refuse_nested(cursor: Cursor, start: int, types: TypeParser) -> None:
    """An op, or a value of an unknown type, stands where a value or its name should; it began at `start`."""
    cursor.move_to(start)
    _refuse_nested_op(cursor)
    types.parse()


def _refuse_nested_op(cursor: Cursor) -> None:
    word = cursor.peek_word()
    if cursor.text.startswith("(", cursor.after(cursor.position + len(word))) and _is_op(word):
        hint = f"give {word} a line of its own, and its output's name here"
        cursor.fail("ops do not stand in other ops", length=len(word), hint=hint)


def _is_op(word: str) -> bool:
    with suppress(ProgramError):
        return op_class(word, IOS18) is not None
    return False


# --- functions and blocks


def function_hint(cursor: Cursor, name: str) -> str | None:
    """What to write for a function without an opset."""
    return f"such as func {format_name(name)}<ios18>(...)" if cursor.next_is("(") else None


def block_hint(cursor: Cursor) -> str | None:
    """What to write for outputs in front of a block."""
    return "the outputs stand behind the block: } -> (y)" if cursor.next_is("->") else None


def ending(outputs: Iterable[str]) -> str:
    """The end of a block that gives these values."""
    names = ", ".join(map(format_name, outputs))
    return f"}} -> ({names if len(names) <= _LONG else '...'})"


def ending_hint(block: Any, mark: str) -> str:
    """How a block could end that has no outputs: it gives what its last op gives."""
    given = next((operation.outputs for operation in reversed(block.operations) if operation.outputs), ())
    return f"such as {ending(value.name for value in given) if given else '} -> (y)'}{mark}"


def refuse_typed_output(cursor: Cursor, start: int, *, is_type: bool) -> None:
    """The type of an output stands where its name should, or behind it."""
    if is_type or cursor.next_is(":"):
        length = cursor.end - start
        cursor.fail("outputs are given by their names alone", at=start, length=length, hint="such as -> (y)")
