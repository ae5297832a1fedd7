"""Two ops that correspond, compared: what goes in, what comes out, names, attributes and nested blocks."""

from __future__ import annotations

from collections.abc import Container, Iterator
from itertools import zip_longest
from typing import Any

from ..errors import MiloptError
from ..proto.function_reader import EXTRA_ATTRIBUTES
from ..proto.values import decode_value
from ..type_words import type_words
from ..weights.store import WeightStore
from .constants import words_of
from .graph import Node
from .operands import Correspondence
from .records import Change


def operation_changes(
    one: Node, other: Node, same: Correspondence, *, names: bool, told: Container[tuple[int, int]] = ()
) -> Iterator[Change]:
    """How two ops that correspond differ; weights apart.

    Args:
        one: the old op.
        other: the new one.
        same: which value is which.
        names: whether names count.
        told: outputs, old and new by `id`, whose types are not to be told of.
    """
    if one.op_type != other.op_type:
        yield Change("op", "", one.op_type, other.op_type)
    yield from same.changes_of("input", one, other)
    for at, pair in enumerate(zip_longest(one.op.outputs, other.op.outputs)):
        if tuple(map(id, pair)) not in told:
            yield from _type_changes("type", f"output {at}", *pair)
    yield from _attributes(one.op, other.op)
    yield from _blocks(one, other)
    if same.pairs.get(one.owner or one) is not other.owner or one.block != other.block:
        yield Change("place", "", one.place, other.place)
    if names:
        yield from _names(one, other)


def _type_changes(kind: str, subject: str, old: Any, new: Any) -> Iterator[Change]:
    words = [None if var is None else type_words(var.sym_type) for var in (old, new)]
    if words[0] != words[1]:
        yield Change(kind, subject, *words)


def _attributes(one: Any, other: Any) -> Iterator[Change]:
    old, new = (getattr(operation, EXTRA_ATTRIBUTES, {}) for operation in (one, other))
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            words = (_attribute_words(side[name]) if name in side else None for side in (old, new))
            yield Change("attribute", name, *words)


def _attribute_words(value: Any) -> str:
    try:
        return words_of(decode_value(value, WeightStore(None)))
    except (MiloptError, AttributeError):  # a value in a weight file, or of a kind that PyMIL does not have
        return " ".join(str(value).split())


def _blocks(one: Node, other: Node) -> Iterator[Change]:
    counts = [len(node.op.blocks) for node in (one, other)]
    if counts[0] != counts[1]:
        yield Change("blocks", "", *map(str, counts))
    for port in dict.fromkeys([*one.defines, *other.defines]):
        if port[0].startswith("block "):
            yield from _type_changes("blocks", f"{port[0]} {port[1]}", one.defines.get(port), other.defines.get(port))


def _names(one: Node, other: Node) -> Iterator[Change]:
    renamed = one.name, other.name
    if one.name != other.name:
        yield Change("name", "", *renamed)
    for port, old in one.defines.items():
        new = other.defines.get(port)
        if new is not None and old.name != new.name and (old.name, new.name) != renamed:
            kind = "block input name" if port[0].startswith("block ") else "output name"
            yield Change(kind, f"{port[0]} {port[1]}", old.name, new.name)
