"""What a comparison finds: records of ops, changes and weights, for Python and as JSON."""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs

from .distances import Distance

NAME_KINDS = frozenset({"name", "input name", "output name", "block input name"})


@attrs.frozen
class Op:
    """An op as reports name it.

    Attributes:
        name: its name.
        op_type: its type.
        place: the nested block that it stands in: `loop.1` is the second of the op `loop`; empty outside of any.
        outputs: the types of its outputs.
    """

    name: str
    op_type: str
    place: str
    outputs: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """`name`, `type`, `place`, `outputs`."""
        return {"name": self.name, "type": self.op_type, "place": self.place, "outputs": list(self.outputs)}


@attrs.frozen
class Change:
    """One fact that is not the same.

    Attributes:
        kind: what it is a fact about. Of an op: `op` (its type), `input` (what a parameter takes comes from elsewhere),
            `parameter` (a constant), `attribute`, `type` (of an output), `name`, `output name`, `block input name`,
            `place`, `blocks` (what nested blocks take and give). Of a function: `opset`, `input`, `input type`,
            `input name`, `input order`, `output`, `output type`, `output name`, `output order`, `state order` (of reads
            and writes).
        subject: which parameter, attribute, output, input or state.
        old: what it was, in words; None for something new.
        new: what it is; None for something that is gone.
    """

    kind: str
    subject: str
    old: str | None
    new: str | None

    def as_json(self) -> dict[str, Any]:
        """The attributes."""
        return attrs.asdict(self)


@attrs.frozen
class OpChange:
    """An op that is in both programs, and how it differs."""

    old: Op
    new: Op
    changes: tuple[Change, ...]

    @property
    def is_renaming(self) -> bool:
        """Nothing but names differs."""
        return all(change.kind in NAME_KINDS for change in self.changes)

    def as_json(self) -> dict[str, Any]:
        """`old`, `new` and `changes`."""
        return {"old": self.old.as_json(), "new": self.new.as_json(), "changes": [c.as_json() for c in self.changes]}


@attrs.frozen
class Weight:
    """A constant of some size, or the `constexpr_*` op that stands for one.

    Attributes:
        name: its value's name.
        encoding: `const`, or the type of the op; one that is itself fed by others names them in brackets.
        type: of the value that its users see, such as `tensor<fp16, [64, 40]>`.
    """

    name: str
    encoding: str
    type: str

    def as_json(self) -> dict[str, Any]:
        """The attributes."""
        return attrs.asdict(self)


@attrs.frozen
class WeightChange:
    """A weight that is in both programs, and how it differs.

    Attributes:
        kind: what differs most: `encoding`, `type`, `value` or `name`.
        old: what it was.
        new: what it is.
        users: the ops of the new program that take it, as `op.parameter`.
        parts: of a weight that is encoded in the same way: which inputs of its `constexpr_*` op differ.
        distance: how far the values are apart; None where types or shapes do not allow it, where nothing but the name
            differs, where a weight is missing, or compressed and no decoder was given.
        remark: how it is known that the values differ where no more than digests could be compared; else empty.
    """

    kind: str
    old: Weight
    new: Weight
    users: tuple[str, ...]
    parts: tuple[str, ...] = ()
    distance: Distance | None = None
    remark: str = ""

    def as_json(self) -> dict[str, Any]:
        """The attributes."""
        return {
            "kind": self.kind,
            "old": self.old.as_json(),
            "new": self.new.as_json(),
            "users": list(self.users),
            "parts": list(self.parts),
            "distance": self.distance.as_json() if self.distance else None,
            "remark": self.remark,
        }


