"""Two functions compared, once it is known which op is which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import attrs

from ..pymil import types
from ..type_words import type_words
from .constants import weight_change
from .graph import Graph, Node, Port
from .kinds import is_weight_pair
from .known_values import KnownValues
from .operands import Correspondence
from .operations import operation_changes
from .options import DiffOptions
from .records import Change, Op, OpChange, WeightChange


@attrs.frozen(eq=False)
class FunctionComparison:
    """What differs between two functions, inputs and outputs apart.

    Attributes:
        old: the old function.
        new: the new one.
        pairs: which op is which; the functions themselves are a pair.
        options: what counts.
        known: what is known of the values of constants.
        told: outputs of the functions, old and new by `id`, of which it is told already that their types differ.
    """

    old: Graph
    new: Graph
    pairs: dict[Node, Node]
    options: DiffOptions
    known: KnownValues = attrs.field(factory=KnownValues)
    told: frozenset[tuple[int, int]] = frozenset()

    def removed(self) -> Iterator[Op]:
        """Ops without a partner in the new function."""
        return (described(node) for node in self.old.nodes if node not in self.pairs)

    def added(self) -> Iterator[Op]:
        """Ops without a partner in the old function."""
        partners = set(self.pairs.values())
        return (described(node) for node in self.new.nodes if node not in partners)

    def changed(self) -> Iterator[OpChange]:
        """Pairs of ops that differ."""
        same = self._correspondence()
        for one, other in self.pairs.items():
            if one.op is None:
                continue
            changes = tuple(operation_changes(one, other, same, names=self.options.names, told=self.told))
            if changes:
                yield OpChange(described(one), described(other), changes)

    def outputs(self) -> Iterator[Change]:
        """Outputs of the function that are other values than before."""
        yield from self._correspondence().changes_of("output", self.old.root, self.new.root)

    def _correspondence(self) -> Correspondence:
        return Correspondence(self.old, self.new, self.pairs, self.known)

    def state_orders(self) -> Iterator[Change]:
        """States that are read and written in another order."""
        for port, var in self.old.root.defines.items():
            partner = self.new.root.defines.get(port)
            if partner is not None and types.is_state(var.sym_type):
                theirs = _users(self.new, partner)
                ours = [node for node in _users(self.old, var) if self.pairs.get(node) in theirs]
                moved = [self.pairs[node] for node in ours]
                kept = [node for node in theirs if node in set(moved)]
                if moved != kept:
                    words = (", ".join(node.name for node in side) for side in (ours, kept))
                    yield Change("state order", partner.name, *words)

    def weights(self) -> Iterator[WeightChange]:
        """Weights that differ, each once however many ops take it."""
        pairs = self._weight_pairs()
        shared = Counter(key for pair in pairs for key in enumerate(pair))
        for (one, other), (old, new, users) in pairs.items():
            # One weight that became two, or two that became one, have no name that changed; an unused one is an op.
            alone = shared[0, one] == shared[1, other] == 1 and bool(users)
            options = attrs.evolve(self.options, names=self.options.names and alone)
            found = weight_change(old, new, tuple(users), options, self.known)
            if found is not None:
                yield found

    def _weight_pairs(self) -> dict[tuple[int, int], tuple[Any, Any, list[str]]]:
        found: dict[tuple[int, int], tuple[Any, Any, list[str]]] = {}
        for one, other in self.pairs.items():
            for port, old in one.uses.items():
                new = other.uses.get(port)
                if is_weight_pair(old, new):
                    users = found.setdefault((id(old), id(new)), (old, new, []))[2]
                    users += _user(other, port)
        return found


def described(node: Node) -> Op:
    """What reports say of an op."""
    return Op(node.name, node.op_type, node.place, tuple(type_words(var.sym_type) for var in node.op.outputs))


def _users(graph: Graph, var: Any) -> dict[Node, None]:
    return dict.fromkeys(node for node, _ in graph.users.get(id(var), ()))


def _user(node: Node, port: Port) -> list[str]:
    if node.op is None:
        return ["output"]
    return [] if node.is_constant else [f"{node.name}.{port[0]}"]
