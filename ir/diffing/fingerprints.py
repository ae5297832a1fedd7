"""Fingerprints of ops: by what they are, by all that leads to them, and by all that follows from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import IntEnum
from hashlib import blake2b
from typing import Any

import attrs
import numpy as np

from ..type_words import type_words
from ..weights.files import release_pages
from .graph import Graph, Node, Port
from .kinds import as_list, is_constant, is_weight

# Of a large constant so many stretches of so many elements are looked at; equal weights are compared in full later.
_STRETCHES, _STRETCH = 16, 256


class Detail(IntEnum):
    """How much of an op goes into its fingerprint, from all to little."""

    VALUES = 0
    """Op type, types of outputs, constants by value."""
    TYPES = 1
    """Op type, types of outputs, constants by type, so that compressed weights are like those that are not."""
    KINDS = 2
    """Op type, and where constants go in."""


@attrs.frozen(eq=False)
class Fingerprints:
    """The fingerprints of a graph's nodes at one level of detail.

    Attributes:
        own: of a node by itself.
        before: of a node and everything that its inputs are computed from.
        after: of a node and everything that is computed from its outputs, without what else goes in there.
    """

    own: dict[Node, bytes]
    before: dict[Node, bytes]
    after: dict[Node, bytes]


def fingerprints(graph: Graph, detail: Detail) -> Fingerprints:
    """The fingerprints of all nodes; equal in two graphs where the same stands."""
    own = {node: _own(node, detail) for node in graph.nodes}
    return Fingerprints(own, _before(graph, own), _after(graph, own))


def has_weight(node: Node) -> bool:
    """Whether a constant of some size goes in, which tells an op from others of its type."""
    return any(is_constant(var) and is_weight(var) for var in node.uses.values())


def _digest(parts: Iterable[object]) -> bytes:
    whole = blake2b(digest_size=16)
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
        whole.update(len(data).to_bytes(8, "little"))
        whole.update(data)
    return whole.digest()


def _own(node: Node, detail: Detail) -> bytes:
    parts: list[object] = [node.op_type]
    if detail < Detail.KINDS and node.op is not None:
        parts += [type_words(var.sym_type) for var in node.op.outputs]
    content = _CONTENTS[detail]
    parts += [part for port, var in node.uses.items() if is_constant(var) for part in (port, content(var))]
    return _digest(parts)


def _value(var: Any) -> bytes:
    if var.op.op_type == "const":
        return _digest([type_words(var.sym_type), *_samples(var.val)])
    inputs = var.op.inputs.items()
    return _digest(
        [var.op.op_type, var.op.outputs.index(var), *(x for key, v in sorted(inputs) for x in (key, _value(v)))]
    )


def _samples(value: Any) -> Iterable[object]:
    if not isinstance(value, np.ndarray):
        return [as_list(value) or repr(value)]
    if value.size and not any(value.strides):  # one element again and again, as zeros in the place of missing weights
        return [value.flat[0].tobytes()]
    flat = np.ascontiguousarray(value).reshape(-1)
    if flat.size <= _STRETCHES * _STRETCH or flat.dtype.hasobject:
        return [flat.tobytes()]
    starts = np.linspace(0, flat.size - _STRETCH, _STRETCHES).astype(np.int64)
    found = [flat[start : start + _STRETCH].tobytes() for start in starts]
    release_pages(value)
    return found


_CONTENTS: dict[Detail, Callable[[Any], object]] = {
    Detail.VALUES: _value,
    Detail.TYPES: lambda var: type_words(var.sym_type),
    Detail.KINDS: lambda _: "constant",
}


def _before(graph: Graph, own: dict[Node, bytes]) -> dict[Node, bytes]:
    """In the program's order; what nested blocks return is not counted to what leads to their owner."""
    found: dict[Node, bytes] = {graph.root: own[graph.root]}
    for node in graph.nodes[1:]:
        parts: list[object] = [own[node]]
        for port, var in node.uses.items():
            if not is_constant(var) and not port[0].startswith("block "):
                source, place = graph.source(var)
                parts += [port, place, found[source]]
        found[node] = _digest(parts)
    return found


def _after(graph: Graph, own: dict[Node, bytes]) -> dict[Node, bytes]:
    """Backwards, each owner of blocks before what stands in them."""
    found: dict[Node, bytes] = {graph.root: own[graph.root]}
    for node in _owners_first_backwards(graph):
        parts: list[object] = [own[node]]
        for place, var in node.defines.items():
            if not place[0].startswith("block "):
                users = sorted(_use(port, found[user]) for user, port in graph.users.get(id(var), ()))
                parts += [place, *users]
        found[node] = _digest(parts)
    return found


def _use(port: Port, user: bytes) -> bytes:
    return _digest([port, user])


def _owners_first_backwards(graph: Graph) -> list[Node]:
    """Later ops before earlier ones, but an op before those of the blocks that it owns."""
    nested: dict[Node, list[Node]] = {}
    for node in graph.nodes[1:]:
        nested.setdefault(node.owner or graph.root, []).append(node)
    found, waiting = [], list(nested.get(graph.root, ()))
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting += nested.get(node, ())
    return found
