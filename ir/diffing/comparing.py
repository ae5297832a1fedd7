"""`diff_programs` and `diff_models`: what was added, removed and changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from ..errors import ProgramError
from ..pymil import opset_of
from .descriptions import Described, described, model_changes
from .functions import FunctionComparison
from .graph import Graph
from .known_values import KnownValues, known_values
from .matching import match
from .options import DEFAULT, DiffOptions
from .records import Change, FunctionDiff, ModelDiff, ProgramDiff
from .signatures import border


def diff_models(old: Any, new: Any, options: DiffOptions = DEFAULT) -> ModelDiff:
    """How the programs of two models differ, and what is said of their inputs and outputs; metadata does not count.

    Stages of pipelines are compared with those of the same place. Two models of one program each are compared, whether
    or not one of them is a pipeline. The description of a program that came alone was made from it, and does
    not count.

    Args:
        old: a `Model`.
        new: another.
        options: what counts.

    Raises:
        ProgramError: neither model has the function that was asked for.
    """
    ours, theirs = ({stage.label: stage for stage in model.stages} for model in (old, new))
    if len(ours) == len(theirs) == 1:
        theirs = dict(zip(ours, theirs.values(), strict=True))
    if options.function is not None:
        _require_function(options.function, [stage.program for stage in (*ours.values(), *theirs.values())])
    are_described = not (old.origin.is_bare or new.origin.is_bare)
    both = [label for label in ours if label in theirs]
    found = [_diff_stages(ours[label], theirs[label], options, are_described=are_described) for label in both]
    return ModelDiff(
        changes=tuple(model_changes(old, new)) if are_described and options.function is None else (),
        added=tuple(label for label in theirs if label not in ours),
        removed=tuple(label for label in ours if label not in theirs),
        stages=tuple(each for each in found if each),
        notes=(*_undescribed(old, new), *_not_compared(sum(each.not_compared for each in found))),
    )


def _diff_stages(old: Any, new: Any, options: DiffOptions, *, are_described: bool) -> ProgramDiff:
    descriptions = (old.specification.description, new.specification.description) if are_described else None
    return diff_programs(old.program, new.program, options, label=old.label, descriptions=descriptions)


def _undescribed(old: Any, new: Any) -> Iterator[str]:
    """Two programs that came alone have no descriptions that anyone would miss."""
    bare = [model.name for model in (old, new) if model.origin.is_bare]
    if len(bare) == 1:
        yield f"{bare[0]} has no description of its own; descriptions were not compared"


def _not_compared(count: int) -> Iterator[str]:
    if count:
        missing = f"{count} weights are missing and were" if count > 1 else "1 weight is missing and was"
        yield f"{missing} not compared"


def _require_function(name: str, programs: Iterable[Any]) -> None:
    known = dict.fromkeys(function for program in programs for function in program.functions)
    if name not in known:
        raise ProgramError(f"neither model has a function {name!r}", hint=f"they have {', '.join(known)}")


def diff_programs(
    old: Any, new: Any, options: DiffOptions = DEFAULT, *, label: str = "", descriptions: tuple[Any, Any] | None = None
) -> ProgramDiff:
    """How two PyMIL programs differ; false when they do not.

    Functions are compared with those of the same name. Ops are matched by type and name, and what is left by
    structure; `ir/diffing/matching.py` says how. The order of ops does not count, nor do names of small constants,
    scopes and weight files; the order in which a state is read and written does.

    Args:
        old: a program; it is not changed.
        new: another.
        options: what counts.
        label: of the stage in a pipeline.
        descriptions: the protobuf `ModelDescription` of each; without them, descriptions are not compared.
    """
    ours, theirs = (_chosen(program, options.function) for program in (old, new))
    known = known_values(old, new)
    sides = list(zip((old, new), descriptions or (), strict=False))
    found = [
        diff_functions(name, ours[name], theirs[name], options, Context(known, described(name, sides)))
        for name in ours
        if name in theirs
    ]
    return ProgramDiff(
        label=label,
        added=tuple(name for name in theirs if name not in ours),
        removed=tuple(name for name in ours if name not in theirs),
        functions=tuple(each for each in found if each),
        not_compared=len(known.not_compared),
    )


def _chosen(program: Any, name: str | None) -> dict[str, Any]:
    return {key: function for key, function in program.functions.items() if name in (None, key)}


@attrs.frozen(eq=False)
class Context:
    """What is known of two functions beside themselves.

    Attributes:
        known: the values of constants; without it, all of them.
        parts: their descriptions; without them, they are not compared.
    """

    known: KnownValues = attrs.field(factory=KnownValues)
    parts: Described | None = None


def diff_functions(
    name: str, old: Any, new: Any, options: DiffOptions = DEFAULT, context: Context | None = None
) -> FunctionDiff:
    """How two PyMIL functions differ."""
    context = context or Context()
    inputs, outputs = (border(kind, old, new, by_name=options.names) for kind in ("input", "output"))
    ours = Graph(old, inputs.pairing.old, outputs.pairing.old)
    theirs = Graph(new, inputs.pairing.new, outputs.pairing.new)
    told = frozenset((id(one), id(other)) for (_, one), (_, other) in outputs.retyped())
    pairs = match(ours, theirs, by_name=options.names)
    compared = FunctionComparison(ours, theirs, pairs, options, context.known, told)
    return FunctionDiff(
        name=name,
        changes=(
            *_opset(old, new),
            *inputs.changes(names=options.names),
            *outputs.changes(names=options.names),
            *(context.parts.changes(inputs, outputs) if context.parts else ()),
            *compared.outputs(),
            *compared.state_orders(),
        ),
        added=tuple(compared.added()),
        removed=tuple(compared.removed()),
        changed=tuple(compared.changed()),
        weights=tuple(compared.weights()),
    )


def _opset(old: Any, new: Any) -> Iterator[Change]:
    versions = [str(opset_of(function)) for function in (old, new)]
    if versions[0] != versions[1]:
        yield Change("opset", "", *versions)
