"""Options whose value is a pipeline: `fixed-point{pipeline={program(a, b)}}`."""

from __future__ import annotations

from typing import Any

import attrs

from ..ir.diagnostics import TextError
from .kinds.base import strange_text
from .kinds.scalars import Kind
from .options import Option
from .pipeline import Pipeline
from .pipeline_text import build, parse_pipeline
from .text.parser import parse_value
from .text.tree import Nest, Word


@attrs.frozen
class _PipelineKind(Kind):
    """Pipelines; from Python also their text, with or without the braces."""

    noun: str = "a pipeline in braces such as {program(...)}"

    def convert(self, value: Any) -> Pipeline:
        """See `Kind`."""
        if isinstance(value, Pipeline):
            return value
        if isinstance(value, Nest):
            return build(value)
        if isinstance(value, Word) or not isinstance(value, str):
            raise self.refusal(value)
        try:
            return self.convert(parse_value(value)) if value.lstrip().startswith("{") else parse_pipeline(value)
        except TextError as error:
            raise strange_text(error, value) from None

    def text(self, value: Any) -> str:
        """See `Kind`."""
        return f"{{{value}}}"


def option_pipeline(*, help: str, default: Pipeline | None = None) -> Any:  # noqa: A002 - it is the word
    """A field that holds a pipeline.

    Args:
        help: one line, shown by `milopt passes`.
        default: the pipeline if none is given; without it, one must be.
    """
    return Option(_PipelineKind(), attrs.NOTHING if default is None else default, help).field()
