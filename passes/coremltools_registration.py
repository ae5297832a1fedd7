"""Registers milopt's passes with coremltools: importing this module is enough.

    import coremltools as ct
    import milopt.passes.coremltools_registration

    pipeline = ct.PassPipeline.DEFAULT
    pipeline.append_pass("milopt::quantize_weights")
    pipeline.set_options("milopt::quantize_weights", {"min_elements": "1024"})
    ct.convert(model, pass_pipeline=pipeline, minimum_deployment_target=ct.target.iOS18)

Options are converted and checked as everywhere in milopt, when they are set; lists may be Python's or text as in
pipelines (`"a,b"`). Passes of other distributions that milopt finds by their entry points are registered as well.

The target of `milopt::raise_opset` must be `minimum_deployment_target`: coremltools writes the model for the latter,
whatever opset the program has then.
"""

from __future__ import annotations

from typing import Any

# isort: off
from ..ir import quiet  # noqa: F401 - before everything of coremltools
from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY
# isort: on

from ..ir.pymil import AbstractGraphPass
from .instrumentation.verify_each import VerifyEach
from .manager import PassManager
from .pipeline import Pipeline
from .registry import list_passes, pass_class

NAMESPACE = "milopt"


def graph_pass_of(name: str) -> type[Any]:
    """The coremltools graph pass that runs one of ours through our pass manager, on the program itself.

    Args:
        name: of the pass. One of another distribution that is broken says so when it is configured.
    """

    class GraphPass(AbstractGraphPass):  # type: ignore[misc] # coremltools is untyped
        """Replaced below by the docstring of the pass."""

        def __init__(self) -> None:
            self.options: dict[str, Any] = {}
            self.remarks: tuple[Any, ...] = ()

        def __call__(self, prog: Any) -> None:
            """Leaves the scope of new ops to our manager: coremltools' would name the pass twice."""
            if not prog.skip_all_passes:
                self.apply(prog)

        def set_options(self, pass_options: list[Any] | None = None) -> None:
            """Converts and checks the options; coremltools calls this with none when none are set."""
            self.options = {option.option_name: option.option_val for option in pass_options or ()}
            pass_class(name).from_options(self.options)

        def apply(self, prog: Any) -> None:
            """Runs the pass; what it said stays in `remarks`."""
            inner = pass_class(name).from_options(self.options)
            pipeline = Pipeline("program", (inner if inner.anchor == "program" else Pipeline("function", (inner,)),))
            self.remarks = PassManager(pipeline, (VerifyEach(),)).run(prog, in_place=True).remarks

    GraphPass.__name__ = GraphPass.__qualname__ = name.replace("-", "_")
    return GraphPass


def register_all() -> None:
    """Registers every pass that milopt knows now; again after passes were added."""
    for row in list_passes():
        graph_pass = graph_pass_of(row.name)
        graph_pass.__doc__ = row.cls.__doc__ if row.cls else f"It can not be used: {row.problem}."
        PASS_REGISTRY.add(NAMESPACE, graph_pass, override=True, name=graph_pass.__name__)


register_all()
