"""The door to ONNX Runtime: opens a session for a graph; large weights are handed over without a copy."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from ..ir.errors import RunError
from .constants import Constant
from .graph import Body, Graph
from .onnx_model import Dimensions, embed, model_of

# Weights of at least this many bytes are handed over; smaller ones are embedded, where optimizers can read them.
SHARED_BYTES = 1 << 20
# From here on weights are not packed anew for the kernels: packing takes as much memory again.
UNPACKED_BYTES = 1 << 30
# A protobuf message can not be larger than 2 GiB.
EMBEDDED_BYTES = 3 << 29
# No optimizer looks at the values of these inputs; at those of others some do, and would see a placeholder's.
_NEVER_READ = frozenset({("Gemm", 1), ("MatMul", 1), ("Gather", 0)})
_PLACEHOLDER = "weights.bin"


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

        plan = _Plan(graph)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = threads or 0
        options.use_deterministic_compute = True
        # Ops run as early as they can, in our order: a reduction that is observed frees its tensor at once.
        options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED
        # Convolutions between dequantized and quantized values would be computed in integers, with other results.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        if plan.total >= UNPACKED_BYTES:
            options.add_session_config_entry("session.disable_prepacking", "1")
        if plan.shares_all:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        handover = _Handover(plan, options)
        model = model_of(graph, shapes, place=handover.place)
        # ONNX Runtime reads these arrays in place: they live as long as the session.
        self._shared = handover.values
        try:
            self._session = handover.open(model)
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


class _Plan:
    """Which constants are handed over, and which are embedded in the model.

    Attributes:
        total: bytes of all constants that are used.
        shares_all: even those are handed over that optimizers read, so that no optimizer may run.
    """

    def __init__(self, graph: Graph) -> None:
        uses: defaultdict[str, set[tuple[str, int]]] = defaultdict(set)
        _collect_uses(graph.main, uses)
        used = {name: graph.constants[name] for name in uses if name in graph.constants}
        large = {name: constant.nbytes for name, constant in used.items() if constant.nbytes >= SHARED_BYTES}
        self.total = sum(constant.nbytes for constant in used.values())
        shared = {name for name in large if uses[name] <= _NEVER_READ}
        self.shares_all = sum(large[name] for name in large.keys() - shared) >= EMBEDDED_BYTES
        self._shared = set(large) if self.shares_all else shared

    def shares(self, name: str) -> bool:
        """Whether a constant is handed over."""
        return name in self._shared


def _collect_uses(body: Body, uses: defaultdict[str, set[tuple[str, int]]]) -> None:
    """Adds the ops and places that use each value."""
    for node in body.nodes:
        for index, name in enumerate(node.inputs):
            uses[name].add((node.op_type, index))
        for value in node.attributes.values():
            if isinstance(value, Body):
                _collect_uses(value, uses)


class _Handover:
    """Hands arrays to ONNX Runtime beside the model, which says that they lie in a file.

    Attributes:
        values: what was handed over; both the arrays and ONNX Runtime's records of them have to live on.
    """

    def __init__(self, plan: _Plan, options: Any) -> None:
        self._plan, self._options = plan, options
        self.values: list[tuple[np.ndarray, Any]] = []

    def place(self, name: str, proto: onnx.TensorProto, constant: Constant) -> None:
        """Embeds a constant in the model, or hands it over and leaves a placeholder."""
        if not self._plan.shares(name):
            embed(name, proto, constant)
            return
        from onnxruntime import OrtValue

        array = constant.load()
        value = OrtValue.ortvalue_from_numpy_with_onnx_type(array, proto.data_type)
        self._options.add_initializer(proto.name, value)
        self.values.append((array, value))
        proto.data_location = onnx.TensorProto.EXTERNAL
        for key, text in (("location", _PLACEHOLDER), ("offset", "0"), ("length", str(array.nbytes))):
            proto.external_data.add(key=key, value=text)

    def open(self, model: onnx.ModelProto) -> Any:
        """An ONNX Runtime session; the file that the placeholders name is there, and empty but for its length."""
        from onnxruntime import InferenceSession

        providers = ["CPUExecutionProvider"]
        if not self.values:
            return InferenceSession(model.SerializeToString(), self._options, providers=providers)
        with tempfile.TemporaryDirectory(prefix="milopt-") as folder:
            path = Path(folder) / "model.onnx"
            path.write_bytes(model.SerializeToString())
            with path.with_name(_PLACEHOLDER).open("wb") as placeholder:
                placeholder.truncate(max(array.nbytes for array, _ in self.values))
            return InferenceSession(str(path), self._options, providers=providers)
