"""An ONNX graph in the making: typed values, ops that cast around what ONNX Runtime lacks, nested graphs."""

from __future__ import annotations

import itertools
from collections import ChainMap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import attrs
import numpy as np

from .constants import Constant
from .kernels import signature, type_for

INT64, INT32, BOOL = (np.dtype(name) for name in ("int64", "int32", "bool"))
HALF, FLOAT, DOUBLE = (np.dtype(name) for name in ("float16", "float32", "float64"))


@attrs.frozen(eq=False)
class Tensor:
    """A value in the graph.

    Attributes:
        name: its name in the graph; `Graph.rename` may give it another in the model that is written.
        dtype: its element type.
        constant: what it holds, where that is known.
        is_sequence: it is a sequence of any number of tensors of the type, of any shapes.
    """

    name: str
    dtype: np.dtype[Any]
    constant: Constant | None = None
    is_sequence: bool = False


# A list of integers stands for an int64 vector; a number for a scalar of the type that the op's other inputs have.
Operand: TypeAlias = "Tensor | np.ndarray | Sequence[int] | float | None"
# What a new value is: of an element type, or like another value.
Kind: TypeAlias = "np.dtype[Any] | Tensor"


@attrs.frozen(eq=False)
class Node:
    """One ONNX op; attributes may hold numbers, strings, lists of them, arrays and nested graphs."""

    op_type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    name: str


@attrs.define(eq=False)
class Body:
    """The ops of the graph itself, or of one nested in it (a branch, a loop's body).

    Attributes:
        inputs: what a loop hands to its body; empty for branches, which see the values around them.
        nodes: the ops in order.
        outputs: what it gives, made by its own ops.
        shapes: of inputs by name, where they are known; ONNX Runtime wants those of a loop's counter and condition.
    """

    inputs: list[Tensor] = attrs.Factory(list)
    nodes: list[Node] = attrs.Factory(list)
    outputs: list[Tensor] = attrs.Factory(list)
    shapes: dict[str, Sequence[int | None]] = attrs.Factory(dict)
    made: set[str] = attrs.Factory(set)


