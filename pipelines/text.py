"""Pipeline text in which milopt's named pipelines are known."""

from __future__ import annotations

from ..ir.text.source import Source
from ..passes import pipeline_text
from ..passes.pipeline import Pipeline
from .named import register_named


def parse_pipeline(text: str | Source) -> Pipeline:
    """The pipeline that a text stands for, such as `program(w8{target=iOS18}, common::noop_elimination)`.

    Args:
        text: the text; a `Source` to give it a name for messages.

    Raises:
        PipelineError: it does not follow the grammar, or names a pass that does not exist.
        OptionError: a pass does not have an option, or not with this value.
    """
    register_named()
    return pipeline_text.parse_pipeline(text)