@attrs.frozen
class FunctionDiff:
    """How a function differs.

    Attributes:
        name: the function's.
        changes: its opset, inputs, outputs, their descriptions, and the order in which it uses states.
        added: ops that only the new program has.
        removed: ops that only the old program has.
        changed: ops that are in both.
        weights: weights that are in both.
    """

    name: str
    changes: tuple[Change, ...] = ()
    added: tuple[Op, ...] = ()
    removed: tuple[Op, ...] = ()
    changed: tuple[OpChange, ...] = ()
    weights: tuple[WeightChange, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return any((self.changes, self.added, self.removed, self.changed, self.weights))

    def counts(self) -> Counter[str]:
        """How many facts of each kind there are; the keys of the summary."""
        found = Counter(
            function_changes=len(self.changes),
            ops_added=len(self.added),
            ops_removed=len(self.removed),
            ops_renamed=sum(change.is_renaming for change in self.changed),
            weights_renamed=sum(change.kind == "name" for change in self.weights),
        )
        found["ops_changed"] = len(self.changed) - found["ops_renamed"]
        found["weights_changed"] = len(self.weights) - found["weights_renamed"]
        return found

    def as_json(self) -> dict[str, Any]:
        """The attributes, each a list of records."""
        parts = {field: [each.as_json() for each in getattr(self, field)] for field in _FUNCTION_PARTS}
        return {"name": self.name, **parts}


_FUNCTION_PARTS = ("changes", "added", "removed", "changed", "weights")


@attrs.frozen
class ProgramDiff:
    """How a program differs.

    Attributes:
        label: of the stage in a pipeline; empty for a model that is none.
        added: functions that only the new program has.
        removed: functions that only the old program has.
        functions: those in both that differ.
        not_compared: how many weights of both could not be compared, because their files are missing; no difference.
    """

    label: str = ""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    functions: tuple[FunctionDiff, ...] = ()
    not_compared: int = 0

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return any((self.added, self.removed, self.functions))

    def counts(self) -> Counter[str]:
        """How many facts of each kind there are."""
        own = Counter(functions_added=len(self.added), functions_removed=len(self.removed))
        return sum((function.counts() for function in self.functions), own)

    def as_json(self) -> dict[str, Any]:
        """The attributes."""
        functions = [function.as_json() for function in self.functions]
        return {"label": self.label, "added": list(self.added), "removed": list(self.removed), "functions": functions}


@attrs.frozen
class ModelDiff:
    """How a model's programs, and the descriptions of what they take and give, differ.

    Attributes:
        changes: its default function, and what the description of a pipeline as a whole says.
        added: labels of stages that only the new model has.
        removed: labels of stages that only the old model has.
        stages: those in both that differ; a model that is no pipeline has one.
        notes: what could not be compared, one line each; no difference.
    """

    changes: tuple[Change, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    stages: tuple[ProgramDiff, ...] = ()
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return any((self.changes, self.added, self.removed, self.stages))

    def counts(self) -> Counter[str]:
        """How many facts of each kind there are, in the order in which summaries tell them; none that is 0."""
        own = Counter(model_changes=len(self.changes), stages_added=len(self.added), stages_removed=len(self.removed))
        total = sum((stage.counts() for stage in self.stages), own)
        return Counter({key: total[key] for key in COUNTED if total[key]})

    def as_json(self) -> dict[str, Any]:
        """What `milopt diff --json` prints.

        `equal` (a truth value); `changes` of the model as a whole (see `Change`); `stages_added`, `stages_removed`
        (labels); `stages`, each with `label`, the functions
        `added` and `removed` (names) and `functions` that differ; each of these with `name`, `changes` (see `Change`),
        ops `added`, `removed` (see `Op`) and `changed` (see `OpChange`) and `weights` (see `WeightChange`); `summary`,
        how many there are of each in `COUNTED`; `notes`, what could not be compared.
        """
        counts = self.counts()
        return {
            "equal": not self,
            "changes": [change.as_json() for change in self.changes],
            "stages_added": list(self.added),
            "stages_removed": list(self.removed),
            "stages": [stage.as_json() for stage in self.stages],
            "summary": {key: counts[key] for key in COUNTED},
            "notes": list(self.notes),
        }


# The counts of a summary, in its order, with the words for one of each.
COUNTED = {
    "model_changes": "change of the model",
    "stages_added": "stage added",
    "stages_removed": "stage removed",
    "functions_added": "function added",
    "functions_removed": "function removed",
    "function_changes": "change of a function",
    "ops_added": "op added",
    "ops_removed": "op removed",
    "ops_changed": "op changed",
    "ops_renamed": "op renamed",
    "weights_changed": "weight changed",
    "weights_renamed": "weight renamed",
}
