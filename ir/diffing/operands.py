"""What goes into two ops that correspond: the same values, other values, or other constants."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from .constants import constant_words, list_changes, parameter_changes
from .graph import SINGLE, Graph, Node
from .kinds import is_constant, is_weight_pair
from .known_values import KnownValues
from .records import Change


@attrs.frozen(eq=False)
class Correspondence:
    """Which value of one function is which of another.

    Attributes:
        old: the old function.
        new: the new one.
        pairs: which op is which.
        known: what is known of the values of constants.
    """

    old: Graph
    new: Graph
    pairs: dict[Node, Node]
    known: KnownValues

    def changes_of(self, kind: str, one: Node, other: Node) -> Iterator[Change]:
        """How what goes into two ops differs; `kind` is that of a change of what is no constant."""
        parameters = dict.fromkeys(name for node in (one, other) for name, _ in node.uses)
        for parameter in parameters:
            ours, theirs = _of(one, parameter), _of(other, parameter)
            if one.op is not None and len(ours) > 1 and len(theirs) > 1 and len(ours) != len(theirs):
                words = ([self._name_now(var) for var in side.values()] for side in (ours, theirs))
                yield from list_changes(kind, parameter, *words)
                continue
            for index in dict.fromkeys([*ours, *theirs]):
                if one.op is not None or (index in ours and index in theirs):  # outputs come and go with the signature
                    subject = _subject(one, other, parameter, index)
                    yield from self._compare(kind, subject, ours.get(index), theirs.get(index))

    def _compare(self, kind: str, subject: str, old: Any, new: Any) -> Iterator[Change]:
        if all(var is None or is_constant(var) for var in (old, new)):
            if not is_weight_pair(old, new):
                yield from parameter_changes(subject, old, new, self.known)
        elif not self._same(old, new):
            yield Change(kind, subject, *self._words(old, new))

    def _same(self, old: Any, new: Any) -> bool:
        if old is None or new is None or is_constant(old) or is_constant(new):
            return False
        (one, port), (other, place) = self.old.source(old), self.new.source(new)
        return port == place and self.pairs.get(one) is other

    def _words(self, old: Any, new: Any) -> list[str | None]:
        words = [None if var is None else self._name(var) for var in (old, new)]
        if words[0] != words[1]:
            return words
        sources = (self.old.source(old), self.new.source(new))  # constants have a type behind their names
        return [f"{word} ({node.op_type})" for word, (node, _) in zip(words, sources, strict=True)]

    def _name(self, var: Any) -> str:
        """A value's name; of an old one that is called otherwise by now also the name that it has."""
        name, now = (constant_words(var) if is_constant(var) else str(var.name)), self._name_now(var)
        return name if now == name else f"{name} (now {now})"

    def _name_now(self, var: Any) -> str:
        """The name that a value has in the new function; its own if it is not in there."""
        if is_constant(var):
            return constant_words(var)
        node, port = self.old.source(var) if self.old.defines(var) else self.new.source(var)
        partner = self.pairs.get(node)
        return str((partner.defines.get(port, var) if partner else var).name)


def _of(node: Node, parameter: str) -> dict[int, Any]:
    return {index: var for (name, index), var in node.uses.items() if name == parameter}


def _subject(one: Node, other: Node, parameter: str, index: int) -> str:
    if one.op is None:
        return str(other.uses[parameter, index].name)
    if parameter.startswith("block "):
        return f"{parameter} {index}"
    return parameter if index == SINGLE else f"{parameter}[{index}]"
