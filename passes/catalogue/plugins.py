"""Passes and pipelines of other distributions, found by their entry points and imported when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import EntryPoint, distributions
from typing import TypeVar

import attrs

from ...ir.errors import PipelineError
from ..configured import Configured

_Class = TypeVar("_Class", bound=Configured)


@attrs.frozen
class Plugin:
    """What a distribution says it has.

    Attributes:
        name: the name in pipeline text.
        distribution: who has it.
        entry_point: where it is.
    """

    name: str
    distribution: str
    entry_point: EntryPoint

    def load(self, base: type[_Class]) -> type[_Class]:
        """The class.

        Args:
            base: what it has to extend.

        Raises:
            PipelineError: it can not be imported, or is not what it says.
        """
        try:
            found = self.entry_point.load()
            name = found.pass_name() if isinstance(found, type) and issubclass(found, base) else None
        except (Exception, SystemExit) as error:
            raise self._error(f"can not be imported: {type(error).__name__}: {error}") from error
        if name is None or found is base:
            raise self._error(f"is no subclass of {base.__name__}: {self.entry_point.value}")
        if name != self.name:
            raise self._error(f"is called {name!r} by its class", "the entry point must have that name")
        loaded: type[_Class] = found
        return loaded

    def _error(self, message: str, hint: str | None = None) -> PipelineError:
        return PipelineError(message, where=f"{self.name!r} of the distribution {self.distribution!r}", hint=hint)


def plugins(group: str) -> Iterator[Plugin]:
    """What the installed distributions have in a group of entry points, sorted by name; nothing is imported."""
    found: dict[tuple[str, str], Plugin] = {}
    for distribution in distributions():
        # One damaged distribution must not take the others away.
        with suppress(Exception):
            for point in distribution.entry_points.select(group=group):
                plugin = Plugin(point.name.replace("_", "-"), distribution.metadata["Name"], point)
                # The first of several copies on the path is what would be imported.
                found.setdefault((plugin.name, plugin.distribution.lower()), plugin)
    yield from (found[key] for key in sorted(found))
