"""Differences as text: grouped by function, one line for each fact, a summary at the end."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from .records import COUNTED, Change, FunctionDiff, ModelDiff, Op, OpChange, ProgramDiff, Weight, WeightChange

ADDED, REMOVED, CHANGED, HEADING = "+", "-", "~", ""


@attrs.frozen
class Line:
    """One line.

    Attributes:
        mark: `ADDED`, `REMOVED` or `CHANGED`; `HEADING` for what is no fact.
        text: the rest of it.
    """

    mark: str
    text: str

    def __str__(self) -> str:
        """Facts are indented, behind their mark."""
        return f"  {self.mark} {self.text}" if self.mark else self.text


def lines(diff: ModelDiff) -> Iterator[Line]:
    """The lines of a difference; the last one is the summary."""
    yield from (_signature_line(change) for change in diff.changes)
    yield from (Line(ADDED, _stage_words(label)) for label in diff.added)
    yield from (Line(REMOVED, _stage_words(label)) for label in diff.removed)
    for stage in diff.stages:
        yield from _stage_lines(stage)
    yield Line(HEADING, summary(diff))


def summary(diff: ModelDiff) -> str:
    """How many facts there are of each kind: `1 op added, 2 ops changed`."""
    if not diff:
        return "no differences"
    return ", ".join(f"{count} {_plural(COUNTED[key], count)}" for key, count in diff.counts().items())


def _plural(words: str, count: int) -> str:
    noun, _, rest = words.partition(" ")
    return words if count == 1 else f"{noun}s {rest}"


def _stage_words(label: str) -> str:
    return f"stage {label}" if label else "the only program"


def _stage_lines(stage: ProgramDiff) -> Iterator[Line]:
    place = f"stage {stage.label}: " if stage.label else ""
    if place and (stage.added or stage.removed):
        yield Line(HEADING, place.rstrip(": "))
    yield from (Line(ADDED, f"function {name!r}") for name in stage.added)
    yield from (Line(REMOVED, f"function {name!r}") for name in stage.removed)
    for function in stage.functions:
        yield Line(HEADING, f"{place}function {function.name!r}")
        yield from _function_lines(function)


def _function_lines(function: FunctionDiff) -> Iterator[Line]:
    yield from (_signature_line(change) for change in function.changes)
    yield from (Line(REMOVED, _op_words(op)) for op in function.removed)
    yield from (Line(ADDED, _op_words(op)) for op in function.added)
    for changed in function.changed:
        yield from (_change_line(changed, change) for change in changed.changes)
    yield from (Line(CHANGED, _weight_words(change)) for change in function.weights)


def _op_words(op: Op) -> str:
    return f"{op.op_type} {op.name!r}{_inside(op.place)}: {', '.join(op.outputs) or 'no outputs'}"


def _inside(place: str) -> str:
    return f" in {place}" if place else ""


def _mark(change: Change) -> str:
    return ADDED if change.old is None else REMOVED if change.new is None else CHANGED


def _values(change: Change) -> str:
    return " -> ".join(words for words in (change.old, change.new) if words is not None)


def _signature_line(change: Change) -> Line:
    kind, _, what = change.kind.partition(" ")
    if what == "name":
        return Line(CHANGED, f"{kind} {change.old!r}: renamed to {change.new!r}")
    if what == "order":
        ordered = f"uses of state {change.subject!r}" if kind == "state" else f"{kind}s"
        return Line(CHANGED, f"order of {ordered}: {_values(change)}")
    subject = f" {change.subject!r}" if change.subject else ""
    return Line(_mark(change), f"{_FACTS.get(what, '').format(kind) or kind}{subject}: {_values(change)}")


# What is said of a value instead of its kind alone, by the second word of a change's kind.
_FACTS = {"description": "description of {}", "function": "{} function"}


def _change_line(changed: OpChange, change: Change) -> Line:
    new = changed.new
    head = f"{new.op_type} {new.name!r}{_inside(new.place)}"
    if change.kind == "name":
        return Line(CHANGED, f"{new.op_type} {change.old!r}{_inside(changed.old.place)}: renamed to {change.new!r}")
    if change.kind == "op":
        return Line(CHANGED, f"op {new.name!r}{_inside(new.place)}: {change.old} -> {change.new}")
    if change.kind in ("output name", "block input name"):
        return Line(CHANGED, f"{head}: {change.subject} renamed from {change.old!r} to {change.new!r}")
    if change.kind == "place":
        places = [place or "outside of blocks" for place in (change.old, change.new)]
        return Line(CHANGED, f"{new.op_type} {new.name!r}: moved from {places[0]} to {places[1]}")
    return Line(CHANGED, f"{head}: {_fact(change)}")


def _fact(change: Change) -> str:
    subject = f"{change.kind} {change.subject}" if change.kind in ("attribute", "blocks") else change.subject
    if change.old is None:
        return f"{subject} = {change.new} (new)"
    if change.new is None:
        return f"{subject} = {change.old} (gone)"
    return f"{subject.strip()}: {change.old} -> {change.new}"


def _weight_words(change: WeightChange) -> str:
    old, new = change.old, change.new
    if change.kind == "name":
        return f"weight {old.name!r}: renamed to {new.name!r}"
    parts = f"inputs {', '.join(change.parts)}" if change.parts else ""
    facts = [_form(old, new), parts, change.remark, str(change.distance or "")]
    users = f" of {', '.join(change.users[:3])}{', ...' if len(change.users) > 3 else ''}" if change.users else ""
    return f"weight {_weight_names(old, new)}{users}: {'; '.join(fact for fact in facts if fact)}"


def _weight_names(old: Weight, new: Weight) -> str:
    return repr(new.name) if old.name == new.name else f"{new.name!r} (was {old.name!r})"


def _form(old: Weight, new: Weight) -> str:
    """What changed of encoding and type, or the type that both have."""
    encoding = f"{old.encoding} -> {new.encoding}" if old.encoding != new.encoding else ""
    kind = f"{old.type} -> {new.type}" if old.type != new.type else new.type
    return f"{encoding}, {kind}" if encoding else kind
