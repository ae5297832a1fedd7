"""One function of an ML program, from the protobuf to PyMIL."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import MappingProxyType, SimpleNamespace
from typing import Any

from ..constants import is_constant
from ..errors import MiloptError, ProgramError, located, quoted
from ..pymil import (
    Block,
    Function,
    Value,
    available_target,
    curr_block,
    new_constant,
    new_operation,
    op_class,
    types,
    unique_names,
)
from ..walking import input_values
from ..weights.store import WeightStore
from .block_faults import block_faults
from .declared_types import declared_value, placeholder, type_fault
from .faults import Fault, FaultReport, Part
from .input_faults import attribute_faults, input_faults, unknown_input
from .mask_stand_ins import mask_stand_in
from .undefined_names import undefined
from .values import decode_value
from .walking import operation_name, selected_block, walk_operations

# An op's attributes other than its name; PyMIL has no place for them, so that they ride on the op.
EXTRA_ATTRIBUTES = "_milopt_attributes"
WRITE_STATE_SUFFIX = "_write_state"
# PyMIL's inputs of `coreml_update_state`, and what the protobuf's `write_state` calls them.
_WRITE_STATE = {"state": "input", "value": "data"}

_Scope = ChainMap[str, Any]


class FunctionReader:
    """Reads one function.

    A fault of an op is reported, and its outputs get stand-ins of their declared types, so that what uses them can
    be read. What such an op is then told to be wrong might follow from the first fault, if a type or a value that
    others depend on is in doubt: faults of ops that use a doubtful value are not told.

    Args:
        name: the function's.
        function: the protobuf message.
        weights: where its blobs lie.
        report: takes each fault, and may raise.
    """

    def __init__(self, name: str, function: Any, weights: WeightStore, report: FaultReport) -> None:
        self._name, self._function, self._weights, self._report = name, function, weights, report
        self._opset, self._block = selected_block(function)
        self._faults = 0
        self._count = 0  # of the ops met so far
        self._current: int | None = None
        self._doubtful: dict[int, Any] = {}  # by identity: PyMIL's values compare otherwise

    def read(self) -> Any:
        """The PyMIL function."""
        inputs: dict[str, Any] = {}
        scope: _Scope = ChainMap({})
        for value in self._function.inputs:
            with self._attempt(f"input {quoted(value.name)}", Part("parameter", value.name)):
                inputs[value.name] = placeholder(value)
                scope[value.name] = inputs[value.name].outputs[0]
            if value.name not in inputs:
                self._stand_in(value, scope)
        with unique_names(self._taken_names()), Function(inputs, available_target(self._opset)) as function:
            self._read_block(self._block, scope)
        return function

    def _lookup(self, name: str, scope: _Scope) -> Any:
        if name not in scope:
            raise undefined(name, scope, self._block, self._current, self._count)
        return scope[name]

    def _bound(self, operation: Any, parameter: str, scope: _Scope) -> Any:
        """The value of an input that is one name."""
        if parameter not in operation.inputs or len(operation.inputs[parameter].arguments) != 1:
            raise ProgramError(f"its required input {parameter!r} is missing")
        return self._lookup(operation.inputs[parameter].arguments[0].name, scope)

    @contextmanager
    def _attempt(self, where: str, part: Part) -> Iterator[None]:
        """Reports a fault that is raised inside."""
        try:
            with located(where):
                yield
        except MiloptError as error:
            self._tell(error, where, part)

    def _tell(self, error: MiloptError, where: str, part: Part) -> None:
        """Reports a fault, which may raise."""
        error.where = error.where or where
        self._faults += 1
        self._report(Fault(error, self._name, self._current, part, where))

    def _taken_names(self) -> Iterator[str]:
        for operation in walk_operations(self._block):
            yield operation_name(operation)
            yield from (output.name for output in operation.outputs)

    def _read_block(self, block: Any, scope: _Scope, place: str = "") -> None:
        if block.attributes:
            raise ProgramError(
                f"a block has the attribute {next(iter(block.attributes))!r}", hint="PyMIL has no place for it"
            )
        owner = self._current
        for operation in block.operations:
            self._current, self._count = self._count, self._count + 1
            self._read_operation(operation, scope)
        self._current = owner
        outputs: list[Any] = []
        for name in block.outputs:
            with self._attempt("the block's outputs", Part("result", place + name)):
                outputs.append(self._lookup(name, scope))
                if types.is_state(outputs[-1].sym_type):
                    raise ProgramError(
                        f"{quoted(name)} is a state, which no block gives", hint="give what read_state gives"
                    )
        with located("the block's outputs"):
            curr_block().set_outputs(outputs)

    def _read_operation(self, operation: Any, scope: _Scope) -> None:
        name, result = operation_name(operation), None
        with self._attempt(f"op {quoted(name)}", Part("op")):
            if operation.type == "write_state":
                self._build_write_state(operation, name, scope)
                return
            if operation.type == "read_state":
                result = _merged_with_write(self._bound(operation, "input", scope), name)
            if result is None:
                result = self._build(operation, name, scope)
            if result is not None and len(operation.outputs) != len(result.outputs):
                count = len(result.outputs)
                message = f"{operation.type} has {count} output{'s'[: count != 1]}, not {len(operation.outputs)}"
                raise ProgramError(message, hint="declare each of them, with its type")
        for index, declared in enumerate(operation.outputs):
            if result is None or index >= len(result.outputs):
                self._stand_in(declared, scope, trusted=not is_constant(operation.type))
            else:
                self._define(declared, result.outputs[index], name, scope)

    def _define(self, declared: Any, var: Any, name: str, scope: _Scope) -> None:
        fits = False
        with self._attempt(f"op {quoted(name)}", Part("output", declared.name)):
            fault = type_fault(declared, var)
            if fault is not None and not self._takes_doubtful(var.op):
                raise fault
            fits = fault is None
        if not fits:
            self._doubtful[id(var)] = var
        var.name = declared.name
        scope[declared.name] = var

    def _takes_doubtful(self, operation: Any) -> bool:
        return any(id(var) in self._doubtful for _, var in input_values(operation))

    def _stand_in(self, declared: Any, scope: _Scope, *, trusted: bool = False) -> None:
        """Defines what could not be read; the types of activations are believed where that is worth a try."""
        with suppress(MiloptError), located(declared.name):
            scope[declared.name] = var = declared_value(declared)
            if not trusted or not types.is_tensor(var.sym_type) or not types.is_float(var.dtype):
                self._doubtful[id(var)] = var

    def _build(self, operation: Any, name: str, scope: _Scope) -> Any:
        """The op; None if it, or what it needs, has faults."""
        faults = self._faults
        cls = None
        with self._attempt(f"op {quoted(name)}", Part("op")):
            cls = op_class(operation.type, self._opset)
        inputs = self._inputs(operation, cls, scope, name) if cls else {}
        extra = {key: value for key, value in sorted(operation.attributes.items()) if key != "name"}
        if is_constant(operation.type):
            inputs |= self._decoded(operation, extra, name)
            extra = {}
        for part, error in attribute_faults(cls, extra) if cls else ():
            self._tell(error, f"op {quoted(name)}", part)
        blocks = [self._read_nested(block, scope, name, number) for number, block in enumerate(operation.blocks)]
        for part, error in block_faults(operation.type, blocks, inputs) if self._faults == faults else ():
            self._tell(error, f"op {quoted(name)}", part)
        if self._faults > faults:
            return None
        result = self._new_operation(cls, name, inputs | control_flow_inputs(operation.type, blocks))
        for block in blocks:
            block.outer_op = result
        if extra and result is not None:
            setattr(result, EXTRA_ATTRIBUTES, extra)
        return result

    def _new_operation(
        self, cls: Any, name: str, inputs: dict[str, Any], spelled: Mapping[str, str] = MappingProxyType({})
    ) -> Any:
        doubtful = any(id(var) in self._doubtful for value in inputs.values() for var in _as_values(value))
        faults = [] if doubtful else list(input_faults(cls, inputs, spelled))
        for part, error in faults:
            self._tell(error, f"op {quoted(name)}", part)
        if faults:
            return None
        try:
            return new_operation(cls, name=name, inputs=inputs)
        except ProgramError:
            if not doubtful:
                raise
            return None

    def _decoded(self, operation: Any, values: Mapping[str, Any], name: str) -> dict[str, Value]:
        """The values that stand in an op's attributes."""
        found = {}
        for key, value in values.items():
            with self._attempt(f"op {quoted(name)}", Part("attribute", key)):
                found[key] = self._decode(operation, key, value)
        return found

    def _decode(self, operation: Any, parameter: str, value: Any) -> Value:
        """The value that stands in an op itself."""
        mask = mask_stand_in(operation, parameter, value, self._weights)
        found = decode_value(value, self._weights)
        return found if mask is None else mask.view(found.dtype)

    def _inputs(self, operation: Any, cls: Any, scope: _Scope, name: str) -> dict[str, Any]:
        known, inputs = cls.input_spec.input_types, {}
        for parameter, argument in sorted(operation.inputs.items()):  # a protobuf map has no order of its own
            if parameter not in known:
                error = unknown_input(operation.type, parameter, known, self._opset)
                self._tell(error, f"op {quoted(name)}", Part("input name", parameter))
                continue
            faults = self._faults
            values = [
                value
                for binding in argument.arguments
                for value in self._bound_values(operation, name, parameter, binding, scope)
            ]
            single = len(values) == 1 and type(known[parameter]).__name__ != "TupleInputType"
            if self._faults == faults:
                inputs[parameter] = values[0] if single else values
        return inputs

    def _bound_values(self, operation: Any, name: str, parameter: str, binding: Any, scope: _Scope) -> Iterator[Value]:
        """A value by its name; what stands in the op itself becomes a constant, which is how PyMIL has it."""
        if binding.WhichOneof("binding") == "name":
            with self._attempt(f"op {quoted(name)}", Part("operand", f"{parameter} {binding.name}")):
                yield self._lookup(binding.name, scope)
        else:
            with self._attempt(f"op {quoted(name)}", Part("input", parameter)):
                yield new_constant(self._decode(operation, parameter, binding.value), f"{name}_{parameter}")

    def _read_nested(self, block: Any, scope: _Scope, owner: str, number: int) -> Any:
        inputs = [declared_value(value) for value in block.inputs]
        # The op that owns the block needs the block to exist; until then something must lead outwards.
        outer = SimpleNamespace(enclosing_block=curr_block(), name=owner)
        with Block(block_inputs=inputs, outer_op=outer) as nested:
            self._read_block(block, scope.new_child({var.name: var for var in inputs}), f"{number} ")
        return nested

    def _build_write_state(self, operation: Any, name: str, scope: _Scope) -> None:
        """`write_state`, which PyMIL calls `coreml_update_state`, has no output in the protobuf."""
        faults, inputs = self._faults, {}
        if operation.outputs:
            hint = "read_state gives what the state holds then"
            raise ProgramError("write_state gives nothing", hint=hint)
        cls = op_class("coreml_update_state", self._opset, spelled="write_state")
        for parameter, spelled in _WRITE_STATE.items():
            with self._attempt(f"op {quoted(name)}", Part("input", spelled)):
                inputs[parameter] = self._bound(operation, spelled, scope)
        if self._faults == faults:
            self._new_operation(cls, name.removesuffix(WRITE_STATE_SUFFIX), inputs, _WRITE_STATE)


def _as_values(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list | tuple) else (value,)


def _merged_with_write(state: Any, name: str) -> Any:
    """PyMIL's single op for a write and the read right after it, if that is what there is."""
    operations = curr_block().operations
    last = operations[-1] if len(operations) else None
    if (
        last is None
        or last.outputs is None
        or last.op_type != "coreml_update_state"
        or last.state is not state
        or last.outputs[0].child_ops
    ):
        return None
    last.name = name
    return last


def control_flow_inputs(op_type: str, blocks: list[Any]) -> dict[str, Any]:
    """The inputs by which PyMIL's control flow takes blocks that exist already."""
    names = {"while_loop": ("_cond", "_body"), "cond": ("_true_fn", "_false_fn")}.get(op_type)
    if names is None:
        return {}
    return {"_existing_blocks": blocks} | dict.fromkeys(names, _takes_nothing_gives_none)


def _takes_nothing_gives_none(*_: Any) -> None:
    return None
