"""What a plan says: what becomes of each value, and of each op."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from ...canonicalization.schemes import Scheme
from ..calibration.tensor_statistics import Range
from ..refusal import Refusal


@attrs.frozen(eq=False)
class Coding:
    """How a value is quantized.

    Attributes:
        scheme: scale, zero point and type of the codes.
        range: the range that it was made for; None where the program had the scheme already.
        words: where that is known from.
        group: the number of the group of values that share the scale.
    """

    scheme: Scheme
    range: Range | None
    words: str
    group: int


@attrs.frozen(eq=False)
class Decision:
    """What becomes of one value.

    Attributes:
        tensor: the value.
        function: the name of its function.
        block: where its pair belongs: right behind what makes it, or at the beginning of the block that it enters.
        group: the number of the group with which it shares a scale.
        scheme: scale, zero point and the type of the codes.
        range: what the scheme was made for; None where the program had it already.
        words: where the range is known from.
        readers: the ops that are to take the dequantized value.
        is_output: whether the function is to return the dequantized value.
        twin: a dequantized value that the program has already; no new pair is needed then.
    """

    tensor: Any
    function: str
    block: Any
    group: int
    scheme: Scheme
    range: Range | None
    words: str
    readers: tuple[Any, ...]
    is_output: bool = False
    twin: Any = None

    @property
    def subject(self) -> Any:
        """The op that remarks are about."""
        return self.tensor.op or self.readers[0]


@attrs.frozen(eq=False)
class OpDecision:
    """What becomes of one op.

    Attributes:
        op: which.
        function: the name of its function.
        refusal: why it is left alone; None if it is quantized.
        result_refusal: why what leaves it stays float though the op is quantized.
    """

    op: Any
    function: str
    refusal: Refusal | None = None
    result_refusal: Refusal | None = None


@attrs.frozen
class ActivationPlan:
    """What to do with the activations of a program.

    Attributes:
        pairs: one decision for each value that gets something, in the order of the program.
        ops: one for each op that takes quantized activations.
        asked: of how many values only statistics could tell the range.
        known: of how many of these they do.
        is_measured: whether there were statistics.
    """

    pairs: tuple[Decision, ...] = ()
    ops: tuple[OpDecision, ...] = ()
    asked: int = 0
    known: int = 0
    is_measured: bool = False

    def __add__(self, other: ActivationPlan) -> ActivationPlan:
        """Both, one after the other."""
        return ActivationPlan(
            self.pairs + other.pairs,
            self.ops + other.ops,
            self.asked + other.asked,
            self.known + other.known,
            self.is_measured or other.is_measured,
        )


def refusals_of(plan: ActivationPlan) -> Iterator[tuple[Any, Refusal]]:
    """Each op about which there is a reason to tell, with the reason."""
    for decision in plan.ops:
        for reason in (decision.refusal, decision.result_refusal):
            if reason is not None:
                yield decision.op, reason
