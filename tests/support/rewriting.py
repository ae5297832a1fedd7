"""Small programs and patterns for tests of the rewrite driver."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from milopt.ir.pymil import mb
from milopt.ir.rewriting.driver import Rewrites, rewrite
from milopt.ir.rewriting.patterns import Pattern
from milopt.ir.rewriting.rules import rule
from milopt.ir.targets import IOS18, Opset
from milopt.ir.verifier import verify
from milopt.ir.walking import walk

from .program_registry import Input, build_program, fp16

NO_IDENTITY = rule("identity(x) -> x", name="no-identity")
RELU_TO_ABS = rule("relu(x) -> abs(x)", name="relu-to-abs")


def built(body: Callable[..., Any], opset: Opset = IOS18, **inputs: Input) -> Any:
    """A program of one function; without inputs it takes `x`, fp16 of 2x3."""
    return build_program(body, opset, **(inputs or {"x": fp16(2, 3)}))


def chain(op_type: str, length: int, *, last: str = "abs") -> Any:
    """`length` ops of a type in a row, each named after its place, and another one at the end."""

    def body(x: Any) -> Any:
        for index in range(length):
            x = getattr(mb, op_type)(x=x, name=f"{op_type}_{index}")
        return getattr(mb, last)(x=x, name="out")

    return built(body)


def applied(program: Any, patterns: Iterable[Pattern], *, root: Any = None, **more: Any) -> Rewrites:
    """Rewrites a program, or a root in it, and checks that it is well formed before and after."""
    assert verify(program) == []
    found = rewrite(root or program, patterns, **more)
    assert verify(program) == []
    return found


def op_types(root: Any) -> list[str]:
    """The types of all ops in order, without constants."""
    return [operation.op_type for operation in walk(root) if operation.op_type != "const"]


def names(root: Any) -> list[str]:
    """The names of all ops in order, without constants."""
    return [operation.name for operation in walk(root) if operation.op_type != "const"]


def outputs(root: Any) -> list[str]:
    """The names of the outputs of the program's only function."""
    (function,) = root.functions.values()
    return [var.name for var in function.outputs]


def half(value: float) -> Any:
    """A scalar constant of half precision."""
    return np.float16(value)
