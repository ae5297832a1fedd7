"""The one door from `ir` to coremltools' private modules: PyMIL's classes, its op registry, its builder.

A new coremltools version has this module to break, and `proto/writer.py` for the exporter that it subclasses.
Importing this module imports coremltools, which takes a second: the rest of `ir` imports it where it is needed.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from math import prod
from threading import RLock
from typing import Any, TypeAlias

# isort: off
from . import quiet  # noqa: F401 - before everything of coremltools
# isort: on

from coremltools import proto
from coremltools.converters.mil._deployment_compatibility import AvailableTarget
from coremltools.converters.mil.mil import (
    Block,
    Function,
    ListVar,
    Operation,
    Placeholder,
    Program,
    Var,
    mil_list,
    types,
)
from coremltools.converters.mil.mil import Builder as mb  # noqa: N813 - the name the field knows it by
from coremltools.converters.mil.mil import block as _block_module
from coremltools.converters.mil.mil.block import curr_block
from coremltools.converters.mil.mil.input_type import TupleInputType
from coremltools.converters.mil.mil.ops.helper import _get_version_of_op
from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry
from coremltools.converters.mil.mil.passes.graph_pass import AbstractGraphPass
from coremltools.converters.mil.mil.program import StateTensorPlaceholder, get_new_symbol, get_new_variadic_symbol
from coremltools.converters.mil.mil.scope import ScopeInfo, ScopeSource
from coremltools.converters.mil.mil.types.symbolic import is_symbolic
from coremltools.converters.mil.mil.var import InternalVar

from .as_built import remember_as_built
from .dtypes import DType, dtype_named, dtype_of_proto
from .errors import ProgramError, did_you_mean, quoted
from .targets import IOS18, OPSETS, Opset, opset_of_specification

__all__ = [
    "AbstractGraphPass",
    "Block",
    "Function",
    "InternalVar",
    "ListVar",
    "Operation",
    "Placeholder",
    "Program",
    "StateTensorPlaceholder",
    "Value",
    "Var",
    "available_target",
    "building",
    "builtin_type",
    "curr_block",
    "dtype_of",
    "given_values",
    "graph_pass_scope",
    "inside",
    "is_symbolic",
    "mb",
    "mil_list",
    "new_constant",
    "new_operation",
    "op_class",
    "opset_of",
    "opset_with_input",
    "proto",
    "takes_several",
    "types",
    "unique_names",
    "value_type_from_proto",
]

# There is one for all opsets.
_CONSTANT = SSAOpRegistry.core_ops["const"][AvailableTarget.iOS15]

Value: TypeAlias = Any  # a numpy array or scalar, a string, a bool, a mil_list or a dictionary


def available_target(opset: Opset) -> Any:
    """Coremltools' own enumeration value for an opset."""
    return AvailableTarget(opset.specification_version)


def opset_of(function: Any) -> Opset:
    """The opset of a function, or of a program's functions, which all have the same.

    Raises:
        TargetError: the version is older than ML programs (it is then one of a neural network).
        ProgramError: the program has no functions.
    """
    if isinstance(function, Program):
        if not function.functions:
            raise ProgramError("the program has no functions")
        function = next(iter(function.functions.values()))
    return opset_of_specification(int(function.opset_version))


def op_class(op_type: str, opset: Opset, where: object = None, *, spelled: str | None = None) -> Any:
    """The op's class in an opset.

    Args:
        op_type: PyMIL's name of it.
        opset: decides on the version.
        where: for errors.
        spelled: what errors call the op.

    Raises:
        ProgramError: no opset has this op, or only later ones do.
    """
    if op_type in SSAOpRegistry.dialect_ops:
        return SSAOpRegistry.dialect_ops[op_type]
    variants = SSAOpRegistry.core_ops.get(op_type)
    if not variants:
        raise ProgramError(
            f"unknown op {quoted(op_type)}", where=where, hint=did_you_mean(op_type, SSAOpRegistry.core_ops)
        )
    newest = min(opset.specification_version, max(variants))
    if AvailableTarget(newest) not in variants:
        first = min(variants).name
        raise ProgramError(
            f"op {spelled or op_type!r} is not in the opset {opset}", where=where, hint=f"it came with {first}"
        )
    return _version_of_op(op_type, available_target(min(opset, IOS18)))


