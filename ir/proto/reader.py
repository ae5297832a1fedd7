"""From the protobuf of an ML program to PyMIL.

coremltools has a reader of its own (`converters/mil/frontend/milproto/load.py`). This one differs where a user
feels it: weights stay views of the mapped file, names are the same in every run, errors name the op, attributes
that PyMIL has no place for are kept, and control flow leaves no stray constants behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import MiloptError, ProgramError, located, quoted
from ..pymil import Program
from ..targets import opset_of_mil_name
from ..weights.missing import mark_missing_weights
from ..weights.store import WeightStore
from .faults import Fault, FaultReport, raise_fault
from .function_reader import FunctionReader

# What PyMIL has no place for rides on the program as a protobuf `MIL.Program` without blocks: its doc string and
# attributes, and those of its functions.
SHELL = "_milopt_shell"
WHOLE = "the program"  # where a fault of all of it is


def read_program(
    program: Any,
    weights: WeightStore,
    *,
    function_order: Iterable[str] = (),
    report: FaultReport = raise_fault,
) -> Any:
    """Builds the PyMIL program of a protobuf `MIL.Program`.

    Args:
        program: the protobuf message; it is not changed.
        weights: where its blobs lie.
        function_order: names in the order that the model's description gives; the protobuf keeps none.
        report: takes each fault; one that does not raise lets the reading go on, which then gives a program that is
            good for nothing but for finding further faults.

    Raises:
        ProgramError: an op, type or construct that PyMIL does not have.
        PackageError: a weight that is missing or does not fit.
    """
    if not program.functions:
        hint = "it needs at least one: func main<ios18>(...) {...} -> (...);"
        raise ProgramError("the program has no functions", where=WHOLE, hint=hint)
    result = Program()
    names = _ordered(program.functions, function_order)
    for name in names:
        try:
            with located(f"function {quoted(name)}"):
                _check_opset(program, name, names[0])
                result.add_function(name, FunctionReader(name, program.functions[name], weights, report).read())
        except MiloptError as error:
            report(Fault(error, name))
    if "main" not in result.functions and result.functions:
        result.default_function_name = next(iter(result.functions))
    mark_missing_weights(result, weights.stand_ins)
    setattr(result, SHELL, _shell(program))
    return result


def _check_opset(program: Any, name: str, first: str) -> None:
    """PyMIL's programs have one opset."""
    mine, theirs = (opset_of_mil_name(program.functions[each].opset) for each in (name, first))
    if mine != theirs:
        message = f"its opset is {mine}, that of function {quoted(first)} is {theirs}"
        raise ProgramError(message, hint="all functions of a program have one opset")


def _shell(program: Any) -> Any:
    shell = type(program)(docString=program.docString)
    for name, value in program.attributes.items():
        shell.attributes[name].CopyFrom(value)
    for name, function in program.functions.items():
        for key, value in function.attributes.items():
            shell.functions[name].attributes[key].CopyFrom(value)
    return shell


def _ordered(functions: Mapping[str, Any], first: Iterable[str]) -> list[str]:
    known = [name for name in first if name in functions]
    return known + sorted(set(functions) - set(known))
