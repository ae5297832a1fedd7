"""The one door from `passes` to coremltools' own passes: any registered one runs in our manager."""

from __future__ import annotations

from typing import Any

import attrs

from ..ir.errors import OptionError, PipelineError, did_you_mean
from .base import Outcome, Pass, PassContext
from .options import format_value


@attrs.frozen(kw_only=True)
class CoremltoolsPass(Pass):
    """A pass of coremltools, under its own id.

    Attributes:
        id: such as `common::fuse_conv_batchnorm`.
        options: as coremltools takes them; strings, because that is what pipeline text has.
    """

    id: str
    options: tuple[tuple[str, Any], ...] = ()

    def run(self, root: Any, context: PassContext) -> Outcome:  # noqa: ARG002 - coremltools' passes know no context
        """Runs it on a program; coremltools does not say whether anything changed, so that it is assumed."""
        configured_pass(self.id, dict(self.options))(root)
        return Outcome(changed=True)

    def __str__(self) -> str:
        """The id and all options."""
        given = [f"{name}={format_value(value)}" for name, value in self.options]
        return self.id + (f"{{{' '.join(given)}}}" if given else "")


def _registry() -> Any:
    # isort: off
    from ..ir import quiet  # noqa: F401 - before everything of coremltools
    from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY
    # isort: on

    return PASS_REGISTRY


def coremltools_pass_ids() -> list[str]:
    """The ids of every pass that is registered with coremltools now, sorted."""
    return sorted(_registry().passes)


def coremltools_pass(pass_id: str, options: dict[str, Any]) -> CoremltoolsPass:
    """A pass of coremltools; its options are checked at once.

    Raises:
        PipelineError: coremltools has no such pass.
        OptionError: the pass has no such option.
    """
    configured_pass(pass_id, options)
    return CoremltoolsPass(id=pass_id, options=tuple(options.items()))


def configured_pass(pass_id: str, options: dict[str, Any]) -> Any:
    """Coremltools' own object for a pass, options set."""
    registry = _registry()
    from coremltools.converters.mil.mil.passes.graph_pass import PassOption

    if pass_id not in registry:
        raise PipelineError(f"coremltools has no pass {pass_id!r}", hint=did_you_mean(pass_id, registry.passes))
    graph_pass = registry[pass_id]
    try:
        graph_pass.set_options([PassOption(name, value) for name, value in options.items()])
    except (NotImplementedError, ValueError, TypeError) as error:
        raise OptionError(str(error), where=f"pass {pass_id!r}") from None
    return graph_pass
