"""`diff_programs` and `diff_models`: what was added, removed and changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import ProgramError
from ..pymil import opset_of
from .functions import FunctionComparison
from .graph import Graph
from .matching import match
from .options import DEFAULT, DiffOptions
from .records import Change, FunctionDiff, ModelDiff, ProgramDiff
from .signatures import pair_up, signature_changes


def diff_models(old: Any, new: Any, options: DiffOptions = DEFAULT) -> ModelDiff:
    """How the programs of two models differ; their descriptions and metadata do not count.

    Stages of pipelines are compared with those of the same place. Two models of one program each are compared, whether
    or not one of them is a pipeline.

    Args:
        old: a `Model`.
        new: another.
        options: what counts.

    Raises:
        ProgramError: neither model has the function that was asked for.
    """
    ours, theirs = ({label: model.programs[label] for label in model.programs} for model in (old, new))
    if len(ours) == len(theirs) == 1:
        theirs = dict(zip(ours, theirs.values(), strict=True))
    if options.function is not None:
        _require_function(options.function, [*ours.values(), *theirs.values()])
    both = [label for label in ours if label in theirs]
    found = (diff_programs(ours[label], theirs[label], options, label=label) for label in both)
    return ModelDiff(
        added=tuple(label for label in theirs if label not in ours),
        removed=tuple(label for label in ours if label not in theirs),
        stages=tuple(each for each in found if each),
    )


def _require_function(name: str, programs: Iterable[Any]) -> None:
    known = dict.fromkeys(function for program in programs for function in program.functions)
    if name not in known:
        raise ProgramError(f"neither model has a function {name!r}", hint=f"they have {', '.join(known)}")


def diff_programs(old: Any, new: Any, options: DiffOptions = DEFAULT, *, label: str = "") -> ProgramDiff:
    """How two PyMIL programs differ; false when they do not.

    Functions are compared with those of the same name. Ops are matched by type and name, and what is left by
    structure; `ir/diffing/matching.py` says how. The order of ops does not count, nor do names of small constants,
    scopes and weight files; the order in which a state is read and written does.

    Args:
        old: a program; it is not changed.
        new: another.
        options: what counts.
        label: of the stage in a pipeline.
    """
    ours, theirs = (_chosen(program, options.function) for program in (old, new))
    found = (diff_functions(name, ours[name], theirs[name], options) for name in ours if name in theirs)
    return ProgramDiff(
        label=label,
        added=tuple(name for name in theirs if name not in ours),
        removed=tuple(name for name in ours if name not in theirs),
        functions=tuple(each for each in found if each),
    )


def _chosen(program: Any, name: str | None) -> dict[str, Any]:
    return {key: function for key, function in program.functions.items() if name in (None, key)}


def diff_functions(name: str, old: Any, new: Any, options: DiffOptions = DEFAULT) -> FunctionDiff:
    """How two PyMIL functions differ."""
    named_inputs = [list(function.inputs.items()) for function in (old, new)]
    named_outputs = [[(var.name, var) for var in function.outputs] for function in (old, new)]
    inputs, outputs = (pair_up(*named, by_name=options.names) for named in (named_inputs, named_outputs))
    ours, theirs = Graph(old, inputs.old, outputs.old), Graph(new, inputs.new, outputs.new)
    compared = FunctionComparison(ours, theirs, match(ours, theirs, by_name=options.names), options)
    return FunctionDiff(
        name=name,
        changes=(
            *_opset(old, new),
            *signature_changes("input", named_inputs, inputs, names=options.names),
            *signature_changes("output", named_outputs, outputs, names=options.names),
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
