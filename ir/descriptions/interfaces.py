"""The functions of a program beside what the model's description says of them; both as they stand in the protobuf."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, TypeAlias

import attrs

from ..diagnostics import Diagnostic
from ..dtypes import DType, dtype_of_proto
from ..errors import MiloptError, ProgramError, located
from ..proto.walking import selected_block
from .shapes import Shape, tensor_sizes

# A function's two sides; states are inputs.
Side: TypeAlias = Literal["input", "output"]
SIDES: tuple[Side, Side] = ("input", "output")


@attrs.frozen
class Tensor:
    """The type of a program's tensor.

    Attributes:
        dtype: of its elements.
        shape: None where even the rank is only known when the program runs.
    """

    dtype: DType
    shape: Shape | None


@attrs.frozen
class Value:
    """One value at a function's border.

    Attributes:
        function: the function's name.
        side: whether it goes in or comes out.
        name: in the program, and in the description.
        type: the program's protobuf `ValueType`; None where the program has no such value, or does not define it.
        feature: the description's protobuf `FeatureDescription`; None where it is not described.
        is_listed_as_state: the description has it among its states.
    """

    function: str
    side: Side
    name: str
    type: Any = None
    feature: Any = None
    is_listed_as_state: bool = False

    @property
    def is_input(self) -> bool:
        """Whether it goes into the function."""
        return self.side == "input"

    @property
    def section(self) -> str:
        """What it is: `input`, `output` or `state`; the description has a list for each."""
        described = self.feature is not None and self.feature.type.WhichOneof("Type") == "stateType"
        of_program = self.feature is None and self.type is not None and self.type.WhichOneof("type") == "stateType"
        return "state" if self.is_input and (self.is_listed_as_state or described or of_program) else self.side

    @property
    def where(self) -> str:
        """Its place, in the words of diagnostics."""
        return f"function {self.function!r}, {self.section} {self.name!r}"


@attrs.frozen
class Interface:
    """A function of the program and its description.

    Attributes:
        name: of the function.
        function: the protobuf `MIL.Function`.
        description: the protobuf `ModelDescription` or `FunctionDescription`.
    """

    name: str
    function: Any
    description: Any

    @property
    def where(self) -> str:
        """Its place, in the words of diagnostics."""
        return f"function {self.name!r}"

    def described(self, side: Side) -> list[Value]:
        """The features of one side, in the description's order, each with the program's type of that name.

        Raises:
            MiloptError: the function has no block for its opset.
        """
        types = self._types(side)
        parts = [(False, getattr(self.description, side))]
        parts += [(True, self.description.state)] if side == "input" else []
        return [
            Value(self.name, side, feature.name, types.get(feature.name), feature, is_state)
            for is_state, features in parts
            for feature in features
        ]

    def values(self, side: Side) -> list[Value]:
        """The program's values of one side, in its order, without what the description says of them.

        Raises:
            MiloptError: the function has no block for its opset.
        """
        return [Value(self.name, side, name, kind) for name, kind in self._types(side).items()]

    def _types(self, side: Side) -> dict[str, Any]:
        inputs = {each.name: each.type for each in self.function.inputs}
        if side == "input":
            return inputs
        _, block = selected_block(self.function)
        defined = inputs | {output.name: output.type for each in block.operations for output in each.outputs}
        return {name: defined.get(name) for name in block.outputs}


def interfaces(specification: Any) -> Iterator[Interface]:
    """The functions of an ML program that are described, in the description's order.

    A description without functions of its own is that of `main`, or of the program's only function.
    """
    functions, description = specification.mlProgram.functions, specification.description
    if description.functions:
        first = {each.name: each for each in reversed(description.functions)}
        for each in description.functions:
            if each.name in functions and first[each.name] is each:
                yield Interface(each.name, functions[each.name], each)
        return
    name = "main" if "main" in functions else next(iter(functions), None)
    if name is not None and (name == "main" or len(functions) == 1):
        yield Interface(name, functions[name], description)


def tensor_of(kind: Any) -> Tensor:
    """The tensor that a protobuf `ValueType` of kind `tensorType` means.

    Raises:
        ProgramError: the element type is unknown, or the rank is not the number of dimensions.
    """
    tensor = kind.tensorType
    dtype, sizes = dtype_of_proto(tensor.dataType), tensor_sizes(tensor)
    if tensor.rank < 0 or sizes is None:
        return Tensor(dtype, None)
    if tensor.rank != len(sizes):
        raise ProgramError(
            f"the program's type says rank {tensor.rank} and lists {len(sizes)} dimensions",
            hint="convert the model anew",
        )
    return Tensor(dtype, sizes)


def survived(where: str, found: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """Diagnostics of foreign data: what is too damaged to be looked at becomes the last of them."""
    try:
        with located(where):
            yield from found
    except MiloptError as error:
        yield Diagnostic(error.where or where, error.message, error.hint or "convert the model anew")
