"""Programs of one op in question, and the verdicts on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS16, IOS17, Opset, parse_target
from milopt.passes.analysis.eligibility.judging import eligibility_of
from milopt.passes.analysis.eligibility.records import OpEligibility, Verdict

from .program_registry import Input, build_program, fp16, weights

Build = Callable[[], Any]


@attrs.frozen
class Asked:
    """A program, an op of it, and the conditions."""

    build: Build
    target: str = "iOS18"
    unit: str = "all"
    chip: str | None = None
    statistics: Any = None
    name: str = "y"

    def op(self) -> OpEligibility:
        """What is found about the op."""
        target = parse_target(self.target)
        found = eligibility_of(self.build(), target, self.unit, self.chip, self.statistics)
        return next(op for op in found if op.op == self.name)

    def verdict(self, scheme: str) -> Verdict:
        """The verdict on it."""
        return self.op().verdicts[scheme]


def of_one(body: Callable[[Any], Any], *shape: int | None, opset: Opset = IOS17) -> Build:
    """A program of one fp16 input."""
    return lambda: build_program(body, opset, x=fp16(*shape))


def of_two(body: Callable[[Any, Any], Any], *shapes: Input, opset: Opset = IOS17) -> Build:
    """A program of two inputs."""
    return lambda: build_program(body, opset, a=shapes[0], b=shapes[1])


def linear_of(weight: Any, opset: Opset = IOS16) -> Build:
    """A linear layer of a weight of two axes."""
    return of_one(lambda x: mb.linear(x=x, weight=mb.const(val=weight, name="w"), name="y"), 10, weight.shape[1],
                  opset=opset)  # fmt: skip


def conv_of(*shape: int, image: tuple[int | None, ...] = (1, 12, 17, 23), **options: Any) -> Build:
    """A convolution of a weight of a shape."""
    return of_one(lambda x: mb.conv(x=x, weight=weights(*shape), name="y", **options), *image)


LINEAR = linear_of(weights(64, 64))
CONV = conv_of(20, 12, 3, 3)
MATMUL = of_two(lambda a, b: mb.matmul(x=a, y=b, name="y"), fp16(10, 40), fp16(40, 30))
ADD = of_two(lambda a, b: mb.add(x=a, y=b, name="y"), fp16(10, 40), fp16(10, 40))
MUL = of_two(lambda a, b: mb.mul(x=a, y=b, name="y"), fp16(10, 40), fp16(10, 40))


def dequantized(*shape: int) -> Any:
    """A weight as training leaves it: codes, and an op that decodes them when the program runs."""
    codes = np.random.default_rng(1).integers(-127, 128, shape).astype(np.int8)
    return mb.dequantize(input=codes, scale=np.float16(0.1), name="w")
