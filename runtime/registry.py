"""The register of lowerings: for each MIL op, the function that writes it as ONNX ops."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from ..ir.errors import RunError, did_you_mean
from .decoding import CONSTEXPR_OPS

if TYPE_CHECKING:
    from .graph import Graph, Tensor
    from .op import Op

# Gives the op's output, or its outputs in order; one that is not made (a state's) is None.
Lowering: TypeAlias = "Callable[[Graph, Op], Tensor | Sequence[Tensor | None] | None]"

_LOWERINGS: dict[str, Lowering] = {}
# Ops whose outputs are values that their inputs held: no rounding, no new maximum.
_MOVING: set[str] = set()
# Ops that become no ONNX op: constants, and what is decoded when the session is made.
_DECODED = frozenset({"const", *CONSTEXPR_OPS})


def lowers(*op_types: str, moves: bool = False) -> Callable[[Lowering], Lowering]:
    """Registers a function as the lowering of MIL ops.

    Args:
        op_types: the ops' names.
        moves: the ops only move, choose or repeat values of their inputs, so that rounding to half is idle.
    """

    def register(function: Lowering) -> Lowering:
        for op_type in op_types:
            if op_type in _LOWERINGS:
                raise ValueError(f"{op_type!r} has a lowering already")
            _LOWERINGS[op_type] = function
            if moves:
                _MOVING.add(op_type)
        return function

    return register


def lowering_of(operation: Any) -> Lowering:
    """The lowering of a PyMIL operation.

    Raises:
        RunError: there is none.
    """
    op_type = str(operation.op_type)
    known = _lowerings()
    if op_type not in known:
        raise RunError(
            f"can not run {op_type!r}: the runtime has no lowering for it",
            where=f"op {operation.name!r}",
            hint=_way_around(op_type) or did_you_mean(op_type, known),
        )
    return known[op_type]


def _way_around(op_type: str) -> str | None:
    """What to do about an op that only programs have that are not converted to the end."""
    if op_type == "_const_symbolic":
        return "it holds a symbol of PyMIL's instead of a value; compute the value with the op shape"
    is_complex = op_type == "complex" or op_type.startswith("complex_")
    return "run the pass common::lower_complex_dialect_ops on the program first" if is_complex else None


def only_moves(op_type: str) -> bool:
    """Whether an op's outputs are values that its inputs held."""
    return op_type in _MOVING


def runnable_ops() -> list[str]:
    """The names of all MIL ops that can be run, sorted."""
    return sorted(set(_lowerings()) | _DECODED)


@functools.cache
def _lowerings() -> Mapping[str, Lowering]:
    from . import lowering

    for module in pkgutil.iter_modules(lowering.__path__):
        importlib.import_module(f"{lowering.__name__}.{module.name}")
    return _LOWERINGS
