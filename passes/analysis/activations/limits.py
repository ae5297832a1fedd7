"""Which numbers an op can give at all, whatever it takes."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

Limits = tuple[float, float]

ANY: Limits = (-inf, inf)
_RELU_LIKE: Limits = (0.0, inf)


def limits_of(operation: Any) -> Limits:
    """The least and the greatest number that the outputs of an op can hold; infinite where there is no limit."""
    rule = LIMITS.get(operation.op_type)
    if rule is None:
        return ANY
    return rule(operation) if callable(rule) else rule


def _number(operation: Any, parameter: str, default: float) -> float:
    value = operation.inputs.get(parameter)
    return default if value is None or value.val is None else float(value.val)


def _scaled_tanh(operation: Any) -> Limits:
    top = abs(_number(operation, "alpha", inf))
    return (-top, top)


def _clip(operation: Any) -> Limits:
    return (_number(operation, "alpha", -inf), _number(operation, "beta", inf))


def _clamped_relu(operation: Any) -> Limits:
    return (-inf, max(0.0, _number(operation, "beta", inf)))


def _elu(operation: Any) -> Limits:
    return (min(0.0, -_number(operation, "alpha", inf)), inf)


def _thresholded_relu(operation: Any) -> Limits:
    return _RELU_LIKE if _number(operation, "alpha", -inf) >= 0 else ANY


# Source: the formulas in the ops' docstrings, coremltools 9.0 `ops/defs/iOS15/{activation,elementwise_unary}.py`.
LIMITS: dict[str, Limits | Callable[[Any], Limits]] = {
    "abs": _RELU_LIKE,
    "clamped_relu": _clamped_relu,
    "clip": _clip,
    "cos": (-1.0, 1.0),
    "elu": _elu,
    "erf": (-1.0, 1.0),
    "exp": _RELU_LIKE,
    "exp2": _RELU_LIKE,
    "relu": _RELU_LIKE,
    "relu6": (0.0, 6.0),
    "scaled_tanh": _scaled_tanh,
    "sigmoid": (0.0, 1.0),
    "sigmoid_hard": (0.0, 1.0),
    "sign": (-1.0, 1.0),
    "sin": (-1.0, 1.0),
    "softmax": (0.0, 1.0),
    "softplus": _RELU_LIKE,
    "softsign": (-1.0, 1.0),
    "sqrt": _RELU_LIKE,
    "square": _RELU_LIKE,
    "tanh": (-1.0, 1.0),
    "thresholded_relu": _thresholded_relu,
}
"""The limits of an op's outputs, or what reads them from its parameters, by type."""

MEASURED_WITHIN = frozenset({"softmax"})
"""Ops whose limits are known and are no good range: the numbers of a softmax sum to 1, so that most are small."""
