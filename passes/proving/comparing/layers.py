"""Values that are inside of two programs under the same name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import attrs

from ....ir.constants import is_constant
from ....ir.errors import RunError
from ....ir.model import Model
from ....ir.pymil import ListVar, dtype_of
from ....ir.pymil import types as mil_types
from ....ir.walking import walk
from ....runtime.op import Shape, shape_of
from .running import AnyModel


@attrs.frozen
class Layer:
    """A value inside of a program.

    Attributes:
        name: of the value.
        op_type: of the op that makes it.
        shape: its shape; None where a size is not known.
    """

    name: str
    op_type: str
    shape: Shape


def common_layers(a: AnyModel, b: AnyModel, function: str | None) -> list[Layer]:
    """The floats of A that are also in B, by name and shape, in the order of A's program.

    Args:
        a: an opened model.
        b: another.
        function: the one to look into; the default ones without it.

    Raises:
        RunError: a model is a pipeline, or there is no such function.
    """
    theirs = {each.name: each.shape for each in _layers(_function(b, function))}
    return [each for each in _layers(_function(a, function)) if _fits(each.shape, theirs.get(each.name))]


def _function(model: AnyModel, name: str | None) -> Any:
    from ....runtime.surface.opening import function_of

    if not isinstance(model, Model):
        return function_of(model, name)
    if len(model.stages) != 1 or model.stages[0].label:
        raise RunError("values inside of a pipeline can not be compared", where=model.name, hint="leave out --layers")
    return function_of(model.program, name)


def _layers(function: Any) -> list[Layer]:
    """Floats that are computed, under names that stand for one value each."""
    found = list(_computed(function))
    times = Counter(each.name for each in found)
    return [each for each in found if times[each.name] == 1]


def _computed(function: Any) -> Iterator[Layer]:
    computing = (operation for operation in walk(function) if not is_constant(operation.op_type))
    for operation in computing:
        for var in operation.outputs:
            if _is_float(var):
                yield Layer(var.name, operation.op_type, shape_of(var))


def _is_float(var: Any) -> bool:
    if isinstance(var, ListVar) or not (mil_types.is_tensor(var.sym_type) or mil_types.is_scalar(var.sym_type)):
        return False
    if mil_types.is_str(var.sym_type):
        return False
    return dtype_of(var).numpy.startswith("float")


def _fits(ours: Shape, theirs: Shape | None) -> bool:
    """Whether two shapes may be the same."""
    if theirs is None or len(ours) != len(theirs):
        return False
    return all(None in pair or pair[0] == pair[1] for pair in zip(ours, theirs, strict=True))
