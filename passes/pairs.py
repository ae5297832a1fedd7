"""Putting a pair of `quantize` and `dequantize` into a program, as a plan says."""

from __future__ import annotations

from typing import Any

from ..ir.pymil import Var, inside, mb, new_operation, op_class, opset_of
from ..ir.pymil_editing import following, rewire
from ..ir.walking import function_of
from .analysis.activations.decisions import Decision


def insert_pair(decision: Decision, first: Any) -> None:
    """Lets the readers of a value take it through a pair, a new one unless the program has one.

    Args:
        decision: about the value.
        first: the op in front of which pairs of the inputs of the value's block stand; None if it has no ops.
    """
    value = decision.tensor
    dequantized = decision.twin if decision.twin is not None else _new_pair(decision, first)
    for reader in decision.readers:
        rewire(reader, value, dequantized)
    if decision.is_output:
        name, decoded_name = value.name, dequantized.name
        decision.block.replace_block_output_var(value, dequantized)
        dequantized.name, value.name = name, decoded_name


def _new_pair(decision: Decision, first: Any) -> Var:
    value, scheme = decision.tensor, decision.scheme
    place = first if value.op is None else next(following(value.op), None)
    inputs = {"input": value, "output_dtype": scheme.codes, **scheme.inputs()}
    codes = _new_op("quantize", value.name, inputs, decision.block, place).outputs[0]
    return _new_op("dequantize", value.name, {"input": codes, **scheme.inputs()}, decision.block, place).outputs[0]


def _new_op(op_type: str, stem: str, inputs: dict[str, Any], block: Any, place: Any) -> Any:
    function = block if block.outer_op is None else function_of(block.outer_op)
    cls = op_class(op_type, opset_of(function))
    with inside(block):
        return new_operation(cls, name=_free_name(f"{stem}_{op_type}"), inputs=inputs, before=place)


def _free_name(stem: str) -> str:
    return str(mb._get_free_name(stem))  # noqa: SLF001 - the names that PyMIL itself would give
