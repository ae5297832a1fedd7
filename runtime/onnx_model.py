"""From a `Graph` to an ONNX model: protobuf nodes, and weights inside it or beside it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import onnx
from onnx import helper

from .constants import Constant
from .graph import Body, Graph, Node, Tensor
from .kernels import IR_VERSION, OPSET

Dimensions: TypeAlias = Sequence["int | str | None"]
# Writes the data of a constant, or where they are, into its protobuf; takes its name in the graph.
Placement: TypeAlias = Callable[[str, onnx.TensorProto, Constant], None]


def embed(_: str, proto: onnx.TensorProto, constant: Constant) -> None:
    """Puts a constant's data into the model itself."""
    proto.raw_data = constant.load().tobytes()


def model_of(
    graph: Graph,
    shapes: Mapping[str, Dimensions],
    *,
    place: Placement = embed,
    fed: Collection[str] = (),
    metadata: Mapping[str, str] = {},
) -> onnx.ModelProto:
    """The ONNX model of a finished graph.

    Args:
        graph: with its outputs set.
        shapes: the shapes of inputs and outputs by name; names stand for unknown dimensions, None for no name.
        place: what to do with each constant's data.
        fed: constants, by their names in the graph, that become inputs of the model.
        metadata: notes to leave in the model.
    """
    writer = _Writer(graph, place, fed)
    nodes = writer.nodes(graph.main)
    proto = helper.make_graph(
        nodes,
        "main",
        [writer.info(each, shapes.get(each.name)) for each in graph.main.inputs] + writer.fed,
        [writer.info(each, shapes.get(each.name)) for each in graph.main.outputs],
        initializer=writer.initializers,
    )
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    model.producer_name = "milopt"
    helper.set_model_props(model, dict(metadata))
    return model


class _Writer:
    def __init__(self, graph: Graph, place: Placement, fed: Collection[str]) -> None:
        self._graph, self._place, self._fed = graph, place, fed
        self._written: set[str] = set()
        self.fed: list[onnx.ValueInfoProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def name(self, name: str) -> str:
        """The name that a value has in the model."""
        return self._graph.names.get(name, name)

    def info(self, tensor: Tensor, shape: Dimensions | None) -> onnx.ValueInfoProto:
        """What a value is, under the name that it has in the model."""
        kind = helper.np_dtype_to_tensor_dtype(tensor.dtype)
        make = helper.make_tensor_sequence_value_info if tensor.is_sequence else helper.make_tensor_value_info
        return make(self.name(tensor.name), kind, shape)

    def nodes(self, body: Body) -> list[onnx.NodeProto]:
        """The protobuf nodes of a body; the constants that they use join `initializers`."""
        return [self._node(node) for node in body.nodes]

    def _node(self, node: Node) -> onnx.NodeProto:
        for name in node.inputs:
            self._use(name)
        return helper.make_node(
            node.op_type,
            [self.name(name) for name in node.inputs],
            [self.name(name) for name in node.outputs],
            name=node.name,
            **{key: self._attribute(value) for key, value in sorted(node.attributes.items())},
        )

    def _attribute(self, value: Any) -> Any:
        if isinstance(value, Body):
            return self._body(value)
        if isinstance(value, np.dtype):
            return helper.np_dtype_to_tensor_dtype(value)
        if isinstance(value, np.ndarray):
            return onnx.numpy_helper.from_array(value)
        return value

    def _body(self, body: Body) -> onnx.GraphProto:
        return helper.make_graph(
            self.nodes(body),
            "body",
            [self.info(each, body.shapes.get(each.name)) for each in body.inputs],
            [self.info(each, None) for each in body.outputs],
        )

    def _use(self, name: str) -> None:
        constant = self._graph.constants.get(name)
        if constant is None or name in self._written:
            return
        self._written.add(name)
        if name in self._fed:
            self.fed.append(self.info(Tensor(name, constant.dtype), constant.shape))
            return
        proto = onnx.TensorProto(
            name=self.name(name), dims=constant.shape, data_type=helper.np_dtype_to_tensor_dtype(constant.dtype)
        )
        self._place(name, proto, constant)
        self.initializers.append(proto)
