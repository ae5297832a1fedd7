"""What patterns ask of the ops around the one they begin at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from ...ir.pymil import Operation, Var, is_symbolic

if TYPE_CHECKING:
    from ...ir.rewriting.patterns import Pattern
    from ...ir.rewriting.rewriter import Rewriter


def producer(value: Any, *op_types: str) -> Operation | None:
    """The op that makes a value, if it is of one of these types."""
    operation = value.op if isinstance(value, Var) else None
    return operation if operation is not None and operation.op_type in op_types else None


def constant(value: Any) -> np.ndarray | None:
    """The elements of a value that a `const` op holds.

    PyMIL knows more values than these: those of ops on constants. But it computes them in its own precision, and the
    program computes them when it runs, in another one perhaps.
    """
    return np.asarray(value.val) if producer(value, "const") is not None else None


def has_one_use(value: Var) -> bool:
    """Whether one op takes a value, once, and no block returns it."""
    return len(value.child_ops) == 1 and not value.consuming_blocks


def static_shape(value: Var) -> tuple[int, ...] | None:
    """A value's shape if all of it is known."""
    if any(is_symbolic(size) for size in value.shape):
        return None
    return tuple(int(size) for size in value.shape)


def keeps_shape(value: Any, other: Var) -> bool:
    """Whether an op on a value and a constant has the value's shape, whatever sizes are not known yet."""
    if other.rank > value.rank:
        return False
    return all(size == 1 for size in other.shape) or static_shape(value) is not None


def refused(rewriter: Rewriter, operation: Operation, code: str, message: str, suggestion: str = "") -> bool:
    """Says why a rewrite that was near is not done; gives False, which a pattern returns."""
    rewriter.remark("missed", operation, code, message, **({"suggestion": suggestion} if suggestion else {}))
    return False


def under(condition: str, pattern: Pattern) -> Pattern:
    """A pattern whose documentation says under which condition its algebra holds."""
    return attrs.evolve(pattern, rule=f"{pattern.rule}, {condition}")
