"""`Session`: runs one function of a program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .executable import Executable
from .lower import lower_function
from .types import Precision, check_precision


class Session:
    """A program that is ready to run."""

    def __init__(
        self, model: Any, function: str = "main", *, precision: Precision = "float32", threads: int | None = None
    ) -> None:
        check_precision(precision)
        program = getattr(model, "program", model)
        self._executable = Executable(lower_function(program.functions[function], precision), threads=threads)

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs by name."""
        return self._executable.run(inputs)[0]
