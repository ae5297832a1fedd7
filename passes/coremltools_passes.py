"""The one door from `passes` to coremltools' own passes: any registered one runs in our manager."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import attrs

from ..ir.errors import OptionError, PipelineError, did_you_mean
from .base import Outcome, Pass
from .context import PassContext
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
    """The ids of every pass of coremltools' own that is registered now, sorted."""
    return sorted(name for name in _registry().passes if not name.startswith("milopt::"))


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
    if pass_id not in registry:
        raise PipelineError(f"coremltools has no pass {pass_id!r}", hint=did_you_mean(pass_id, registry.passes))
    try:
        graph_pass = registry[pass_id]
    except TypeError as error:
        raise PipelineError(f"coremltools' pass {pass_id!r} can not be made by its name: {error}") from None
    for name, value in options.items():
        _set_option(graph_pass, pass_id, name, value)
    return graph_pass


def _set_option(graph_pass: Any, pass_id: str, name: str, value: Any) -> None:
    from coremltools.converters.mil.mil.passes.graph_pass import PassOption

    # coremltools takes any attribute for an option, its own methods included.
    if callable(getattr(type(graph_pass), name, None)):
        raise OptionError(f"has no option {name!r}", where=f"pass {pass_id!r}")
    failures = []
    for candidate in _readings(value):
        try:
            graph_pass.set_options([PassOption(name, candidate)])
        except (NotImplementedError, ValueError, TypeError, AttributeError) as error:
            failures.append(error)
        else:
            return
    raise OptionError(f"option {name!r}: {failures[0]}", where=f"pass {pass_id!r}") from None


def _readings(value: Any) -> Iterator[Any]:
    """A value as it is, and text also as the number it may stand for: some options want the one, some the other."""
    yield value
    for kind in (int, float):
        with suppress(ValueError, TypeError):
            if isinstance(value, str):
                yield kind(value)
