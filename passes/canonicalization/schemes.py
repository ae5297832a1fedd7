"""How a `quantize` or `dequantize` maps codes to numbers, as patterns compare, check and change it."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from ...ir.pymil import Operation, Var, dtype_of

# The inputs of both ops that say how codes are mapped.
PARAMETERS = ("scale", "zero_point", "axis", "output_dtype")


@attrs.frozen(eq=False)
class Scheme:
    """A number is `scale * (code - zero_point)`.

    Attributes:
        scale: of the float's type; rank 0 for a whole tensor, rank 1 for a scale for each index of `axis`.
        zero_point: int32, of the scale's shape; zeros where the op has none.
        axis: counted from the front; None for a whole tensor.
        codes: the name of the codes' type.
    """

    scale: np.ndarray
    zero_point: np.ndarray
    axis: int | None
    codes: str

    @classmethod
    def of(cls, operation: Operation) -> Scheme:
        """The scheme of a `quantize` or `dequantize`."""
        scale = np.asarray(operation.scale.val)
        given = operation.zero_point
        zero_point = np.zeros(scale.shape) if given is None else np.asarray(given.val)
        rank = operation.inputs["input"].rank
        axis = int(operation.axis.val) % rank if scale.ndim else None
        return cls(scale, zero_point.astype(np.int32), axis, codes_of(operation).name)

    @property
    def range(self) -> tuple[int, int]:
        """The least and the greatest code."""
        limits = np.iinfo(self.codes)
        return int(limits.min), int(limits.max)

    @property
    def reach(self) -> np.ndarray:
        """How far codes lie from the zero point at most."""
        low, high = self.range
        return np.asarray(np.maximum(self.zero_point - low, high - self.zero_point))

    @property
    def is_lossless(self) -> bool:
        """Whether every code comes back when its number is quantized again.

        Two roundings move a quotient of at most 255 by less than a half, so that it rounds to the code it was; but
        numbers that are too large for their type become infinite.
        """
        return self.is_positive and bool(np.all(self._greatest() <= np.finfo(self.scale.dtype).max))

    @property
    def is_positive(self) -> bool:
        """Whether all scales are finite numbers above zero."""
        return bool(np.all(np.isfinite(self.scale) & (self.scale > 0)))

    @property
    def is_normal(self) -> bool:
        """Whether no number of the scheme but zero is subnormal or infinite."""
        return self.is_lossless and bool(np.all(self.scale >= np.finfo(self.scale.dtype).tiny))

    def agrees(self, other: Scheme) -> bool:
        """Whether both map all codes to the same numbers."""
        return (
            (self.axis, self.codes, self.scale.dtype) == (other.axis, other.codes, other.scale.dtype)
            and np.array_equal(self.scale, other.scale)
            and np.array_equal(self.zero_point, other.zero_point)
        )

    def along(self, axis: int | None) -> Scheme:
        """The same scales along another axis."""
        return attrs.evolve(self, axis=axis)

    def scaled(self, factor: float) -> Scheme:
        """Scales times a factor, rounded once to their type."""
        with np.errstate(all="ignore"):
            scale = (self.scale.astype(np.float64) * factor).astype(self.scale.dtype)
        return attrs.evolve(self, scale=scale)

    def inputs(self) -> dict[str, Any]:
        """What an op of this scheme takes beside its input (and `output_dtype`); zero points of zero are left out."""
        found: dict[str, Any] = {"scale": self.scale[()]}
        if self.zero_point.any():
            found["zero_point"] = self.zero_point.astype(self.codes)[()]
        if self.axis is not None:
            found["axis"] = np.int32(self.axis)
        return found

    def decoded(self, codes: np.ndarray) -> np.ndarray:
        """The numbers of codes, in fp32 and not yet rounded to the float's type."""
        steps = codes.astype(np.int32) - self._beside(self.zero_point, codes.ndim)
        return np.asarray(steps.astype(np.float32) * self._beside(self.scale, codes.ndim).astype(np.float32))

    def encoded(self, numbers: np.ndarray, precision: str) -> np.ndarray:
        """The codes of numbers, where quotients are rounded to a type: half to even, then clipped to the range."""
        with np.errstate(all="ignore"):
            quotient = numbers.astype(np.float32) / self._beside(self.scale, numbers.ndim).astype(np.float32)
            steps = np.rint(quotient.astype(precision)).astype(np.float64)
        low, high = self.range
        return np.asarray(np.clip(steps + self._beside(self.zero_point, numbers.ndim), low, high).astype(self.codes))

    def _greatest(self) -> np.ndarray:
        return np.asarray(self.scale.astype(np.float64) * self.reach)

    def _beside(self, values: np.ndarray, rank: int) -> np.ndarray:
        """Scales or zero points in a shape that broadcasts with a tensor."""
        return values if self.axis is None else values.reshape([-1 if i == self.axis else 1 for i in range(rank)])


def codes_of(operation: Operation) -> Any:
    """The type of the codes that a `quantize` makes, or that a `dequantize` takes."""
    quantizes = operation.op_type == "quantize"
    return dtype_of(operation.outputs[0] if quantizes else operation.inputs["input"])


def parameters(operation: Operation) -> dict[str, Var]:
    """The inputs of a `quantize` or `dequantize` that say how codes are mapped, those that it has."""
    found = {name: operation.inputs.get(name) for name in PARAMETERS}
    return {name: value for name, value in found.items() if value is not None}
