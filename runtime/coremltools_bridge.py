"""The runtime in the place where coremltools looks for Core ML."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.model import load
from .session import Session


class Proxy:
    """Stands in for `_MLModelProxy`."""

    def __init__(self, path: str, compute_units: str, function: str, hints: Any, asset: Any) -> None:
        self._model = load(path)
        self._session = Session(self._model, function or "main")

    @staticmethod
    def maximum_supported_specification_version() -> int:
        return 10

    def predict(self, data: dict[str, Any], state: Any) -> dict[str, Any]:
        low = self._session._executable.lowered
        fed = {}
        for port in low.inputs:
            value = np.asarray(data[port.name])
            fed[port.name] = value.reshape(()) if port.shape == () else value
        out, new, _ = self._session._executable.run(fed, state)
        if state is not None:
            state.update(new)
        return {name: value.reshape(1) if value.ndim == 0 else value for name, value in out.items()}

    def batchPredict(self, data: list[Any]) -> list[Any]:
        return [self.predict(each, None) for each in data]

    def newState(self) -> Any:
        return self._session._executable.new_states()
