"""The names of passes, or of named pipelines, that are registered here or come with other distributions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import attrs

from ...ir.errors import PipelineError
from ..configured import Configured
from .plugins import plugins

_Class = TypeVar("_Class", bound=Configured)


@attrs.frozen
class Listed(Generic[_Class]):
    """A row of a listing.

    Attributes:
        name: the name in pipeline text.
        cls: its class; None if it can not be used.
        distribution: the distribution that it comes from; None if it is milopt's or was registered.
        problem: why it can not be used.
    """

    name: str
    cls: type[_Class] | None
    distribution: str | None = None
    problem: str | None = None


@attrs.frozen
class Catalogue(Generic[_Class]):
    """One kind of named things.

    Attributes:
        base: what each extends.
        group: of entry points.
        registered: what was registered, by name.
    """

    base: type[_Class]
    group: str
    registered: dict[str, type[_Class]] = attrs.field(factory=dict)

    def known(self) -> list[str]:
        """All names, of broken ones too; nothing is imported."""
        return [*self.registered, *(plugin.name for plugin in plugins(self.group))]

    def find(self, name: str) -> type[_Class] | None:
        """The class with this name, if there is one."""
        return self.registered.get(name) or self.plugin_class(name)

    def plugin_class(self, name: str) -> type[_Class] | None:
        """The class of another distribution, if one has it; several must not."""
        found = [plugin for plugin in plugins(self.group) if plugin.name == name]
        if len(found) > 1:
            owners = ", ".join(repr(plugin.distribution) for plugin in found)
            raise PipelineError(f"the distributions {owners} all have a {self.base.noun} {name!r}")
        return found[0].load(self.base) if found else None

    def listed_plugins(self, is_taken: Callable[[str], bool]) -> Iterator[Listed[_Class]]:
        """What other distributions have, usable or not.

        Args:
            is_taken: whether a name hides theirs.
        """
        for plugin in plugins(self.group):
            problem, cls = None, None
            try:
                cls = None if is_taken(plugin.name) else self.plugin_class(plugin.name)
                problem = None if cls else "milopt has this name, or it was registered"
            except PipelineError as error:
                problem = error.message
            yield Listed(plugin.name, cls, plugin.distribution, problem)
