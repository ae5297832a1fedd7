"""Pipelines: passes in order, nested by what they run on; they print to the text that rebuilds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, TypeAlias

import attrs

from ..ir.errors import MiloptError, PipelineError, did_you_mean
from .base import Anchor, Pass
from .configured import Configured
from .text.parser import ANCHORS

_MAX_DEPTH = 20


@attrs.frozen(kw_only=True)
class NamedPipeline(Configured):
    """The base of pipelines that have a name and options: they stand where passes can, and are what they build.

    A subclass is a frozen, keyword-only attrs class. Its name is the class's in kebab case, its options are its fields,
    its docstring says what it does.

    Attributes:
        anchor: what its elements run on.
    """

    noun: ClassVar[str] = "pipeline"
    anchor: ClassVar[Anchor] = "program"

    def build(self) -> tuple[Member, ...]:
        """What it consists of: passes, pipelines, and other named pipelines."""
        raise NotImplementedError


def _expanded(members: Iterable[Member]) -> tuple[Pass | Pipeline, ...]:
    return tuple(expanded(members))


@attrs.frozen
class Pipeline:
    """A pipeline: `program(a, function(b, c), d)`.

    Attributes:
        anchor: what its passes run on: the whole program, or each of its functions in turn.
        elements: passes and nested pipelines; what named pipelines consist of stands in their place.

    Raises:
        PipelineError: an element that does not run on the anchor.
    """

    anchor: Anchor = attrs.field()
    elements: tuple[Pass | Pipeline, ...] = attrs.field(converter=_expanded)

    @anchor.validator
    def _check_anchor(self, _: object, anchor: str) -> None:
        if anchor not in ANCHORS:
            hint = did_you_mean(str(anchor), ANCHORS) or f"it is one of {', '.join(ANCHORS)}"
            raise PipelineError(f"there is no anchor {anchor!r}", hint=hint)

    @elements.validator
    def _check(self, _: object, elements: tuple[Pass | Pipeline, ...]) -> None:
        for element in elements:
            check_anchor(self.anchor, element)

    def passes(self) -> Iterator[Pass]:
        """Every pass, nested ones included, in order."""
        for element in self.elements:
            if isinstance(element, Pipeline):
                yield from element.passes()
            else:
                yield element

    def __str__(self) -> str:
        """The text that `parse_pipeline` makes it from."""
        return f"{self.anchor}({', '.join(str(element) for element in self.elements)})"


Member: TypeAlias = Pass | Pipeline | NamedPipeline


def program_pipeline(*passes: Member) -> Pipeline:
    """A pipeline on the whole program."""
    return Pipeline("program", passes)


def check_anchor(anchor: Anchor, element: Pass | Pipeline) -> None:
    """Raises `PipelineError` when an element can not stand in a pipeline on `anchor`."""
    if isinstance(element, Pipeline):
        if (anchor, element.anchor) != ("program", "function"):
            raise PipelineError(f"a pipeline on a {element.anchor} can not stand in one on a {anchor}")
    elif element.anchor != anchor:
        raise PipelineError(
            f"the pass '{element}' runs on a {element.anchor}, not on a {anchor}",
            hint=f"write {element.anchor}({element})",
        )


def expanded(members: Iterable[Any], depth: int = 0) -> Iterator[Pass | Pipeline]:
    """The members, and in the place of named pipelines what these consist of.

    Raises:
        PipelineError: a named pipeline can not be built, or consists of itself; a member is none.
    """
    for member in members:
        if isinstance(member, NamedPipeline):
            yield from _expansion(member, depth)
        elif isinstance(member, Pass | Pipeline):
            yield member
        else:
            hint = f"write {member.__name__}(...)" if isinstance(member, type) else None
            raise PipelineError(f"a pipeline consists of passes and pipelines, not of {member!r}", hint=hint)


def _expansion(named: NamedPipeline, depth: int) -> list[Pass | Pipeline]:
    where = f"pipeline '{named}'"
    if depth >= _MAX_DEPTH:
        raise PipelineError(f"named pipelines are nested more than {_MAX_DEPTH} levels deep", where=where)
    try:
        return list(expanded(named.build(), depth + 1))
    except PipelineError as error:
        raise PipelineError(error.message, where=error.where or where, hint=error.hint) from error
    except MiloptError as error:
        raise PipelineError(error.message, where=where, hint=error.hint) from error
    except Exception as error:
        raise PipelineError(f"can not be built: {type(error).__name__}: {error}", where=where) from error
