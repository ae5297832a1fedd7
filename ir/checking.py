"""What `load` checks at once, without building PyMIL programs: ops, opsets and where weights lie."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .dtypes import dtype_of_proto
from .errors import located
from .model_parts import Stage
from .proto.values import tensor_shape
from .proto.walking import selected_block, walk_operations
from .pymil import op_class
from .targets import Opset, opset_of_specification
from .weights.references import BlobReference, reference_from_proto
from .weights.store import WeightStore


def check_stage(stage: Stage) -> None:
    """Checks an ML program against the registry of ops and its weight files.

    Raises:
        ProgramError: an op or opset is unknown.
        PackageError: a weight is missing, damaged, or lies outside the package.
        TargetError: the specification version is unknown.
    """
    with located("the model"):
        opset_of_specification(stage.specification.specificationVersion)
    for name, function in stage.specification.mlProgram.functions.items():
        with located(f"function {name!r}"):
            opset, block = selected_block(function)
            for operation in walk_operations(block):
                _check_operation(operation, opset, stage.weights)


def _check_operation(operation: Any, opset: Opset, weights: WeightStore) -> None:
    # The protobuf's write_state is PyMIL's coreml_update_state.
    name = "coreml_update_state" if operation.type == "write_state" else operation.type
    outputs = ", ".join(repr(output.name) for output in operation.outputs)
    with located(f"op that defines {outputs}" if outputs else f"op {name}"):
        op_class(name, opset)
        for value in _values_of(operation):
            if value.WhichOneof("value") == "blobFileValue":
                tensor = value.type.tensorType
                reference = reference_from_proto(value.blobFileValue)
                weights.check(reference, dtype_of_proto(tensor.dataType), tensor_shape(tensor))


def blob_references(program: Any) -> Iterator[BlobReference]:
    """The reference of every value of a protobuf program that stands in a weight file."""
    for function in program.functions.values():
        for block in function.block_specializations.values():
            for operation in walk_operations(block):
                for value in _values_of(operation):
                    if value.WhichOneof("value") == "blobFileValue":
                        yield reference_from_proto(value.blobFileValue)


def _values_of(operation: Any) -> Iterator[Any]:
    yield from operation.attributes.values()
    for argument in operation.inputs.values():
        for binding in argument.arguments:
            if binding.WhichOneof("binding") == "value":
                yield binding.value
