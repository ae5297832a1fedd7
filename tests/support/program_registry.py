"""The register of test programs, and what their modules build them from.

Dimensions are unequal so that a swapped axis shows; names and weights are the same in every run. Weights that a
quantizer should take have more than 2048 elements.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from milopt.ir.pymil import Program, available_target, builtin_type, get_new_symbol, mb, types, unique_names
from milopt.ir.targets import Opset

PROGRAMS: dict[str, Callable[[], Program]] = {}


class Input(NamedTuple):
    """A function's input; None stands for an unknown dimension."""

    shape: tuple[int | None, ...]
    dtype: str = "fp16"
    is_state: bool = False

    def placeholder(self) -> Any:
        """A new PyMIL placeholder."""
        shape = [get_new_symbol() if size is None else size for size in self.shape]
        make = mb.StateTensorSpec if self.is_state else mb.TensorSpec
        return make(shape, builtin_type(self.dtype))


def fp16(*shape: int | None) -> Input:
    """A half precision input."""
    return Input(shape)


def fp32(*shape: int | None) -> Input:
    """A single precision input."""
    return Input(shape, "fp32")


def int32(*shape: int | None) -> Input:
    """An input of integers."""
    return Input(shape, "int32")


def state(*shape: int) -> Input:
    """A state, half precision."""
    return Input(shape, is_state=True)


def register(build: Callable[[], Program]) -> Callable[[], Program]:
    """Puts a builder into `PROGRAMS` under its own name; its ops are named alike in every call."""

    def named() -> Program:
        with unique_names(()):
            return build()

    PROGRAMS[build.__name__] = named
    return named


def program(opset: Opset, **inputs: Input) -> Callable[[Callable[..., Any]], Callable[[], Program]]:
    """Registers a program of one function whose body is the decorated function."""

    def decorate(body: Callable[..., Any]) -> Callable[[], Program]:
        def build() -> Program:
            return build_program(body, opset, **inputs)

        build.__name__ = body.__name__
        return register(build)

    return decorate


def build_program(body: Callable[..., Any], opset: Opset, **inputs: Input) -> Program:
    """A program of one function that is not registered; its ops are named alike in every call."""
    specs = [each.placeholder() for each in inputs.values()]
    with unique_names(()):
        return mb.program(input_specs=specs, opset_version=available_target(opset))(body)


def weights(*shape: int, dtype: str = "float16", seed: int = 0) -> np.ndarray:
    """Normal random numbers, scaled so that sums over them stay near 1."""
    values = np.random.default_rng([seed, *shape]).standard_normal(shape)
    return (values * np.prod(shape[1:]) ** -0.5).astype(dtype)


def integers(dtype: str, *shape: int, seed: int = 0) -> np.ndarray:
    """Random integers over the whole range of a MIL type, sub-byte ones included."""
    bits, signed = int(dtype.removeprefix("u").removeprefix("int")), not dtype.startswith("u")
    low = -(1 << bits - 1) if signed else 0
    values = np.random.default_rng([seed, *shape]).integers(low, low + (1 << bits), shape)
    return values.astype(types.nptype_from_builtin(builtin_type(dtype)))
