"""All faults of an ML program that stands in a protobuf, and their diagnostics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..diagnostics import Diagnostic
from ..errors import MiloptError, PackageError, ProgramError, quoted
from ..weights.store import WeightStore
from .faults import Fault, Part
from .reader import WHOLE, read_program
from .walking import operation_name


def read_with_faults(program: Any, weights: WeightStore, function_order: Iterable[str] = ()) -> tuple[Any, list[Fault]]:
    """Builds the PyMIL program of a protobuf `MIL.Program`, whatever is wrong with it.

    Returns:
        The program, to be used only if there are no faults, and the faults in the order of the program.
    """
    found: list[Fault] = []
    result = None
    try:
        result = read_program(program, weights, function_order=function_order, report=found.append)
    except MiloptError as error:
        found.append(Fault(error, ""))
    found += [fault for name in program.functions for fault in _repeated_names(program.functions[name], name)]
    order = {name: index for index, name in enumerate(program.functions)}
    found.sort(key=lambda fault: (order.get(fault.function, -1), -1 if fault.operation is None else fault.operation))
    return result, list(_once_per_file(found))


def _once_per_file(faults: Iterable[Fault]) -> Iterator[Fault]:
    """A missing weight file is one fault, however many weights it had."""
    told: set[str] = set()
    for fault in faults:
        if not isinstance(fault.error, PackageError) or str(fault.error) not in told:
            yield fault
        told.add(str(fault.error))


def diagnostic_of_fault(fault: Fault) -> Diagnostic:
    """A fault of a program that came from no text."""
    function = f"function {quoted(fault.function)}" if fault.function else ""
    where = ", ".join(part for part in (function, fault.subject) if part)
    return Diagnostic(where, message_of(fault), fault.error.hint)


def message_of(fault: Fault) -> str:
    """What is wrong, with the file in front if it is about one."""
    place = fault.error.where
    elsewhere = place and place not in (fault.subject, f"function {quoted(fault.function)}", WHOLE)
    return f"{place}: {fault.error.message}" if elsewhere else fault.error.message


def _repeated_names(function: Any, name: str) -> Iterator[Fault]:
    """Values that have the name of one that is visible where they are defined."""
    visible: set[str] = set()
    for value in function.inputs:
        if value.name in visible:
            yield _repeated(value.name, name, None, Part("parameter", value.name), f"input {quoted(value.name)}")
        visible.add(value.name)
    for block in function.block_specializations.values():
        yield from _Names(name).check(block, visible)


class _Names:
    def __init__(self, function: str) -> None:
        self._function = function
        self._count = 0

    def check(self, block: Any, visible: set[str]) -> Iterator[Fault]:
        """The faults of a block, given the names that are visible around it."""
        visible = visible | {value.name for value in block.inputs}
        for operation in block.operations:
            number, self._count = self._count, self._count + 1
            for nested in operation.blocks:
                yield from self.check(nested, visible)
            for output in operation.outputs:
                if output.name in visible:
                    subject = f"op {quoted(operation_name(operation))}"
                    yield _repeated(output.name, self._function, number, Part("output", output.name), subject)
                visible.add(output.name)


def _repeated(name: str, function: str, operation: int | None, part: Part, subject: str) -> Fault:
    error = ProgramError(f"the name {quoted(name)} is defined twice", hint="names are unique where they are visible")
    return Fault(error, function, operation, part, subject)
