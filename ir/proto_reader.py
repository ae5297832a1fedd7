"""From the protobuf of an ML program to PyMIL.

coremltools has a reader of its own (`converters/mil/frontend/milproto/load.py`). This one differs where a user
feels it: weights stay views of the mapped file, names are the same in every run, errors name the op, attributes
that PyMIL has no place for are kept, and control flow leaves no stray constants behind.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from .errors import ProgramError, located
from .proto_values import decode_value
from .pymil import (
    Block,
    Function,
    ListVar,
    Placeholder,
    Program,
    StateTensorPlaceholder,
    Value,
    Var,
    available_target,
    curr_block,
    new_constant,
    new_operation,
    op_class,
    types,
    unique_names,
    value_type_from_proto,
)
from .targets import Opset, opset_of_mil_name
from .weight_store import WeightStore

# An op's attributes other than its name; PyMIL has no place for them, so that they ride on the op.
EXTRA_ATTRIBUTES = "_milopt_attributes"
WRITE_STATE_SUFFIX = "_write_state"

_Scope = ChainMap[str, Any]


def read_program(program: Any, weights: WeightStore, *, function_order: Iterable[str] = ()) -> Any:
    """Builds the PyMIL program of a protobuf `MIL.Program`.

    Args:
        program: the protobuf message; it is not changed.
        weights: where its blobs lie.
        function_order: names in the order that the model's description gives; the protobuf keeps none.

    Raises:
        ProgramError: an op, type or construct that PyMIL does not have.
        PackageError: a weight that is missing or does not fit.
    """
    if not program.functions:
        raise ProgramError("the program has no functions", where="the program")
    result = Program()
    for name in _ordered(program.functions, function_order):
        with located(f"function {name!r}"):
            result.add_function(name, _FunctionReader(program.functions[name], weights).read())
    if "main" not in result.functions:
        result.default_function_name = next(iter(result.functions))
    return result


def _ordered(functions: Mapping[str, Any], first: Iterable[str]) -> list[str]:
    known = [name for name in first if name in functions]
    return known + sorted(set(functions) - set(known))


def operation_name(operation: Any) -> str:
    """The name of a protobuf operation: its attribute, else its first output's, else its type."""
    if "name" in operation.attributes:
        names = operation.attributes["name"].immediateValue.tensor.strings.values
        if names:
            return str(names[0])
    return str(operation.outputs[0].name if operation.outputs else operation.type)


def selected_block(function: Any) -> tuple[Opset, Any]:
    """The opset of a protobuf function and the block for it.

    Raises:
        ProgramError: it has no block for its opset, or further blocks for others.
        TargetError: the opset is unknown.
    """
    opset = opset_of_mil_name(function.opset)
    if set(function.block_specializations) != {function.opset}:
        found = ", ".join(sorted(function.block_specializations)) or "none"
        raise ProgramError(
            f"the function has the opset {function.opset} and blocks for {found}",
            hint="milopt reads functions with exactly one block, that of their opset",
        )
    return opset, function.block_specializations[function.opset]


def walk_operations(block: Any) -> Iterator[Any]:
    """Every operation of a protobuf block, nested ones after their owner."""
    for operation in block.operations:
        yield operation
        for nested in operation.blocks:
            yield from walk_operations(nested)


class _FunctionReader:
    def __init__(self, function: Any, weights: WeightStore) -> None:
        self._function, self._weights = function, weights
        self._opset, self._block = selected_block(function)

    def read(self) -> Any:
        """The PyMIL function."""
        inputs = {value.name: _placeholder(value) for value in self._function.inputs}
        scope: _Scope = ChainMap({name: holder.outputs[0] for name, holder in inputs.items()})
        with unique_names(self._taken_names()), Function(inputs, available_target(self._opset)) as function:
            self._read_block(self._block, scope)
        return function

    def _taken_names(self) -> Iterator[str]:
        for operation in walk_operations(self._block):
            yield operation_name(operation)
            yield from (output.name for output in operation.outputs)

    def _read_block(self, block: Any, scope: _Scope) -> None:
        if block.attributes:
            raise ProgramError(
                f"a block has the attribute {next(iter(block.attributes))!r}", hint="PyMIL has no place for it"
            )
        for operation in block.operations:
            with located(f"op {operation_name(operation)!r}"):
                self._read_operation(operation, scope)
        with located("the block's outputs"):
            curr_block().set_outputs([_lookup(name, scope) for name in block.outputs])

    def _read_operation(self, operation: Any, scope: _Scope) -> None:
        name = operation_name(operation)
        if operation.type == "write_state":
            self._read_write_state(operation, name, scope)
        elif operation.type != "read_state" or not _merge_read_state(operation, name, scope):
            self._read_generic(operation, name, scope)

    def _read_generic(self, operation: Any, name: str, scope: _Scope) -> None:
        cls = op_class(operation.type, self._opset)
        inputs = self._inputs(operation, cls, scope, name)
        extra = {key: value for key, value in sorted(operation.attributes.items()) if key != "name"}
        if operation.type == "const" or operation.type.startswith("constexpr_"):
            inputs |= {key: decode_value(value, self._weights) for key, value in extra.items()}
            extra = {}
        blocks = [self._read_nested(block, scope, name) for block in operation.blocks]
        result = new_operation(cls, name=name, inputs=inputs | control_flow_inputs(operation.type, blocks))
        for block in blocks:
            block.outer_op = result
        if extra:
            setattr(result, EXTRA_ATTRIBUTES, extra)
        _name_outputs(operation, result, scope)

    def _inputs(self, operation: Any, cls: Any, scope: _Scope, name: str) -> dict[str, Any]:
        known, inputs = cls.input_spec.input_types, {}
        for parameter, argument in sorted(operation.inputs.items()):  # a protobuf map has no order of its own
            if parameter not in known:
                raise ProgramError(f"{operation.type} has no input {parameter!r} in the opset {self._opset}")
            values = [self._binding(binding, scope, f"{name}_{parameter}") for binding in argument.arguments]
            single = len(values) == 1 and type(known[parameter]).__name__ != "TupleInputType"
            inputs[parameter] = values[0] if single else values
        return inputs

    def _binding(self, binding: Any, scope: _Scope, stem: str) -> Value:
        """A value by its name; what stands in the op itself becomes a constant, which is how PyMIL has it."""
        if binding.WhichOneof("binding") == "name":
            return _lookup(binding.name, scope)
        return new_constant(decode_value(binding.value, self._weights), stem)

    def _read_nested(self, block: Any, scope: _Scope, owner: str) -> Any:
        inputs = [_block_input(value) for value in block.inputs]
        # The op that owns the block needs the block to exist; until then something must lead outwards.
        outer = SimpleNamespace(enclosing_block=curr_block(), name=owner)
        with Block(block_inputs=inputs, outer_op=outer) as nested:
            self._read_block(block, scope.new_child({var.name: var for var in inputs}))
        return nested

    def _read_write_state(self, operation: Any, name: str, scope: _Scope) -> None:
        """`write_state`, which PyMIL calls `coreml_update_state`, has no output in the protobuf."""
        cls = op_class("coreml_update_state", self._opset)
        inputs = {"state": _bound(operation, "input", scope), "value": _bound(operation, "data", scope)}
        new_operation(cls, name=name.removesuffix(WRITE_STATE_SUFFIX), inputs=inputs)


