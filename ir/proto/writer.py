"""From PyMIL to the protobuf of an ML program, weights going to a sink as they are met.

It builds on coremltools' exporter, which knows which inputs Core ML wants as literals; what differs is where the
weights go, that each distinct tensor is written once, and that attributes without a place in PyMIL come back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

# isort: off
from .. import quiet  # noqa: F401 - before everything of coremltools
# isort: on

from coremltools.converters.mil.backend.mil import helper
from coremltools.converters.mil.backend.mil.load import MILProtoExporter, should_use_weight_file

from ..dtypes import DType
from ..errors import ProgramError
from ..pymil import dtype_of, is_symbolic, opset_of, types
from ..targets import Opset
from ..walking import walk
from ..weights.missing import stand_ins_of
from ..weights.references import MODEL_PATH, BlobReference
from .function_reader import EXTRA_ATTRIBUTES
from .reader import SHELL
from .values import immediate_tensor


class WeightSink(Protocol):
    """Where a writer puts the tensors that do not stand in the program itself."""

    @property
    def stores(self) -> bool:
        """Whether it writes what it is given to a file, zeros in the place of missing weights included."""

    def place(self, array: np.ndarray, dtype: DType) -> BlobReference | None:
        """The reference to write for a tensor, or None to keep it in the program."""


def write_program(program: Any, sink: WeightSink) -> Any:
    """The protobuf `MIL.Program` of a PyMIL program; the program is not changed.

    Args:
        program: what to write.
        sink: takes the weights.

    Raises:
        ProgramError: the program holds something that the protobuf can not.
    """
    try:
        result = _Exporter(program, sink).export()
    except (NotImplementedError, ValueError, TypeError, AssertionError) as error:
        raise ProgramError(f"the program can not be written: {error}") from error
    _add_shell(result, getattr(program, SHELL, None))
    return result


def belongs_in_file(array: np.ndarray, opset: Opset) -> bool:
    """Whether a new tensor goes to a weight file: coremltools' rule, at least 10 elements of certain types."""
    return bool(should_use_weight_file(array, opset.specification_version))


def file_tensors(program: Any) -> Iterator[tuple[np.ndarray, DType, bool]]:
    """Every constant array of a program, its type, and whether a new one like it would go to a weight file."""
    opset = opset_of(program)
    for operation in walk(program):
        if operation.op_type == "const" and isinstance(operation.outputs[0].val, np.ndarray):
            array = operation.outputs[0].val
            yield array, dtype_of(operation.outputs[0]), belongs_in_file(array, opset)


def _add_shell(result: Any, shell: Any) -> None:
    """Gives a protobuf program what PyMIL has no place for; see `SHELL`."""
    if shell is None:
        return
    result.docString = shell.docString
    for name, value in shell.attributes.items():
        result.attributes[name].CopyFrom(value)
    for name in set(result.functions) & set(shell.functions):
        for key, value in shell.functions[name].attributes.items():
            result.functions[name].attributes[key].CopyFrom(value)


class _Exporter(MILProtoExporter):  # type: ignore[misc] # coremltools is untyped
    def __init__(self, program: Any, sink: WeightSink) -> None:
        # Not calling the base: it validates, which our verifier does, and prepares writers, which the sink replaces.
        self.prog = program
        self.specification_version = opset_of(program).specification_version
        self._sink = sink
        self._stand_ins = stand_ins_of(program)
        self._types: dict[Any, Any] = {}  # of tensors: the same few again and again

    def types_to_proto(self, valuetype: Any) -> Any:
        """The protobuf type of a PyMIL type; shared, and not to be changed."""
        if types.is_list(valuetype) and not types.is_tensor(valuetype.T[0]):
            element = types.BUILTIN_TO_PROTO_TYPES[valuetype.T[0]]
            return helper.create_valuetype_list(length=valuetype.T[1], elem_shape=(), dtype=element)
        shape = valuetype.get_shape() if types.is_tensor(valuetype) else None
        if shape is None or any(is_symbolic(size) for size in shape):
            return super().types_to_proto(valuetype)
        key = (valuetype.get_primitive(), tuple(shape))
        if key not in self._types:
            self._types[key] = super().types_to_proto(valuetype)
        return self._types[key]

    def get_milproto_value(self, var: Any) -> Any:
        """A reference to a weight file, or an immediate value."""
        if not (types.is_tensor(var.sym_type) and isinstance(var.val, np.ndarray)):
            return helper.create_immediate_value(var)
        array, dtype = var.val, dtype_of(var)
        reference = self._missing(array) or self._sink.place(array, dtype)
        if reference is None:
            return immediate_tensor(array, dtype)
        return helper.create_file_value_tensor(MODEL_PATH + reference.file, reference.offset, array.shape, dtype.proto)

    def _missing(self, array: np.ndarray) -> BlobReference | None:
        """What a zero stands for, unless the zeros are to be written."""
        return self._stand_ins.reference_of(array) if self._stand_ins and not self._sink.stores else None

    def create_block(self, block: Any) -> Any:
        """Leaves out the constants that coremltools writes into the op that takes them as well."""
        result = super().create_block(block)
        literal = {var.name for var in _literal_inputs(block) if _is_constant_for(var, "reshape_like")}
        if literal:
            kept = [each for each in result.operations if each.type != "const" or each.outputs[0].name not in literal]
            del result.operations[:]
            result.operations.extend(kept)
        return result

    def translate_generic_op(self, op: Any, literal_params: list[str] | None = None) -> Any:
        """Adds the attributes that PyMIL has no place for."""
        result = super().translate_generic_op(op, literal_params)
        for key, value in getattr(op, EXTRA_ATTRIBUTES, {}).items():
            result.attributes[key].CopyFrom(value)
        return result


def _literal_inputs(block: Any) -> Iterator[Any]:
    """The inputs of `reshape_like` that coremltools writes as literals, whatever gives them."""
    for operation in block.operations:
        if operation.op_type == "reshape_like":
            yield from (var for name in ("begins", "ends", "end_masks") for var in getattr(operation, name))


def _is_constant_for(var: Any, op_type: str) -> bool:
    """Whether a constant is used by ops of one type only."""
    is_const = var.op is not None and var.op.op_type == "const"
    return is_const and not var.consuming_blocks and all(user.op_type == op_type for user in var.child_ops)
