"""Rules: patterns whose algebra is one line of data.

    rule("cast(cast(x, d), e) -> cast(x, e)", name="merge-casts", where=lambda x, d: ...)

The left side is an op on ops. Inputs stand in the op's own order or behind their names, as in `transpose(x, perm=p)`;
those that are not mentioned must be absent or have the op's default. A name binds a value; where it appears again, the
same value or an equal constant must stand. `z?` may be absent too, and is then left out on the right. A number stands
for a constant all of whose elements are that number, a list such as `[0, 2, 1]` for exactly this constant, a text such
as `"fp16"` for this text. Ops that may have their inputs swapped match both ways. What stands inside may have other
users: it stays for them.

The right side is a name, or ops that are made in front of the one that the left side begins at; the outermost takes
over its names. Numbers become constants of the type of what they meet.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from .algebra import Call, Expression, names_of, op_types_of, parse_rule
from .matching import Bindings, matches
from .patterns import Pattern

if TYPE_CHECKING:
    from .rewriter import Rewriter

Operation: TypeAlias = Any

ROOT = "op"
"""The name under which `where` and `let` get the op that the left side begins at."""


def rule(
    text: str,
    *,
    name: str,
    benefit: int = 1,
    where: Callable[..., bool] | None = None,
    let: Mapping[str, Callable[..., Any]] | None = None,
) -> Pattern:
    """A pattern from one line of algebra.

    Args:
        text: `left -> right`; see this module.
        name: of the pattern.
        benefit: patterns of a greater one are tried first.
        where: whether it may be applied. Its arguments are called like the names of the left side and get their values
            (None for absent inputs, tuples for variadic ones); one called `op` gets the op that it all begins at.
        let: constants of the right side. Each is computed from the names of the left side and those before it; it may
            be a numpy array, a Python value, or None for an input that is left out.

    Raises:
        ValueError: the text is no rule, a name stands for nothing, or the pattern's own is not in kebab case.
    """
    left, right = parse_rule(text)
    lets = dict(let or {})
    _check_names(text, left, right, where, lets)
    applied = _Rule(left, right, where and _Function.of(where), {key: _Function.of(each) for key, each in lets.items()})
    others = tuple(dict.fromkeys([*op_types_of(left), *op_types_of(right)]))
    return Pattern(name=name, ops=(left.op_type,), rewrite=applied, benefit=benefit, rule=text, others=others)


@attrs.frozen
class _Function:
    """A function and the names of its arguments."""

    call: Callable[..., Any]
    arguments: tuple[str, ...]

    @classmethod
    def of(cls, call: Callable[..., Any]) -> _Function:
        """A function whose parameters are names of a rule."""
        return cls(call, tuple(inspect.signature(call).parameters))

    def __call__(self, bound: Bindings) -> Any:
        return self.call(**{name: bound[name] for name in self.arguments})


@attrs.frozen
class _Rule:
    left: Call
    right: Expression
    where: _Function | None
    let: Mapping[str, _Function]

    def __call__(self, operation: Operation, rewriter: Rewriter) -> bool:
        bound = next(self._fitting(operation), None)
        if bound is None:
            return False
        from .building import build

        for name, function in self.let.items():
            bound[name] = function(bound)
        build(self.right, bound, operation, rewriter)
        return True

    def _fitting(self, operation: Operation) -> Iterator[Bindings]:
        for bound in matches(self.left, operation, {}):
            everything = {**bound, ROOT: operation}
            if self.where is None or self.where(everything):
                yield everything


def _check_names(
    text: str,
    left: Call,
    right: Expression,
    where: Callable[..., bool] | None,
    let: Mapping[str, Callable[..., Any]],
) -> None:
    known = {*names_of(left), ROOT}
    if ROOT in names_of(left):
        raise ValueError(f"{text!r}: {ROOT!r} stands for the whole op, and can not name a value")
    if where is not None:
        _check_known(text, "where", inspect.signature(where).parameters, known)
    for name, function in let.items():
        if name in known:
            raise ValueError(f"{text!r}: let computes {name!r}, which has a value already")
        _check_known(text, f"let {name!r}", inspect.signature(function).parameters, known)
        known.add(name)
    _check_known(text, "the right side", names_of(right), known - {ROOT})


def _check_known(text: str, who: str, names: Mapping[str, Any], known: set[str]) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"{text!r}: {who} asks for {unknown[0]!r}, which stands for nothing on the left side")
