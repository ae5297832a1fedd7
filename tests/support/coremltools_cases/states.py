"""Cases of passes that must mind when a state is read and written."""

from __future__ import annotations

from typing import Any

import numpy as np
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS18

from ..program_registry import fp16, state
from .record import case, wrong_numbers


def _half(value: float) -> np.float16:
    return np.float16(value)


@case("remove_redundant_ops", IOS18, s=state(3), x=fp16(3),
      fails=wrong_numbers("a state is read, written and read again: both reads count as one"))  # fmt: skip
def read_before_and_after_writing(s: Any, x: Any) -> Any:
    before = mb.read_state(input=s)
    mb.coreml_update_state(state=s, value=mb.add(x=before, y=x))
    return mb.mul(x=before, y=_half(2)), mb.mul(x=mb.read_state(input=s), y=_half(3))


@case("canonicalize_inplace_pattern", IOS18, s=state(3), x=fp16(3))
def read_then_computed_and_written(s: Any, x: Any) -> Any:
    value = mb.add(x=mb.read_state(input=s), y=x)
    doubled = mb.mul(x=value, y=_half(2))
    mb.coreml_update_state(state=s, value=value)
    return doubled


@case("canonicalize_inplace_pattern", IOS18, s=state(3), x=fp16(3),
      fails=wrong_numbers("a state is read after what will be written is computed: it is written first"))  # fmt: skip
def read_between_computing_and_writing(s: Any, x: Any) -> Any:
    value = mb.add(x=x, y=_half(1))
    old = mb.mul(x=mb.read_state(input=s), y=_half(2))
    mb.coreml_update_state(state=s, value=value)
    return old


@case("prefer_state_in_downstream", IOS18, s=state(3), x=fp16(3))
def written_twice(s: Any, x: Any) -> Any:
    value = mb.add(x=x, y=_half(1))
    mb.coreml_update_state(state=s, value=value)
    tripled = mb.mul(x=value, y=_half(3))
    mb.coreml_update_state(state=s, value=tripled)
    return mb.sin(x=value), mb.cos(x=tripled)


@case("prefer_state_in_downstream", IOS18, s=state(3), x=fp16(3))
def written_and_given(s: Any, x: Any) -> Any:
    value = mb.sin(x=x)
    mb.coreml_update_state(state=s, value=value)
    return value, mb.cos(x=value)
