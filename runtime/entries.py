"""What a run tells of an observed value: an array for each time that the value was computed."""

from __future__ import annotations

import attrs
import numpy as np

from ..ir.errors import RunError
from .ports import Observed, Port


@attrs.frozen(eq=False)
class Entries:
    """One statistic of one value in one run.

    Attributes:
        observed: what they are of.
        arrays: as the graph holds them, fp16 values in float32. Those of a value outside of branches and loops, one,
            may be ONNX Runtime's own memory and is read-only then; it lasts as long as the array.
    """

    observed: Observed
    arrays: list[np.ndarray]

    def joined(self) -> np.ndarray:
        """One array in the MIL type: that of the value, or all stacked along a new first axis, of a value inside.

        Raises:
            RunError: arrays of different shapes can not be stacked.
        """
        port = self.observed.port
        if port.tensor.is_sequence:
            return as_output(self._stacked(), port)
        array = as_output(self.arrays[0], port)
        return array if array.flags.writeable else array.copy()

    def _stacked(self) -> np.ndarray:
        port = self.observed.port
        if not self.arrays:
            return np.zeros([0, *(size or 0 for size in port.shape)], port.tensor.dtype)
        shapes = {array.shape for array in self.arrays}
        if len(shapes) > 1:
            one, other, *_ = (list(shape) for shape in sorted(shapes))
            raise RunError(
                f"value {self.observed.value!r} has not one shape in all iterations: {one}, {other}",
                hint="observe its min and max, or take run_entries, which gives each by itself",
            )
        return np.stack(self.arrays)


def as_output(value: np.ndarray, port: Port) -> np.ndarray:
    """An output in its MIL type."""
    if port.dtype != "fp16" or value.dtype != np.float32:
        return value
    with np.errstate(over="ignore"):
        return value.astype(np.float16)
