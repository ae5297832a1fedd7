"""Programs that bring passes of coremltools to act: what each is for, and what is known to go wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import attrs
import numpy as np
from milopt.ir.pymil import Program
from milopt.ir.targets import IOS15, Opset

from ..program_registry import Input, build_program, weights
from ..running import plausible_inputs

Kind = Literal["raises", "wrong numbers", "wrong shape", "broken program"]


@attrs.frozen
class Failure:
    """What a pass does to a program that it should have rewritten well, or left alone.

    Attributes:
        kind: how it shows. A broken program is one that PyMIL takes and nothing can run.
        words: what goes wrong; the documentation has them.
    """

    kind: Kind
    words: str


@attrs.frozen(kw_only=True)
class PassCase:
    """A program for one pass.

    Attributes:
        name: what is special about it.
        pass_id: the pass.
        opset: of the program.
        inputs: of the program.
        body: what it computes.
        given: the values of some inputs, where random ones would not show what is meant.
        changes: whether the pass is meant to change it.
        fails: what is known to go wrong.
    """

    name: str
    pass_id: str
    opset: Opset
    inputs: Mapping[str, Input]
    body: Callable[..., Any]
    given: Mapping[str, Any]
    changes: bool
    fails: Failure | None

    def program(self) -> Program:
        """The program, a new one each time."""
        return build_program(self.body, self.opset, **self.inputs)

    def samples(self) -> list[dict[str, np.ndarray]]:
        """What to run it on."""
        sample = plausible_inputs(self.program().functions["main"])
        fixed = {name: np.asarray(value, sample[name].dtype) for name, value in self.given.items()}
        return [sample | fixed]


CASES: dict[str, PassCase] = {}


def case(
    pass_id: str,
    opset: Opset = IOS15,
    *,
    given: Mapping[str, Any] | None = None,
    changes: bool = True,
    fails: Failure | None = None,
    **inputs: Input,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers a case under the name of the decorated function, which is its body."""

    def decorate(body: Callable[..., Any]) -> Callable[..., Any]:
        name = body.__name__
        CASES[name] = PassCase(name=name, pass_id=f"common::{pass_id}", opset=opset, inputs=inputs, body=body,
                               given=given or {}, changes=changes, fails=fails)  # fmt: skip
        return body

    return decorate


def named(body: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A body under a name of its own, for cases that are made in a loop."""
    body.__name__ = name
    return body


def raises(words: str) -> Failure:
    """The pass raises."""
    return Failure("raises", words)


def wrong_numbers(words: str) -> Failure:
    """The program computes something else."""
    return Failure("wrong numbers", words)


def wrong_shape(words: str) -> Failure:
    """An output has another shape."""
    return Failure("wrong shape", words)


def broken(words: str) -> Failure:
    """The program can not be run any more."""
    return Failure("broken program", words)


def constants(*shape: int, seed: int = 0) -> np.ndarray:
    """Normal numbers, single precision."""
    return weights(*shape, dtype="float32", seed=seed)


def scalar(value: float) -> np.float32:
    """A number, single precision."""
    return np.float32(value)
