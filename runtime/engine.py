"""The door to ONNX Runtime: opens a session for a graph; large weights are handed over without a copy."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from ..ir.errors import RunError
from .constants import Constant
from .graph import Graph
from .onnx_model import Dimensions, embed, model_of

# Weights of at least this many bytes are handed over where no optimizer wants to read them.
SHARED_BYTES = 1 << 20
# From here on weights are not packed anew for the kernels: packing takes as much memory again.
UNPACKED_BYTES = 1 << 30
# What reads weights when a session is opened; it would see the placeholder, so that their inputs are embedded.
_READ_BY_OPTIMIZERS = frozenset({"Conv", "ConvTranspose", "BatchNormalization"})
_STUB = "weights.bin"


class Engine:
    """An ONNX Runtime session of a graph.

    Args:
        graph: finished.
        shapes: of its inputs and outputs.
        threads: how many to compute with; as many as the machine has without it.

    Raises:
        RunError: ONNX Runtime refuses the graph.
    """

    def __init__(self, graph: Graph, shapes: Mapping[str, Dimensions], *, threads: int | None = None) -> None:
        import onnxruntime

        self._shared: list[Any] = []  # ONNX Runtime reads these arrays in place: they live as long as the session
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = threads or 0
        options.use_deterministic_compute = True
        total = sum(constant.nbytes for constant in graph.constants.values())
        if total >= UNPACKED_BYTES:
            options.add_session_config_entry("session.disable_prepacking", "1")
        with tempfile.TemporaryDirectory(prefix="milopt-") as folder:
            model = model_of(graph, shapes, place=_Sharing(graph, options, self._shared, total).place)
            try:
                self._session = onnxruntime.InferenceSession(
                    self._stored(model, Path(folder)) if self._shared else model.SerializeToString(),
                    options,
                    providers=["CPUExecutionProvider"],
                )
            except Exception as error:  # ONNX Runtime's own exceptions have no common base but this
                raise RunError(f"ONNX Runtime refuses the program: {error}") from error

    def run(self, outputs: Sequence[str], inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs' values, in order.

        Raises:
            RunError: a kernel failed: an index out of range, shapes that do not fit each other.
        """
        try:
            return list(self._session.run(list(outputs), dict(inputs)))
        except Exception as error:  # as above
            raise RunError(f"the run failed: {error}") from error

    def _stored(self, model: onnx.ModelProto, folder: Path) -> str:
        """Writes the model and the file that its shared weights claim to lie in; it has holes instead of bytes."""
        with (folder / _STUB).open("wb") as stub:
            stub.truncate(max(value.nbytes for value in self._shared))
        path = folder / "model.onnx"
        path.write_bytes(model.SerializeToString())
        return str(path)


class _Sharing:
    """Decides for each constant whether it is embedded in the model or shared with ONNX Runtime."""

    def __init__(self, graph: Graph, options: Any, shared: list[Any], total: int) -> None:
        self._options, self._shared = options, shared
        embedded = {name for node in graph.main.nodes if node.op_type in _READ_BY_OPTIMIZERS for name in node.inputs}
        self._embedded = set() if total >= UNPACKED_BYTES else embedded

    def place(self, proto: onnx.TensorProto, constant: Constant) -> None:
        """Embeds a constant, or leaves a placeholder for it."""
        if constant.nbytes < SHARED_BYTES or proto.name in self._embedded:
            embed(proto, constant)
            return
        from onnxruntime import OrtValue

        array = constant.load()
        value = OrtValue.ortvalue_from_numpy_with_onnx_type(array, proto.data_type)
        self._shared.append(array)
        self._options.add_initializer(proto.name, value)
        proto.data_location = onnx.TensorProto.EXTERNAL
        for key, text in (("location", _STUB), ("offset", "0"), ("length", str(array.nbytes))):
            proto.external_data.add(key=key, value=text)
