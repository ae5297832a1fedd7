"""The verifier: is a program well formed? It collects every fault instead of stopping at the first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, TypeAlias

from .as_built import Signature, is_as_built, signature_of
from .diagnostics import Diagnostic
from .errors import MiloptError, Subject, quoted
from .pymil import given_values, inside, op_class, opset_of, types
from .targets import Opset
from .type_words import type_words
from .walking import input_values


def verify(program: Any) -> list[Diagnostic]:
    """Every fault of a program, in its order; none for a well-formed one.

    Checked: ops and values have names, those of values unique where they are visible, values are defined before use
    and visible, use lists agree with inputs, constants have values and functions outputs, ops belong to the opset,
    required inputs are there, inputs that must be constant are, and types are those of the op's own inference. Two ops
    may have one name: neither PyMIL nor the file format minds. Linear in the size of the program.
    """
    return Verifier().verify(program)


class Verifier:
    """Verifies a program again and again: an op that was found right is not looked into twice while it is as it was.

    Names, visibility and use lists depend on what is around an op, and are checked each time.
    """

    def __init__(self) -> None:
        self._right: _Signatures = {}

    def verify(self, program: Any) -> list[Diagnostic]:
        """See `verify`."""
        found: list[Diagnostic] = []
        right: _Signatures = {}
        for name, function in program.functions.items():
            checker = _Checker(Subject(name), opset_of(function), self._right, right)
            with inside(function):  # some ops ask the current block for its opset when they infer types
                found += checker.check_block(function, list(function.inputs.values()), {})
            found += [_diagnostic(Subject(name), fault) for fault in checker.wrong_uses()]
            if not function.outputs:
                found.append(_diagnostic(Subject(name), ("it has no outputs", "a model has at least one")))
        self._right = right  # and nothing of ops that are gone
        return found


_Words: TypeAlias = tuple[str, str | None]  # what is wrong, and a hint
_Signatures: TypeAlias = dict[Any, Signature]  # of ops that were found right


def _diagnostic(subject: Subject, words: _Words) -> Diagnostic:
    return Diagnostic(str(subject), *words, subject=subject)


class _Checker:
    def __init__(self, place: Subject, opset: Opset, before: _Signatures, now: _Signatures) -> None:
        self._place, self._opset, self._before, self._now = place, opset, before, now
        self._uses: dict[Any, list[Any]] = {}

    def check_block(self, block: Any, inputs: list[Any], visible: dict[str, Any]) -> Iterator[Diagnostic]:
        """The faults of a block, given what is visible around it."""
        visible = dict(visible)
        for var in inputs:
            yield from self._define(var, visible, self._place)
        for operation in block.operations:
            name = operation.name
            if not name or not isinstance(name, str):
                yield _diagnostic(_subject(self._place, operation), _no_name("its name", name))
            yield from self._check_op(operation, visible)
            for nested in operation.blocks:
                yield from self.check_block(nested, list(nested.inputs), visible)
            for var in operation.outputs:
                name = var.name
                if name and isinstance(name, str) and name not in visible:
                    visible[name] = var
                    self._uses[var] = []
                else:
                    yield from self._define(var, visible, _subject(self._place, operation))
        for var in block.outputs:
            if visible.get(var.name) is not var:
                message = f"the output {quoted(var.name)} is not defined in or around its block"
                yield _diagnostic(self._place, (message, "let an op of the block give it"))

    def _define(self, var: Any, visible: dict[str, Any], where: Subject) -> Iterator[Diagnostic]:
        if not _is_name(var.name):
            yield _diagnostic(where, _no_name("the name of one of its values", var.name))
        elif var.name in visible:
            words = f"the name {quoted(var.name)} is defined twice", "names are unique where they are visible"
            yield _diagnostic(where, words)
        visible[var.name] = var
        self._uses.setdefault(var, [])  # the blocks of a loop may share their input values

    def _check_op(self, operation: Any, visible: dict[str, Any]) -> Iterator[Diagnostic]:
        if operation.op_type == "const":
            if not _has_value(operation):
                yield _diagnostic(_subject(self._place, operation), ("it has no value", "give it one: val = ..."))
            return  # constants carry their type, and are the same op in all opsets
        given = given_values(operation)
        for var in given:
            if visible.get(var.name) is var:
                self._uses[var].append(operation)
            else:
                yield _diagnostic(_subject(self._place, operation), _undefined(operation, var))
        signature = signature_of(operation, given)
        if self._before.get(operation) != signature:
            faults = [*_wrong_class(operation, self._opset)]
            if not is_as_built(operation, signature):
                faults += [*_wrong_inputs(operation), *_wrong_types(operation)]
            yield from (_diagnostic(_subject(self._place, operation), fault) for fault in faults)
            if faults:
                return
        self._now[operation] = signature

    def wrong_uses(self) -> Iterator[_Words]:
        """The values whose use lists are wrong; after all blocks were checked."""
        for var, uses in self._uses.items():
            listed = var._child_ops  # noqa: SLF001 - `child_ops` makes a copy each time
            if listed != uses and Counter(listed) != Counter(uses):
                message = f"the use list of {quoted(var.name)} does not agree with the ops that use it"
                yield message, "a pass edited it around PyMIL: rewire values by the block's methods"


def _undefined(operation: Any, var: Any) -> _Words:
    parameter = next(parameter for parameter, value in input_values(operation) if value is var)
    return f"its input {parameter!r}, {quoted(var.name)}, is not defined before it", "move it behind that op"


def _subject(place: Subject, operation: Any) -> Subject:
    name = next((each for each in (operation.name, *(var.name for var in operation.outputs)) if _is_name(each)), None)
    return Subject(place.function, name, operation.op_type)


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and bool(name)


def _no_name(what: str, name: Any) -> _Words:
    return f"{what} is {name!r}", "names are texts that are not empty"


def _has_value(operation: Any) -> bool:
    """Whether a constant was given a value, and gives one: copies are made from the first, files from the second."""
    given = operation._input_vars.get("val")  # noqa: SLF001
    if given is None or given._sym_val is None or given._sym_val.val is None:  # noqa: SLF001
        return False
    gives = operation._output_vars[0]._sym_val  # noqa: SLF001 - `val` looks through it for symbols each time
    return gives is not None and gives.val is not None


def _wrong_class(operation: Any, opset: Opset) -> Iterator[_Words]:
    try:
        expected = op_class(operation.op_type, opset)
    except MiloptError as error:
        yield error.message, error.hint
        return
    if type(operation) is not expected:
        yield f"it is an op of another version than that of {opset}", f"build it anew in the opset {opset}"


def _wrong_inputs(operation: Any) -> Iterator[_Words]:
    found = [*_missing_inputs(operation)]
    yield from found
    if found:
        return
    given = {name: value for name, value in operation._input_vars.items() if value is not None}  # noqa: SLF001
    try:
        operation.input_spec.validate_inputs(operation.name, operation.op_type, given)
    except ValueError as error:
        yield f"its inputs do not fit: {error.args[0]}", None


def _missing_inputs(operation: Any) -> Iterator[_Words]:
    for parameter, kind in operation.input_spec.input_types.items():
        value = operation.inputs.get(parameter)
        internal = parameter in operation.internal_inputs
        if value is None:
            if not kind.optional and not internal:
                yield f"its required input {parameter!r} is missing", f"give it: {parameter} = ..."
        elif kind.const and not isinstance(value, list | tuple) and not value.is_descendant_of_const:
            yield f"its input {parameter!r} must be constant", "let a const op give it"


def _wrong_types(operation: Any) -> Iterator[_Words]:
    if operation.blocks:
        return  # control flow takes its types from its blocks, which are checked themselves
    try:
        inferred = operation.type_inference()
    except Exception as error:  # noqa: BLE001 - each op raises what it likes
        yield f"its types do not fit: {error}", None
        return
    for var, kind in zip(operation.outputs, inferred if isinstance(inferred, tuple) else (inferred,), strict=False):
        if not types.is_compatible_type(var.sym_type, kind):
            message = f"its output {quoted(var.name)} is {type_words(var.sym_type)}, its inputs give {type_words(kind)}"
            yield message, "infer it anew, or mend the inputs"
