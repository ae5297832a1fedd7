"""Pipelines: passes in order, nested by what they run on; they print to the text that rebuilds them."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from ..ir.errors import PipelineError
from .base import Anchor, Pass


@attrs.frozen
class Pipeline:
    """A pipeline: `program(a, function(b, c), d)`.

    Attributes:
        anchor: what its passes run on: the whole program, or each of its functions in turn.
        elements: passes and nested pipelines.

    Raises:
        PipelineError: an element that does not run on the anchor.
    """

    anchor: Anchor
    elements: tuple[Pass | Pipeline, ...] = attrs.field()

    @elements.validator
    def _check(self, _: object, elements: tuple[Pass | Pipeline, ...]) -> None:
        for element in elements:
            if isinstance(element, Pipeline) and (self.anchor, element.anchor) != ("program", "function"):
                raise PipelineError(f"a pipeline on a {element.anchor} can not stand in one on a {self.anchor}")
            if isinstance(element, Pass) and element.anchor != self.anchor:
                wrapped = f"function({element})" if element.anchor == "function" else f"program({element})"
                raise PipelineError(
                    f"the pass '{element}' runs on a {element.anchor}, not on a {self.anchor}",
                    hint=f"write {wrapped}",
                )

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


def program_pipeline(*passes: Pass | Pipeline) -> Pipeline:
    """A pipeline on the whole program."""
    return Pipeline("program", passes)
