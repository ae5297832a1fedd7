"""Pipeline text to pipelines; the grammar is `text/parser.py`'s.

Names with `::` are passes of coremltools, but for `milopt::`, as coremltools calls our own. A named pipeline stands
where a pass can; what it consists of takes its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..ir.diagnostics import TextError
from ..ir.errors import OptionError, PipelineError
from ..ir.text.source import Source
from .base import Anchor, Pass
from .foreign.passes import coremltools_pass
from .kinds.faults import OptionFault
from .pipeline import Member, Pipeline, check_anchor, expanded
from .registry import element_class
from .text.parser import parse
from .text.tree import Element, Nest, Span

_OURS = "milopt::"


def parse_pipeline(text: str | Source) -> Pipeline:
    """The pipeline that a text stands for.

    Raises:
        PipelineError: it does not follow the grammar, or names a pass that does not exist.
        OptionError: a pass does not have an option, or not with this value.
    """
    return build(parse(text if isinstance(text, Source) else Source(text, "<pipeline>"), _anchor_of))


def _anchor_of(name: str) -> Anchor:
    """What a pass runs on; the whole program if that is not known."""
    try:
        found: Anchor = getattr(element_class(name.removeprefix(_OURS)), "anchor", "program")
    except PipelineError:
        return "program"
    return found


def build(nest: Nest) -> Pipeline:
    """The pipeline that a parsed text stands for; raises what `parse_pipeline` does."""
    anchor: Anchor = "program" if nest.anchor == "program" else "function"
    return Pipeline(anchor, tuple(element for part in nest.elements for element in _elements(part, anchor)))


def _elements(part: Element | Nest, anchor: Anchor) -> list[Pass | Pipeline]:
    """What an element stands for: several for a named pipeline."""
    name = part.anchor if isinstance(part, Nest) else part.name
    with _placed(name.span):
        member = build(part) if isinstance(part, Nest) else _member(part)
        elements = list(expanded([member]))
        for element in elements:
            check_anchor(anchor, element)
    return elements


def _member(element: Element) -> Member:
    if "::" in element.name and not element.name.startswith(_OURS):
        return coremltools_pass(str(element.name), element.options)
    return element_class(element.name.removeprefix(_OURS)).from_options(element.options)


@contextmanager
def _placed(name: Span) -> Iterator[None]:
    """Gives errors their place: that of the option or of the value if one is at fault, or else of the name."""
    try:
        yield
    except TextError:
        raise
    except OptionError as error:
        raise ((isinstance(error, OptionFault) and error.span) or name).option_error(error) from None
    except PipelineError as error:
        raise name.pipeline_error(error) from None
