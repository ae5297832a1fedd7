"""What a model's description can be told from its program: names, types, shapes, functions, a classifier's outputs.

A program does not tell, and `describe` leaves out: metadata and short descriptions; which arrays are images, and their
colors; which inputs are optional, and their defaults; ranges of outputs; and, without the attribute
`FlexibleShapeInformation`, what an unknown dimension may be: it becomes a range from 1 without an upper end.
Protobuf programs keep no order of functions.

Importing this module imports coremltools.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..dtypes import dtype_of_proto
from ..errors import MiloptError, ProgramError, located
from ..proto.walking import selected_block
from ..pymil import proto
from ..targets import IOS18, opset_of_mil_name
from .features import UNBOUNDED, Flexibility, empty_description, fill_array, interface_parts
from .flexible_shapes import FlexibleShapes, flexible_shapes
from .io_types import ARRAY_TYPES, DICTIONARY_KEYS, ArrayType, array_type
from .shapes import tensor_sizes

MAIN = "main"
# What single values that are no arrays are called in a description.
_SINGLES = {"string": "stringType", "int64": "int64Type"}


def specification_of(
    program: Any, description: Any = None, *, version: int | None = None, function_order: Iterable[str] = ()
) -> Any:
    """The protobuf `Model` around a protobuf `MIL.Program`.

    Args:
        program: copied into it.
        description: its `ModelDescription`; without one, what `describe` finds. A classifier's outputs that it does not
            name are named.
        version: the specification version that is known from elsewhere; a newer one that the program needs wins.
        function_order: for `describe`.

    Raises:
        ProgramError: the description is of another program, or the program can not be described.
        TargetError: an opset is unknown.
    """
    result = proto.Model_pb2.Model()
    if description is None:
        description = describe(program, function_order=function_order)
    result.description.CopyFrom(description)
    for name, part in _described_functions(program, result.description):
        with located(f"function {name!r}"):
            _name_prediction(part, selected_block(program.functions[name])[1])
    result.specificationVersion = _needed_version(program, result.description, version)
    result.mlProgram.CopyFrom(program)
    return result


def tells_everything(specification: Any) -> bool:
    """Whether a program alone tells all that its model's description says of inputs, outputs and states.

    Images, bounds of flexible shapes and optional inputs are in no program; metadata does not count.
    """
    try:
        order = [function.name for function in specification.description.functions]
        told = interface_parts(describe(specification.mlProgram, function_order=order))
    except MiloptError:
        return False
    said = interface_parts(specification.description)
    return told.keys() == said.keys() and all(_interface(told[name]) == _interface(said[name]) for name in told)


def _interface(part: Any) -> list[tuple[str, bytes]]:
    features = (*part.input, *part.output, *part.state)
    return [(feature.name, feature.type.SerializeToString(deterministic=True)) for feature in features]


def bare_specification(program: Any, version: int | None = None) -> Any:
    """The protobuf `Model` around a program that no description fits; it says nothing but the version."""
    result = proto.Model_pb2.Model(description=empty_description())
    result.specificationVersion = _needed_version(program, result.description, version)
    result.mlProgram.CopyFrom(program)
    return result


def _needed_version(program: Any, description: Any, version: int | None) -> int:
    opsets = [opset_of_mil_name(function.opset) for function in program.functions.values()]
    opsets += [IOS18] if description.functions else []
    return max([version or 0, *(opset.specification_version for opset in opsets)])


def describe(program: Any, *, function_order: Iterable[str] = ()) -> Any:
    """The `ModelDescription` of a protobuf `MIL.Program`, as far as a program tells it.

    A program whose only function is `main` is described without functions. Of several, the default one is `main`, or
    else the first.

    Args:
        program: it is not changed.
        function_order: names of functions in order; those that it leaves out follow, sorted.

    Raises:
        ProgramError: an input or output has a type that no model can have.
        TargetError: an opset is unknown.
    """
    if not program.functions:
        raise ProgramError("the program has no functions", where="the program")
    result = empty_description()
    names = [name for name in function_order if name in program.functions]
    names += sorted(set(program.functions) - set(names))
    for name in names:
        part = result if names == [MAIN] else result.functions.add(name=name)
        with located(f"function {name!r}"):
            _describe_function(part, name, program.functions[name])
    if names != [MAIN]:
        result.defaultFunctionName = MAIN if MAIN in names else names[0]
    return result


def arrange_inputs(program: Any, description: Any) -> None:
    """Puts the inputs of a protobuf program's functions in the order that its description gives, states last.

    Apple's printer sorts them by name.

    Raises:
        ProgramError: the description has other functions, inputs or outputs than the program.
    """
    for name, part in _described_functions(program, description):
        function = program.functions[name]
        with located(f"function {name!r}"):
            order = [feature.name for feature in (*part.input, *part.state)]
            _require_same("inputs and states", [value.name for value in function.inputs], order)
            _, block = selected_block(function)
            _require_same("outputs", list(block.outputs), [feature.name for feature in part.output])
            function.inputs.sort(key=lambda value, order=order: order.index(value.name))


def _described_functions(program: Any, description: Any) -> Iterator[tuple[str, Any]]:
    """The functions of a program, each with the part of the description that is about it."""
    parts = interface_parts(description)
    if "" in parts and len(program.functions) == 1:
        parts = dict.fromkeys(program.functions, parts[""])
    _require_same("functions", list(program.functions), list(parts))
    yield from parts.items()


def _require_same(what: str, found: list[str], described: list[str]) -> None:
    if sorted(found) != sorted(described):
        raise ProgramError(
            f"the program has the {what} {', '.join(found) or 'none'}; "
            f"the description lists {', '.join(described) or 'none'}",
            hint="the two belong to different models; a .mil file opened alone is described from its program",
        )


def _describe_function(part: Any, name: str, function: Any) -> None:
    _, block = selected_block(function)
    flexible = flexible_shapes(function)
    for value in function.inputs:
        with located(f"function {name!r}, input {value.name!r}"):
            _describe_input(part, value, flexible)
    types = {value.name: value.type for value in _values(function, block)}
    for output in block.outputs:
        with located(f"function {name!r}, output {output!r}"):
            if output not in types:
                raise ProgramError("no op defines it")
            _describe_output(part.output.add(name=output).type, types[output])
    _name_prediction(part, block)


def _values(function: Any, block: Any) -> Iterator[Any]:
    yield from function.inputs
    yield from block.inputs
    for operation in block.operations:
        yield from operation.outputs


def _describe_input(part: Any, value: Any, flexible: FlexibleShapes) -> None:
    if value.type.WhichOneof("type") == "stateType":
        feature = part.state.add(name=value.name)
        array, tensor = feature.type.stateType.arrayType, value.type.stateType.wrappedType.tensorType
    else:
        feature = part.input.add(name=value.name)
        array, tensor = feature.type.multiArrayType, value.type.tensorType
    sizes = tensor_sizes(tensor)
    if sizes is None:
        raise ProgramError("its number of dimensions is unknown")
    shape = flexible.default_shape(value.name, len(sizes)) or tuple(1 if size is None else size for size in sizes)
    # A model has no arrays without an axis: they have one element.
    fill_array(array, _array_type(tensor), shape or (1,), _flexibility(value.name, sizes, flexible))


def _flexibility(name: str, sizes: Sequence[int | None], flexible: FlexibleShapes) -> Flexibility:
    told = flexible.flexibility(name, len(sizes))
    if told is not None or None not in sizes:
        return told or Flexibility()
    return Flexibility(tuple((1, UNBOUNDED) if size is None else (size, size) for size in sizes))


def _describe_output(feature: Any, declared: Any) -> None:
    if declared.WhichOneof("type") == "dictionaryType":
        name = dtype_of_proto(declared.dictionaryType.keyType.tensorType.dataType).name
        if name not in DICTIONARY_KEYS:
            hint = f"they are {' or '.join(DICTIONARY_KEYS)}"
            raise ProgramError(f"it is a dictionary with keys of type {name}", hint=hint)
        getattr(feature.dictionaryType, DICTIONARY_KEYS[name]).SetInParent()
        return
    tensor = declared.tensorType
    single = _SINGLES.get(dtype_of_proto(tensor.dataType).name)
    if single and not tensor.dimensions:
        getattr(feature, single).SetInParent()
        return
    sizes = tensor_sizes(tensor) or ()
    known = [size for size in sizes if size is not None]
    fill_array(feature.multiArrayType, _array_type(tensor), known if len(known) == len(sizes) else ())


def _array_type(tensor: Any) -> ArrayType:
    name = dtype_of_proto(tensor.dataType).name
    found = array_type(name)
    if found is None:
        taken = ", ".join(each.dtype for each in ARRAY_TYPES)
        raise ProgramError(
            f"it is of type {name}, of which a model takes and gives no arrays", hint=f"cast it to one of {taken}"
        )
    return found


def _name_prediction(part: Any, block: Any) -> None:
    """Names the outputs of a `classify` op, which make a model a classifier, unless they are named."""
    for operation in block.operations:
        names = [output.name for output in operation.outputs]
        if operation.type == "classify" and set(names) <= set(block.outputs) and not part.predictedFeatureName:
            part.predictedFeatureName, part.predictedProbabilitiesName = names
