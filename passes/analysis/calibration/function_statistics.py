"""What calibration found in one function."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from .tensor_statistics import TensorStatistics


@attrs.frozen
class FunctionStatistics:
    """The statistics of a function's values.

    Attributes:
        samples: how many samples were run.
        tensors: the statistics of values by name.
        operations: how many ops the function had, those of nested blocks included; 0 if that was not noted.
    """

    samples: int
    tensors: Mapping[str, TensorStatistics]
    operations: int = 0