def _lookup(name: str, scope: _Scope) -> Any:
    if name not in scope:
        raise ProgramError(f"{name!r} is used before it is defined")
    return scope[name]


def _bound(operation: Any, parameter: str, scope: _Scope) -> Any:
    """The value of an input that is one name."""
    if parameter not in operation.inputs or len(operation.inputs[parameter].arguments) != 1:
        raise ProgramError(f"the input {parameter!r} of {operation.type} is missing")
    return _lookup(operation.inputs[parameter].arguments[0].name, scope)


def _merge_read_state(operation: Any, name: str, scope: _Scope) -> bool:
    """A read right after a write is the output of PyMIL's single op for both."""
    state = _bound(operation, "input", scope)
    operations = curr_block().operations
    last = operations[-1] if len(operations) else None
    if last is None or last.op_type != "coreml_update_state" or last.state is not state or last.outputs[0].child_ops:
        return False
    _name_outputs(operation, last, scope)
    last.name = name
    return True


def _name_outputs(operation: Any, result: Any, scope: _Scope) -> None:
    if len(operation.outputs) != len(result.outputs):
        raise ProgramError(f"{operation.type} has {len(result.outputs)} outputs, not {len(operation.outputs)}")
    for declared, var in zip(operation.outputs, result.outputs, strict=True):
        _check_type(declared, var)
        var.name = declared.name
        scope[declared.name] = var


def _placeholder(value: Any) -> Any:
    with located(f"input {value.name!r}"):
        kind = value_type_from_proto(value.type)
        if types.is_state(kind):
            tensor = kind.wrapped_type()
            return StateTensorPlaceholder(tensor.get_shape(), tensor.get_primitive(), value.name)
        if types.is_tensor(kind):
            return Placeholder(kind.get_shape(), kind.get_primitive(), value.name)
        if types.is_scalar(kind):
            return Placeholder((), kind, value.name, allow_rank0_input=True)
        raise ProgramError("functions take tensors and states only")


def _block_input(value: Any) -> Any:
    kind = value_type_from_proto(value.type)
    if types.is_list(kind):
        return ListVar(value.name, elem_type=kind.T[0], init_length=kind.T[1], dynamic_length=kind.T[2])
    return Var(value.name, kind, None, op=None, op_output_idx=None)


def control_flow_inputs(op_type: str, blocks: list[Any]) -> dict[str, Any]:
    """The inputs by which PyMIL's control flow takes blocks that exist already."""
    names = {"while_loop": ("_cond", "_body"), "cond": ("_true_fn", "_false_fn")}.get(op_type)
    if names is None:
        return {}
    return {"_existing_blocks": blocks} | dict.fromkeys(names, _takes_nothing_gives_none)


def _takes_nothing_gives_none(*_: Any) -> None:
    return None


def _check_type(declared: Any, var: Any) -> None:
    expected = value_type_from_proto(declared.type)
    if types.is_compatible_type(var.sym_type, expected):
        return
    if types.is_tensor(var.sym_type) and types.is_scalar(expected) and var.dtype == expected:
        return  # PyMIL sometimes says tensor of rank 0 where the protobuf says scalar
    raise ProgramError(
        f"output {declared.name!r} is declared as {expected.__type_info__()} but inferred as "
        f"{var.sym_type.__type_info__()}"
    )
