"""The door to ONNX Runtime: opens a session for a graph; large weights are handed over beside the model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import onnx

from ..ir.errors import RunError
from .constants import Constant
from .graph import Graph, with_nested
from .onnx_model import Dimensions, embed, model_of

# Constants of at least this many bytes are handed over; inside the model they would be copied several times.
HANDED_BYTES = 1 << 14
# From here on weights stay as they lie: to lay them out anew for the kernels takes as much memory again.
FED_BYTES = 1 << 30
# The weights of these ops may be inputs as well as constants.
_FEEDABLE = frozenset({("Conv", 1), ("ConvTranspose", 1), ("Gather", 0), ("Gemm", 1), ("MatMul", 1)})


class Engine:
    """An ONNX Runtime session of a graph.

    Args:
        graph: finished.
        shapes: of its inputs and outputs.
        threads: how many to compute with; as many as the machine has without it.

    Attributes:
        was_opened: whether this process has opened any, which makes it unfit to be forked.

    Raises:
        RunError: ONNX Runtime refuses the graph.
    """

    was_opened: ClassVar[bool] = False

    def __init__(self, graph: Graph, shapes: Mapping[str, Dimensions], *, threads: int | None = None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = threads or 0
        options.use_deterministic_compute = True
        # Ops run as early as they can, in our order: a reduction that is observed frees its tensor at once.
        options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED
        # Convolutions between dequantized and quantized values would be computed in integers, with other results.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        # Sequences come out by value only.
        self._has_sequences = any(each.is_sequence for each in graph.main.outputs)
        fed, handover = _fed_constants(graph), _Handover()
        model = model_of(graph, shapes, place=handover.place, fed=fed)
        handover.give(options)
        # Weights that are inputs: no optimizer folds or copies them, and each run reads them in place.
        self._fed = {graph.names.get(name, name): constant.load() for name, constant in fed.items()}
        try:
            self._session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's own exceptions have no common base but this
            raise RunError(f"ONNX Runtime refuses the program: {error}") from error
        Engine.was_opened = True

    def run(
        self, outputs: Sequence[str], inputs: Mapping[str, np.ndarray], *, in_place: Collection[str] = ()
    ) -> list[Any]:
        """The outputs' values, in order: arrays, and lists of arrays for sequences.

        Args:
            outputs: their names.
            inputs: by name.
            in_place: the outputs to give without a copy where that can be done, as read-only arrays.

        Raises:
            RunError: a kernel failed: an index out of range, shapes that do not fit each other.
        """
        feeds = {**inputs, **self._fed}
        try:
            if self._has_sequences or not in_place:
                return list(self._session.run(list(outputs), feeds))
            return self._run_in_place(outputs, feeds, in_place)
        except Exception as error:  # as above
            raise RunError(f"the run failed: {error}") from error

    def _run_in_place(
        self, outputs: Sequence[str], feeds: Mapping[str, np.ndarray], in_place: Collection[str]
    ) -> list[np.ndarray]:
        from onnxruntime import OrtValue

        given = {name: OrtValue.ortvalue_from_numpy(array) for name, array in feeds.items()}
        values = self._session.run_with_ort_values(list(outputs), given)
        # Truth values come as bytes from dlpack.
        return [
            np.from_dlpack(value) if name in in_place and value.data_type() != "tensor(bool)" else value.numpy()
            for name, value in zip(outputs, values, strict=True)
        ]


def _fed_constants(graph: Graph) -> dict[str, Constant]:
    """The weights that become inputs, where all constants together are too large to be held twice."""
    uses: defaultdict[str, set[tuple[str, int]]] = defaultdict(set)
    for node in (each for outer in graph.main.nodes for each in with_nested(outer)):
        for index, name in enumerate(node.inputs):
            uses[name].add((node.op_type, index))
    used = {name: graph.constants[name] for name in uses if name in graph.constants}
    if sum(constant.nbytes for constant in used.values()) < FED_BYTES:
        return {}
    return {
        name: constant for name, constant in used.items() if constant.nbytes >= HANDED_BYTES and uses[name] <= _FEEDABLE
    }


class _Handover:
    """Hands constants to ONNX Runtime beside the model, which says that they lie elsewhere.

    ONNX Runtime takes them in before its optimizers read them, as a copy that the session owns.
    """

    def __init__(self) -> None:
        self._arrays: dict[str, tuple[np.ndarray, int]] = {}

    def place(self, name: str, proto: onnx.TensorProto, constant: Constant) -> None:
        """Embeds a small constant in the model, and keeps a large one until it is handed over."""
        if constant.nbytes < HANDED_BYTES:
            embed(name, proto, constant)
            return
        self._arrays[proto.name] = constant.load(), proto.data_type
        proto.data_location = onnx.TensorProto.EXTERNAL
        proto.external_data.add(key="location", value="memory")

    def give(self, options: Any) -> None:
        """Hands over what was kept, which must live until the session is open."""
        from onnxruntime import OrtValue

        values = [OrtValue.ortvalue_from_numpy_with_onnx_type(*each) for each in self._arrays.values()]
        options.add_external_initializers(list(self._arrays), values)
