"""The structure of a program: as a list that two moments are compared by, and as a hash."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from .constants import SMALLEST_WEIGHT
from .errors import Subject
from .proto.function_reader import EXTRA_ATTRIBUTES
from .pymil import mil_list, opset_of, takes_several
from .type_words import type_words
from .walking import input_values
from .weights.files import release_pages


def snapshot(program: Any) -> list[Any]:
    """What a program looks like now; equal lists tell that nothing has changed in between.

    Meant for the same program at two moments: the list holds its types, values and names themselves, so that making
    one costs little and comparing two even less. A constant that was replaced by an equal one counts as a change.
    """
    found: list[Any] = []
    for name, function in program.functions.items():
        found += (name, function.opset_version)
        _add_block(found, function, function.inputs.values())
    return found


def _add_block(found: list[Any], block: Any, inputs: Iterable[Any]) -> None:
    for var in inputs:
        found += (var, var.name, var.sym_type)
    for operation in block.operations:
        # The inputs and the types themselves: `inputs` and `sym_type` make copies each time.
        found += (operation, operation.name, *operation._input_vars.values())  # noqa: SLF001
        cls: Any = type(operation)
        if takes_several(cls):
            found += (var for value in operation._input_vars.values() if isinstance(value, list) for var in value)  # noqa: SLF001
        for var in operation.outputs:
            found += (var.name, var._sym_type)  # noqa: SLF001
        for nested in operation.blocks:
            _add_block(found, nested, nested.inputs)
    found += ("outputs", *block.outputs)


def structural_hash(program: Any, *, weights: bool = True) -> str:
    """A hash of all that `equality.first_difference` compares: equal programs have equal ones, in any process.

    Args:
        program: what to hash.
        weights: read every weight; their pages are given back. Without, tensors of `SMALLEST_WEIGHT` elements and more
            count by their types and names alone.

    Returns:
        64 hexadecimal digits.
    """
    whole = hashlib.blake2b(digest_size=32)
    for _, digest in fingerprints(program, weights=weights):
        whole.update(digest)
    return whole.hexdigest()


def fingerprints(program: Any, *, weights: bool = True) -> Iterator[tuple[Subject, bytes]]:
    """A hash of each op, and of each function's border, in order; an op's blocks follow it.

    Args:
        program: what to hash.
        weights: see `structural_hash`.
    """
    for name, function in program.functions.items():
        border = [str(opset_of(function)), *map(_declared, function.inputs.values())]
        yield Subject(name), _digest([name, *border, *map(_declared, function.outputs)])
        yield from ((Subject(name, *what), digest) for what, digest in _of_block(function, weights=weights))


def first_change(before: Sequence[tuple[Subject, bytes]], after: Sequence[tuple[Subject, bytes]]) -> Subject | None:
    """What is not as it was: the first that is new or looks different, else that left, else that moved.

    Args:
        before: the `fingerprints` of a program.
        after: those of a later moment.

    Returns:
        None if nothing has changed.
    """
    moved = ((now, then) for now, then in zip(after, before, strict=False) if now != then)
    for candidates in (_beyond(after, before), _beyond(before, after), (now for now, _ in moved)):
        for subject, _ in candidates:
            return subject
    return None


def _beyond(
    some: Iterable[tuple[Subject, bytes]], others: Iterable[tuple[Subject, bytes]]
) -> Iterator[tuple[Subject, bytes]]:
    """Those of some that are not among others, or not as often."""
    left = Counter(others)
    for each in some:
        left[each] -= 1
        if left[each] < 0:
            yield each


def _of_block(block: Any, *, weights: bool) -> Iterator[tuple[tuple[str, str], bytes]]:
    for operation in block.operations:
        words = [operation.op_type, operation.name]
        words += [f"{parameter}={var.name}" for parameter, var in input_values(operation)]
        words += map(_declared, operation.outputs)
        words.append(repr(getattr(operation, EXTRA_ATTRIBUTES, {})))
        for nested in operation.blocks:
            words += ["block", *map(_declared, nested.inputs), "gives", *map(_declared, nested.outputs)]
        value = b"" if operation.op_type != "const" else _constant_digest(operation.outputs[0].val, weights=weights)
        yield (operation.name, operation.op_type), _digest(words, value)
        for nested in operation.blocks:
            yield from _of_block(nested, weights=weights)


def _declared(var: Any) -> str:
    return f"{type_words(var.sym_type)} {var.name}"


def _digest(words: Iterable[str], more: bytes = b"") -> bytes:
    joined = "\0".join(words).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(joined + b"\0" + more, digest_size=16).digest()


def _constant_digest(value: Any, *, weights: bool) -> bytes:
    is_weight = isinstance(value, np.ndarray) and value.size >= SMALLEST_WEIGHT
    return b"" if is_weight and not weights else _value_digest(value)


def _value_digest(value: Any) -> bytes:
    if isinstance(value, list | mil_list):
        parts = value.ls if isinstance(value, mil_list) else value
        return _digest([str(len(parts))], b"".join(map(_value_digest, parts)))
    if isinstance(value, str | dict):
        return _digest([type(value).__name__, repr(value)])
    array = np.asarray(value)
    if array.dtype.hasobject:
        return _digest([str(array.shape), repr(array.tolist())])
    data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    try:
        return _digest([str(array.dtype), str(array.shape)], hashlib.blake2b(data.data, digest_size=16).digest())
    finally:
        release_pages(array)