def opset_with_input(op_type: str, parameter: str) -> Opset | None:
    """The first opset in which an op has an input; None if it has it in none."""
    for opset in OPSETS:
        with suppress(ProgramError):
            if parameter in op_class(op_type, opset).input_spec.input_types:
                return opset
    return None


@functools.cache
def _version_of_op(op_type: str, target: Any) -> Any:
    return _get_version_of_op(SSAOpRegistry.core_ops[op_type], target)


@functools.cache
def takes_several(cls: Any) -> bool:
    """Whether ops of a class have an input that is several values, as `concat` has."""
    return any(isinstance(kind, TupleInputType) for kind in cls.input_spec.input_types.values())


def dtype_of(var: Any) -> DType:
    """The element type of a value (of a list's elements, of a state's tensor)."""
    builtin = var.elem_type if isinstance(var, ListVar) else var.dtype
    if types.is_tensor(builtin):
        builtin = builtin.get_primitive()
    return dtype_of_proto(types.BUILTIN_TO_PROTO_TYPES[builtin])


def builtin_type(dtype: DType | str) -> Any:
    """PyMIL's class for an element type."""
    name = dtype if isinstance(dtype, str) else dtype.name
    return types.PROTO_TO_BUILTIN_TYPE[dtype_named(name).proto]


def value_type_from_proto(value_type: Any) -> Any:
    """The PyMIL type of a protobuf `ValueType`; each unknown dimension becomes a new symbol.

    Raises:
        ProgramError: a kind of type that PyMIL does not have.
    """
    kind = value_type.WhichOneof("type")
    if kind == "tensorType":
        tensor = value_type.tensorType
        if tensor.rank != len(tensor.dimensions):
            raise ProgramError(f"a tensor type says rank {tensor.rank} and lists {len(tensor.dimensions)} dimensions")
        element = builtin_type(dtype_of_proto(tensor.dataType))
        shape = [_dimension(dimension) for dimension in tensor.dimensions]
        return types.tensor(element, shape) if shape else element
    if kind == "listType":
        length = value_type.listType.length
        known = length.constant.size if length.WhichOneof("dimension") == "constant" else None
        # The protobuf does not say whether a list may grow; coremltools assumes that it may.
        return types.list(value_type_from_proto(value_type.listType.type), known, dynamic_length=True)
    if kind == "dictionaryType":
        pair = value_type.dictionaryType
        return types.dict(value_type_from_proto(pair.keyType), value_type_from_proto(pair.valueType))
    if kind == "stateType":
        return types.state(value_type_from_proto(value_type.stateType.wrappedType))
    raise ProgramError(f"values of type {kind!r} are not supported")


def _dimension(dimension: Any) -> Any:
    if dimension.WhichOneof("dimension") == "constant":
        return dimension.constant.size
    return get_new_variadic_symbol() if dimension.unknown.variadic else get_new_symbol()


# Elements of a value that PyMIL may compute from others in passing; more only if a value that it takes is as large.
_LARGEST_COMPUTED = 1 << 24


_compute_values = Operation._auto_val  # noqa: SLF001 - this is the adapter


def _compute_small_values(operation: Any, output_types: tuple[Any, ...]) -> Any:
    largest = max(map(_elements, output_types), default=0)
    if largest > _LARGEST_COMPUTED and operation.op_type != "const":
        taken = (var for var in operation._input_vars.values() if isinstance(var, Var))  # noqa: SLF001
        if largest > max((_elements(var.sym_type) for var in taken), default=0):
            return tuple(None for _ in output_types)
    return _compute_values(operation, output_types)


@contextmanager
def _small_values_only() -> Iterator[None]:
    """While it lasts, PyMIL does not compute huge values from small ones: `fill` and `tile` can ask for any size."""
    Operation._auto_val = _compute_small_values  # noqa: SLF001
    try:
        yield
    finally:
        Operation._auto_val = _compute_values  # noqa: SLF001


