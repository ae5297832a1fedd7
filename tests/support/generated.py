"""Strategies for whole protobuf programs that use everything MIL's text has, whether or not they could run.

Programs stay within what text carries: the version is 1, nothing has a documentation string, blocks have no
attributes, and a program has at least one attribute, because the printer writes an empty `buildInfo` where there is
none. No weight file is called `@model_path/sha256:...`, which says that a weight was left out. Values inside lists,
tuples and dictionaries stand there in full.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import strategies as st
from milopt.ir.dtypes import dtype_named
from milopt.ir.targets import OPSETS

from .generated_values import (
    FLEXIBLE_SHAPES,
    MIL,
    Draw,
    constants,
    declared_types,
    strings,
    tensor_type,
    tensor_value,
    values_of,
)

STRING = tensor_type(dtype_named("string"), [])

# Words that mean something elsewhere in a text, all of which are names as good as others.
WORDS = (
    "x", "y_0", "_", "__a__", "state", "tensor", "list", "dict", "tuple", "fp16", "int32", "string", "bool", "true",
    "false", "inf", "nan", "func", "program", "main", "BLOBFILE", "ELIDED", "path", "offset", "block", "const", "val",
    "ios18", "e5", "x0p", "A" * 300,
)  # fmt: skip
ODD_NAMES = ("1", "0x1p+0", "a b", "a-b", "a.b/c:0", 'a"b', "-", "é", "\U0001f600", "{", "a\nb", "// a")
# A type's name is none of an op: without a result, `fp16()` would be the beginning of one.
OP_TYPES = ("const", "add", "write_state", "func", "program", "true", "inf", "a.b", "a b", "\U0001f600")

words = st.sampled_from(WORDS) | st.from_regex(r"[a-zA-Z_][a-zA-Z_0-9]{0,4}", fullmatch=True)
names = words | words | words | st.sampled_from(ODD_NAMES) | st.text(min_size=1, max_size=4)
named_types = st.builds(lambda name, kind: MIL.NamedValueType(name=name, type=kind), names, declared_types)
bindings = st.one_of(
    names.map(lambda name: MIL.Argument.Binding(name=name)),
    constants.map(lambda value: MIL.Argument.Binding(value=value)),
)
arguments = st.lists(bindings, max_size=3).map(lambda found: MIL.Argument(arguments=found))
string_values = strings.map(lambda text: tensor_value(STRING, [text]))


def program_with(**attributes: Any) -> Any:
    """A protobuf program of attributes alone."""
    return MIL.Program(version=1, attributes=attributes)


@cache
def attributes(min_size: int = 0) -> st.SearchStrategy[dict[str, Any]]:
    """Attributes of any type."""
    return st.dictionaries(names, constants, min_size=min_size, max_size=2)


@cache
def operations(depth: int) -> st.SearchStrategy[Any]:
    """An op, at times with blocks, which nest `depth` times at most."""
    nested = st.just([]) | st.just([]) | st.lists(blocks(depth - 1), max_size=2) if depth else st.just([])
    name = st.just({}) | string_values.map(lambda value: {"name": value})
    return st.builds(
        lambda given, name, **fields: MIL.Operation(attributes=given | name, **fields),
        attributes(),
        name,
        type=st.sampled_from(OP_TYPES),
        inputs=st.dictionaries(names, arguments, max_size=3),
        outputs=st.lists(named_types, max_size=3),
        blocks=nested,
    )


@cache
def blocks(depth: int, *, has_inputs: bool = True) -> st.SearchStrategy[Any]:
    """A block and what is nested in it."""
    return st.builds(
        MIL.Block,
        inputs=st.lists(named_types, max_size=2) if has_inputs else st.just([]),
        operations=st.lists(operations(depth), max_size=3),
        outputs=st.lists(names, max_size=2),
    )


@st.composite
def functions(draw: Draw) -> Any:
    """A function with the one block of its opset."""
    opset, found = draw(st.sampled_from(OPSETS)).mil_name, draw(attributes())
    if draw(st.integers(0, 3)) == 0:
        found |= {"FlexibleShapeInformation": draw(values_of(FLEXIBLE_SHAPES))}
    return MIL.Function(
        opset=opset,
        inputs=draw(st.lists(named_types, max_size=3)),
        block_specializations={opset: draw(blocks(2, has_inputs=False))},
        attributes=found,
    )


@cache
def proto_programs() -> st.SearchStrategy[Any]:
    """A protobuf `MIL.Program`."""
    return st.builds(
        lambda **fields: MIL.Program(version=1, **fields),
        functions=st.dictionaries(names, functions(), min_size=1, max_size=3),
        attributes=attributes(min_size=1),
    )
