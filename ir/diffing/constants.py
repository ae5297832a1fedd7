"""Constants of two programs: parameters in words, weights by value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..type_words import type_words
from .distances import Distance, distance
from .kinds import as_list, is_weight
from .known_values import KnownValues
from .options import Decoder, DiffOptions
from .records import Change, Weight, WeightChange

# Lists of so many elements are told in full.
_FEW = 8


def parameter_changes(parameter: str, old: Any, new: Any, known: KnownValues) -> Iterator[Change]:
    """How a small constant differs, lists element by element; None stands for one that is not given."""
    if old is None or new is None:
        yield Change("parameter", parameter, *(None if var is None else constant_words(var) for var in (old, new)))
        return
    if known.same(old, new):
        return
    lists = [as_list(var.val) for var in (old, new)]
    if lists[0] is not None and lists[1] is not None:
        yield from list_changes("parameter", parameter, *([words_of(item) for item in each or ()] for each in lists))
        return
    digests = known.digests(old, new)
    words = [digest or constant_words(var) for var, digest in zip((old, new), digests, strict=True)]
    if type_words(old.sym_type) != type_words(new.sym_type):
        words = [f"{type_words(var.sym_type)} {word}" for var, word in zip((old, new), words, strict=True)]
    yield Change("parameter", parameter, *words)


def list_changes(kind: str, subject: str, old: list[str], new: list[str]) -> Iterator[Change]:
    """How two lists differ: element by element, or where they differ if one is longer."""
    if len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        yield from (Change(kind, f"{subject}[{at}]", *pair) for at, pair in pairs if pair[0] != pair[1])
        return
    begin = _common(old, new)
    end = _common(old[begin:][::-1], new[begin:][::-1])
    yield Change(kind, subject, *(_cut(side, begin, end) for side in (old, new)))


def _common(old: list[str], new: list[str]) -> int:
    """How many elements two lists have in common from the start."""
    pairs = enumerate(zip(old, new, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(old), len(new)))


def _cut(words: list[str], begin: int, end: int) -> str:
    """A list whose first and last elements are counted instead of told, unless they are few."""
    if len(words) <= _FEW:
        return f"[{', '.join(words)}]"
    before = [f"... {begin} more"] if begin else []
    after = [f"... {end} more"] if end else []
    return f"[{', '.join([*before, *words[begin : len(words) - end], *after])}]"


def constant_words(var: Any) -> str:
    """A constant in words: the value if it is small, its name and type if it is not."""
    if is_weight(var):
        return f"{var.name} ({type_words(var.sym_type)})"
    return words_of(var.val)


def words_of(value: Any) -> str:
    """A value in words."""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    elements = value if isinstance(value, np.ndarray) and value.ndim else as_list(value)
    return str(value) if elements is None else f"[{', '.join(map(words_of, elements))}]"


def weight_change(
    old: Any, new: Any, users: tuple[str, ...], options: DiffOptions, known: KnownValues
) -> WeightChange | None:
    """How a weight differs, or None if it does not.

    Args:
        old: a constant, or what a `constexpr_*` op gives.
        new: another.
        users: see `WeightChange`.
        options: what counts.
        known: what is known of the values.
    """
    was, now = _weight(old), _weight(new)
    same_encoding = was.encoding == now.encoding or not options.weights
    parts = tuple(_different_parts(old.op, new.op, known)) if options.weights and same_encoding else ()
    if not same_encoding:
        kind = "encoding"
    elif was.type != now.type:
        kind = "type"
    elif parts:
        kind = "value"
    elif options.names and was.name != now.name:
        return WeightChange("name", was, now, users)
    else:
        return None
    told = () if was.encoding == "const" else parts
    apart = _distance(old, new, options.decode) if options.weights and known.are_known(old, new) else None
    return WeightChange(kind, was, now, users, told, apart, known.remark(old, new) if kind == "value" else "")


def _weight(var: Any) -> Weight:
    return Weight(var.name, _encoding(var.op), type_words(var.sym_type))


def _encoding(operation: Any) -> str:
    inner = [_encoding(var.op) for _, var in sorted(operation.inputs.items()) if var.op.op_type != "const"]
    return f"{operation.op_type}({', '.join(inner)})" if inner else str(operation.op_type)


def _different_parts(old: Any, new: Any, known: KnownValues, path: str = "") -> Iterator[str]:
    """The inputs of two `constexpr_*` ops that differ; of two `const` ops the value."""
    if old.op_type == new.op_type == "const":
        if not known.same(old.outputs[0], new.outputs[0]):
            yield path or "val"
        return
    for parameter in sorted({*old.inputs, *new.inputs}):
        inside = f"{path}.{parameter}" if path else parameter
        one, other = old.inputs.get(parameter), new.inputs.get(parameter)
        if one is None or other is None or one.op.op_type != other.op.op_type:
            yield inside
        else:
            yield from _different_parts(one.op, other.op, known, inside)


def _distance(old: Any, new: Any, decode: Decoder | None) -> Distance | None:
    if tuple(old.shape) != tuple(new.shape):
        return None
    arrays = [_array(var, decode) for var in (old, new)]
    if any(array is None or array.dtype.kind not in "fiub" for array in arrays):
        return None
    return distance(*arrays)


def _array(var: Any, decode: Decoder | None) -> Any:
    if var.op.op_type == "const":
        return np.asarray(var.val)
    return None if decode is None else np.asarray(decode(var))