def _elements(kind: Any) -> int:
    """The elements of a type's values; 0 where their number is unknown."""
    if not types.is_tensor(kind):
        return 0
    shape = kind.get_shape()
    return 0 if any(is_symbolic(size) for size in shape) else prod(int(size) for size in shape)


def new_operation(cls: Any, *, name: str, inputs: dict[str, Any], before: Any = None) -> Any:
    """Adds an op of an exact class to the current block; its type and value inference run.

    Args:
        cls: from `op_class`.
        name: the op's name; its outputs are named after it.
        inputs: values by parameter; what is no `Var` becomes a constant.
        before: the op to insert in front of; the end of the block without it.

    Returns:
        The operation.

    Raises:
        ProgramError: the op does not take these inputs.
    """
    try:
        with _small_values_only():
            # Sorted, as the protobuf's inputs are read: constants made of values come in the same order either way.
            outputs = mb._add_op(cls, name=name, before_op=before, **dict(sorted(inputs.items())))  # noqa: SLF001
    except MemoryError as error:
        raise ProgramError("its value takes more memory than there is", where=f"op {name!r}") from error
    except (
        ValueError,
        TypeError,
        AttributeError,
        KeyError,
        AssertionError,
        RuntimeError,
        IndexError,
    ) as error:
        reason = error.args[0] if error.args else repr(error)
        raise ProgramError(f"op of type {cls.__name__!r} is not valid: {reason}", where=f"op {name!r}") from error
    operation = (outputs[0] if isinstance(outputs, list | tuple) else outputs).op
    if not operation.blocks:
        remember_as_built(operation, given_values(operation))
    return operation


def new_constant(value: Value, stem: str) -> Any:
    """Adds a constant to the current block, under a free name that begins with `stem`; returns its value."""
    name = mb._get_free_name(stem)  # noqa: SLF001 - this is the adapter
    return new_operation(_CONSTANT, name=name, inputs={"val": value}).outputs[0]


class _FreeNames(defaultdict[str, int]):
    """PyMIL's name counters, skipping the names that a program already has."""

    def __init__(self, taken: Iterable[str], later: Container[str]) -> None:
        super().__init__(int)
        self._given, self._later = taken, later

    @functools.cached_property
    def _taken(self) -> set[str]:
        return set(self._given)  # when the first name is asked for: many passes make no op

    def __getitem__(self, stem: str) -> int:
        count = super().__getitem__(stem)
        while (name := f"{stem}_{count}") in self._taken or name in self._later:
            count += 1
        super().__setitem__(stem, count)
        return count


# PyMIL has one builder in a process: its current block, its counters of names. One thread builds at a time.
building = RLock()


@contextmanager
def unique_names(taken: Iterable[str], later: Container[str] = ()) -> Iterator[None]:
    """While it lasts, PyMIL's builder gives names that are not taken, the same ones in every run.

    Other threads that enter it, or `inside`, wait.

    Args:
        taken: the names that there are; they are walked when the first name is asked for.
        later: holds the names that come while it lasts.
    """
    with building:
        previous, mb.name_count = mb.name_count, _FreeNames(taken, later)
        try:
            yield
        finally:
            mb.name_count = previous


def given_values(operation: Any) -> list[Any]:
    """The values that an op takes, as `walking.input_values` gives them, at a fraction of the cost."""
    found: list[Any] = []
    for value in operation._input_vars.values():  # noqa: SLF001 - `inputs` makes a copy each time
        if isinstance(value, list | tuple):
            found += value
        elif value is not None and type(value) is not InternalVar:
            found.append(value)
    return found


@contextmanager
def inside(block: Any) -> Iterator[None]:
    """While it lasts, `block` is the current one, as with PyMIL's `with block`, but leaving costs nothing.

    PyMIL's own context walks the whole block when it is left, which makes many small edits quadratic.
    """
    with building:
        _block_module.BLOCK_STACK.append(block)
        try:
            yield
        finally:
            _block_module.BLOCK_STACK.pop()


@contextmanager
def graph_pass_scope(name: str) -> Iterator[None]:
    """While it lasts, new ops remember in their scopes that the pass `name` made them."""
    with mb.scope(ScopeInfo(source=ScopeSource.COREMLTOOLS_GRAPH_PASS, data=[name])):
        yield
