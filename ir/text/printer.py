"""The printer: a program in Apple's MIL syntax, the `model.mil` of a compiled model.

Where Apple's printer and hand-written files differ it writes as Apple's does: inputs of ops and attributes sorted,
floats hexadecimal, one op a line. It keeps the order of function inputs, which Apple's sorts, because the order
is part of the program. Nested blocks have no public example; they are written in the style of functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, get_args

from ..errors import OptionError
from ..proto.walking import selected_block
from ..proto.writer import WeightSink, write_program
from ..pymil import opset_of
from ..weights.references import DIGEST, MODEL_PATH
from .formatting import Formatter, format_name, format_string
from .source import DIALECTS, Dialect
from .weight_placing import ElidingSink, InlineSink

Weights = Literal["elided", "inline"]


def print_program(program: Any, *, weights: Weights | WeightSink = "elided", dialect: Dialect = "1.3") -> str:
    """The text of a PyMIL program.

    Args:
        program: what to print.
        weights: large constants as a digest of their bytes (`elided`) or element by element (`inline`); or what places
            them, see `weight_placing.py`.
        dialect: `1.3` writes scalars as `int32(1)`, `1.0` as `tensor<int32, []>(1)`.

    Raises:
        OptionError: unknown weights or dialect.
        ProgramError: the program holds something that MIL can not express.
    """
    if isinstance(weights, str):
        _check("weights", weights, get_args(Weights))
        sink: WeightSink = ElidingSink(opset_of(program)) if weights == "elided" else InlineSink()
    else:
        sink = weights
    return print_proto(write_program(program, sink), dialect=dialect, function_order=program.functions)


def print_proto(program: Any, *, dialect: Dialect = "1.3", function_order: Iterable[str] = ()) -> str:
    """The text of a protobuf `MIL.Program`; weights are written as the references that they are.

    Args:
        program: the message.
        dialect: see `print_program`.
        function_order: the names of functions in order, which the protobuf does not keep; those that are left out
            follow, `main` first.
    """
    _check("dialect", dialect, DIALECTS)
    return "\n".join(_Printer(dialect).program(program, list(function_order))) + "\n"


def _check(option: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise OptionError(f"{option}={value!r} is no choice", hint=f"it is {' or '.join(map(repr, choices))}")


def _blob(value: Any, formatter: Formatter) -> str:
    name = value.blobFileValue.fileName
    if name.startswith(MODEL_PATH + DIGEST):
        found = formatter.scalar("string", format_string(name.removeprefix(MODEL_PATH)))
        return f"ELIDED(digest = {found})"
    path = formatter.scalar("string", format_string(name))
    return f"BLOBFILE(path = {path}, offset = {formatter.scalar('uint64', str(value.blobFileValue.offset))})"


class _Printer:
    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._format = Formatter(dialect == "1.0", _blob)

    def program(self, program: Any, order: list[str]) -> Iterator[str]:
        """The lines of a program."""
        string = self._format.type(_string_type())
        attributes = self._attributes(program.attributes) or f"[buildInfo = dict<{string}, {string}>({{}})]"
        yield f"program({self._dialect})"
        yield attributes
        yield "{"
        others = sorted(set(program.functions) - set(order), key=lambda name: (name != "main", name))
        for name in [*order, *others]:
            yield from self._function(name, program.functions[name])
        yield "}"

    def _function(self, name: str, function: Any) -> Iterator[str]:
        opset, block = selected_block(function)
        attributes = self._attributes(function.attributes)
        head = f"    func {format_name(name)}<{opset.text_name}>({self._parameters(function.inputs)})"
        yield f"{head} {attributes} {{" if attributes else f"{head} {{"
        yield from self._operations(block, 12)
        yield f"        }} -> ({', '.join(map(format_name, block.outputs))});"

    def _operations(self, block: Any, indent: int) -> Iterator[str]:
        for operation in block.operations:
            lines = [line for nested in operation.blocks for line in self._block(nested, indent)]
            yield " " * indent + self._operation(operation) + (" " + lines[0].lstrip() if lines else ";")
            yield from lines[1:-1]
            if lines:
                yield lines[-1] + ";"

    def _block(self, block: Any, indent: int) -> Iterator[str]:
        yield " " * indent + f"({self._parameters(block.inputs)}) {{"
        yield from self._operations(block, indent + 8)
        yield " " * (indent + 4) + f"}} -> ({', '.join(map(format_name, block.outputs))})"

    def _parameters(self, values: Any) -> str:
        return ", ".join(f"{self._format.type(value.type)} {format_name(value.name)}" for value in values)

    def _operation(self, operation: Any) -> str:
        arguments = ", ".join(
            f"{format_name(name)} = {self._argument(operation.inputs[name])}" for name in sorted(operation.inputs)
        )
        call = f"{format_name(operation.type)}({arguments}){self._attributes(operation.attributes)}"
        return f"{self._parameters(operation.outputs)} = {call}" if operation.outputs else call

    def _argument(self, argument: Any) -> str:
        values = [
            format_name(b.name) if b.WhichOneof("binding") == "name" else self._format.value(b.value)
            for b in argument.arguments
        ]
        return values[0] if len(values) == 1 else f"({', '.join(values)})"

    def _attributes(self, attributes: Any) -> str:
        found = (f"{format_name(name)} = {self._format.value(attributes[name])}" for name in sorted(attributes))
        return f"[{', '.join(found)}]" if attributes else ""


def _string_type() -> Any:
    from ..proto.values import builtin_proto
    from ..pymil import proto

    return proto.MIL_pb2.ValueType(tensorType=proto.MIL_pb2.TensorType(dataType=builtin_proto("string"), rank=0))