class Graph:
    """Builds an ONNX graph op by op.

    Attributes:
        main: the ops outside of any branch or loop, and the graph's inputs and outputs.
        constants: the constants by name; those that no op uses are not written.
        names: what `rename` was asked for.
        scope: what new values are named after; the MIL op that is being lowered.
    """

    def __init__(self) -> None:
        self.main = Body()
        self.constants: dict[str, Constant] = {}
        self.names: dict[str, str] = {}
        self.scope = "value"
        self._body = self.main
        self._casts: ChainMap[tuple[str, str], Tensor] = ChainMap()
        self._small: dict[tuple[str, tuple[int, ...], bytes], Tensor] = {}
        self._counter = itertools.count()
        self._taken: set[str] = set()
        self._claimed: set[str] = set()

    # --- values

    def input(self, name: str, dtype: Any) -> Tensor:
        """A new input of the whole graph."""
        tensor = Tensor(self._unique(name), np.dtype(dtype))
        self.names[tensor.name] = tensor.name  # it keeps its name
        self.main.inputs.append(tensor)
        self.main.made.add(tensor.name)
        return tensor

    def constant(self, value: Any, dtype: Any = None) -> Tensor:
        """A constant: a `Constant`, an array, a number or a list of numbers.

        Args:
            value: what it holds.
            dtype: the type to hold it in; that of the value without it, int64 for Python's integers.
        """
        held = value if isinstance(value, Constant) else Constant.of(value, dtype)
        held = held if dtype is None else held.as_type(dtype)
        key = None
        if not isinstance(value, Constant) and held.nbytes <= 64:
            key = held.dtype.name, held.shape, held.load().tobytes()
            if key in self._small:
                return self._small[key]
        tensor = Tensor(self._unique(f"{self.scope}_const"), held.dtype, held)
        self.constants[tensor.name] = held
        if key:
            self._small[key] = tensor
        return tensor

    def rename(self, tensor: Tensor, name: str) -> None:
        """Asks for a name in the written model; the first request for a value counts."""
        if tensor.name not in self.names and name not in self._taken:
            self._taken.add(name)
            self.names[tensor.name] = name

    def claim(self, tensor: Tensor, name: str) -> Tensor:
        """The value under a name that an output must have: itself, renamed, or a copy where it has to keep its name."""
        is_own = tensor.name in self.main.made and tensor not in self.main.inputs and tensor.name not in self._claimed
        if is_own and name not in self._taken:
            self._taken.add(name)
            self.names[tensor.name] = name
        elif not is_own or self.names.get(tensor.name, tensor.name) != name:
            tensor = self.op("Identity", tensor)
            self.rename(tensor, name)
        self._claimed.add(tensor.name)
        return tensor

    # --- ops

    def op(self, op_type: str, *inputs: Operand, dtype: Any = None, **attributes: Any) -> Tensor:
        """Adds an op of one output; see `ops`."""
        return self.ops(op_type, *inputs, outputs=1, dtype=dtype, **attributes)[0]

    def ops(
        self, op_type: str, *inputs: Operand, outputs: int, dtype: Any = None, **attributes: Any
    ) -> tuple[Tensor, ...]:
        """Adds an ONNX op, with casts around it where ONNX Runtime has no kernel for its types.

        Args:
            op_type: an op of ONNX's own domain.
            inputs: its inputs in order, None for one left out; see `Operand`.
            outputs: how many outputs are wanted, from the first.
            dtype: the type of outputs that the inputs do not decide (of `Cast`, `RandomNormalLike`).
            attributes: the op's attributes; those that are None are left out.

        Returns:
            The outputs, in the types that the op has for the inputs' own types.
        """
        sign = signature(op_type)
        tensors = self._tensors(op_type, inputs)
        wanted: dict[str, np.dtype[Any]] = {}
        for index, tensor in enumerate(tensors):
            if tensor is not None:
                wanted.setdefault(sign.input(index), tensor.dtype)
        run = {variable: type_for(op_type, variable, kind) for variable, kind in wanted.items()}
        cast = [
            None if tensor is None else self.cast(tensor, run[sign.input(index)])
            for index, tensor in enumerate(tensors)
        ]
        made = self._emit(op_type, cast, self._output_types(sign.outputs, outputs, run, dtype), attributes)
        results = []
        for index, tensor in enumerate(made):
            kind = sign.outputs[min(index, len(sign.outputs) - 1)]
            results.append(self.cast(tensor, wanted[kind]) if kind in wanted else tensor)
        return tuple(results)

    def cast(self, tensor: Tensor, dtype: Any, *, fits: bool = False) -> Tensor:
        """The same values in another type; the value itself where it has it, constants are converted here.

        Args:
            tensor: what to convert.
            dtype: the type to convert to.
            fits: every value is one of the other type too, so that casting back needs no op.
        """
        to = np.dtype(dtype)
        if tensor.dtype == to:
            return tensor
        if (tensor.name, to.name) in self._casts:
            return self._casts[tensor.name, to.name]
        if tensor.constant is not None and not (tensor.dtype.kind == "f" and to.kind in "iu"):
            result = self.constant(tensor.constant.as_type(to))
        else:
            (result,) = self._emit("Cast", [tensor], [to], {"to": to})
            if fits or _holds(to, tensor.dtype):
                self._casts[result.name, tensor.dtype.name] = tensor  # casting back gives what was there
        self._casts[tensor.name, to.name] = result
        return result

    # --- sequences

    def sequence(self, dtype: Any) -> Tensor:
        """A new sequence, which has nothing in it."""
        kind = Tensor("", np.dtype(dtype), is_sequence=True)
        return self._emit("SequenceEmpty", [], [kind], {"dtype": kind.dtype})[0]

    def appended(self, sequence: Tensor, tensor: Tensor) -> Tensor:
        """The sequence with one more tensor at its end."""
        return self._emit("SequenceInsert", [sequence, tensor], [sequence], {})[0]

    # --- nested graphs

    def subgraph(self, op_type: str, inputs: Sequence[Operand], bodies: dict[str, Body]) -> tuple[Tensor, ...]:
        """Adds an `If` or a `Loop` around bodies made by `body`; a Loop's first output of a body is its condition."""
        tensors = self._tensors(op_type, inputs)
        kinds = next(iter(bodies.values())).outputs
        return self._emit(op_type, tensors, kinds[1:] if op_type == "Loop" else kinds, dict(bodies))

    @contextmanager
    def body(self, *inputs: tuple[str, Kind]) -> Iterator[Body]:
        """While it lasts, ops go into a nested graph; its `outputs` are to be set inside.

        Args:
            inputs: stem of the name and type of each of the nested graph's inputs, or a value that it is like.
        """
        outer, casts = self._body, self._casts
        self._body, self._casts = Body(), casts.new_child()
        try:
            for stem, kind in inputs:
                self._body.inputs.append(_made(self._unique(stem), kind))
            yield self._body
            self._body.outputs = self._own(self._body.outputs)
        finally:
            self._body, self._casts = outer, casts

    def finish(self, outputs: Sequence[Tensor]) -> None:
        """Sets the graph's outputs, each made by an op of its own, and drops the ops that none of them needs."""
        self.main.outputs = self._own(outputs)
        needed = {tensor.name for tensor in self.main.outputs}
        kept = []
        for node in reversed(self.main.nodes):
            if not needed.isdisjoint(node.outputs):
                kept.append(node)
                needed.update(name for each in with_nested(node) for name in each.inputs)
        self.main.nodes[:] = reversed(kept)

    def _own(self, outputs: Sequence[Tensor]) -> list[Tensor]:
        """The outputs, behind an op where they are constants, come from outside or were given before."""
        result: list[Tensor] = []
        inputs = {tensor.name for tensor in self._body.inputs}
        for tensor in outputs:
            known = {given.name for given in result}
            is_own = tensor.name in self._body.made and tensor.name not in inputs | known
            result.append(tensor if is_own else self._same(tensor))
        return result

    def _same(self, tensor: Tensor) -> Tensor:
        """The same value from an op of the current body."""
        if not tensor.is_sequence:
            return self._emit("Identity", [tensor], [tensor], {})[0]
        # ONNX Runtime's Identity copies all that is in a sequence; these ops hand on what they do not touch.
        longer = self.appended(tensor, self.constant(0, tensor.dtype))
        return self._emit("SequenceErase", [longer], [tensor], {})[0]

    def _emit(
        self, op_type: str, inputs: Sequence[Tensor | None], kinds: Sequence[Kind], attributes: dict[str, Any]
    ) -> tuple[Tensor, ...]:
        name = self._unique(f"{self.scope}_{op_type}")
        outputs = tuple(
            _made(name if index == 0 else self._unique(f"{name}_{index}"), kind) for index, kind in enumerate(kinds)
        )
        given = {key: value for key, value in attributes.items() if value is not None}
        names = tuple(tensor.name if tensor is not None else "" for tensor in inputs)
        while names and not names[-1]:
            names = names[:-1]
        self._body.nodes.append(Node(op_type, names, tuple(tensor.name for tensor in outputs), given, name))
        self._body.made.update(tensor.name for tensor in outputs)
        return outputs

    def _tensors(self, op_type: str, inputs: Sequence[Operand]) -> list[Tensor | None]:
        """Tensors for the operands: lists become int64 vectors, numbers take the type of the input they stand by."""
        sign = signature(op_type)
        kinds = {sign.input(i): each.dtype for i, each in reversed(list(enumerate(inputs))) if isinstance(each, Tensor)}
        result: list[Tensor | None] = []
        for index, each in enumerate(inputs):
            if each is None or isinstance(each, Tensor):
                result.append(each)
            elif isinstance(each, np.ndarray):
                result.append(self.constant(each))
            elif isinstance(each, bool | int | float | np.generic):
                kind = sign.input(index)
                result.append(self.constant(each, kinds.get(kind, kind if _is_type(kind) else None)))
            else:
                result.append(self.constant(np.asarray(each, INT64)))
        return result

    @staticmethod
    def _output_types(
        outputs: Sequence[str], count: int, run: dict[str, np.dtype[Any]], dtype: Any
    ) -> list[np.dtype[Any]]:
        kinds = [outputs[min(index, len(outputs) - 1)] for index in range(count)]
        return [np.dtype(kind) if _is_type(kind) else run.get(kind, np.dtype(dtype)) for kind in kinds]

    def _unique(self, stem: str) -> str:
        name = stem
        while name in self._taken:
            name = f"{stem}_{next(self._counter)}"
        self._taken.add(name)
        return name


def with_nested(node: Node) -> Iterator[Node]:
    """An op, and the ops of the graphs nested in it."""
    yield node
    for value in node.attributes.values():
        if isinstance(value, Body):
            for nested in value.nodes:
                yield from with_nested(nested)


def _made(name: str, kind: Kind) -> Tensor:
    """A new value of a kind."""
    return (
        Tensor(name, kind.dtype, None, kind.is_sequence) if isinstance(kind, Tensor) else Tensor(name, np.dtype(kind))
    )


def _is_type(kind: str) -> bool:
    """Whether a schema's word is a numpy type rather than a type variable; `T` is no numpy type's name here."""
    return kind in {"bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"} or (
        kind in {"float16", "float32", "float64"}
    )


def _holds(wide: np.dtype[Any], narrow: np.dtype[Any]) -> bool:
    """Whether every value of one type is a value of the other, and comes back the same."""
    return bool(np.can_cast(narrow, wide, "safe"))
