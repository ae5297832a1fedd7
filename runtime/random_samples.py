"""Random samples that a function takes, for where no real ones are at hand.

Floats are normal. Whole numbers are 0 and 1, which suit as masks, flags and indices of nearly anything; those that
`gather` looks things up by reach over the whole of what they index. Unknown sizes are all the same, because a program
does not say which of them have to agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import numpy as np

from ..ir.errors import OptionError
from ..ir.pymil import dtype_of, is_symbolic
from ..ir.pymil import types as mil_types
from .op import Shape, shape_of

# What unknown sizes may be, the likeliest to work first: images of many layers need large ones, batches small ones.
UNKNOWN_SIZES = (8, 64, 224, 1)

_GATHERS = frozenset({"gather", "gather_along_axis"})
# Ops that hand their input on as it is, in another shape or type.
_CARRIERS = frozenset({"cast", "expand_dims", "identity", "reshape", "squeeze", "transpose"})


@attrs.frozen
class _Input:
    shape: Shape
    dtype: str
    below: int

    def sample(self, generator: np.random.Generator, size: int) -> np.ndarray:
        """One value; sizes that the model leaves open become `size`."""
        shape = [size if each is None else each for each in self.shape]
        if np.dtype(self.dtype).kind == "f":
            return generator.standard_normal(shape).astype(self.dtype)
        return generator.integers(0, self.below, shape).astype(self.dtype)


class RandomSamples:
    """Random samples for one function, the same ones each time they are walked.

    Args:
        function: a PyMIL function.
        count: how many.
        seed: of the random numbers.
        size: what unknown sizes are.

    Raises:
        OptionError: there are to be none.
    """

    def __init__(self, function: Any, count: int, *, seed: int = 0, size: int = UNKNOWN_SIZES[0]) -> None:
        if count < 1:
            raise OptionError(f"{count} samples are none")
        self._inputs = {
            name: _Input(shape_of(var), dtype_of(var).numpy, _below(var))
            for name, var in function.inputs.items()
            if not mil_types.is_state(var.sym_type)
        }
        self._count, self._seed, self._size = count, seed, size

    @property
    def depends_on_size(self) -> bool:
        """Whether an input has a size that is not known."""
        return any(None in each.shape for each in self._inputs.values())

    def __len__(self) -> int:
        """How many there are."""
        return self._count

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Each sample in order."""
        generator = np.random.default_rng(self._seed)
        for _ in range(self._count):
            yield {name: each.sample(generator, self._size) for name, each in self._inputs.items()}


def _below(var: Any) -> int:
    """What whole numbers of an input have to be below."""
    return min(indexed_sizes(var), default=2)


def indexed_sizes(var: Any) -> Iterator[int]:
    """The sizes of all axes that a value is an index of, directly or through ops that only reshape it."""
    for operation in var.child_ops:
        if operation.op_type in _GATHERS and operation.indices is var:
            axis = operation.axis.val if operation.axis is not None else 0
            size = None if axis is None else operation.x.shape[int(axis)]
            if size is not None and not is_symbolic(size):
                yield int(size)
        elif operation.op_type in _CARRIERS and operation.x is var:
            yield from indexed_sizes(operation.outputs[0])
