"""What a pass is: a frozen record whose fields are its options and whose `run` changes a program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import attrs

from .configured import Configured

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from .analyses import Analysis
    from .context import PassContext

Anchor = Literal["program", "function"]


class _Everything:
    """Contains all there is."""

    def __contains__(self, _: object) -> bool:
        return True


EVERYTHING: Container[Any] = _Everything()
"""Every analysis: for passes that change the program by the passes that they run, which said what they preserve."""


@attrs.frozen
class Outcome:
    """What a pass reports when it is done.

    Attributes:
        changed: whether the program is another one now.
        preserved: the analyses that still hold although it is; all do when nothing changed.
    """

    changed: bool
    preserved: Container[type[Analysis]] = frozenset()


UNCHANGED = Outcome(changed=False)


@attrs.frozen(kw_only=True)
class Pass(Configured):
    """The base of every pass.

    A subclass is a frozen, keyword-only attrs class in a file of its own. Its name is the class's in kebab case,
    its options are its fields (see `option`), its docstring states its rules, refusals included.

    Attributes:
        anchor: what it runs on: the whole program, or each function in turn.
        statistics: what it counts, by name, with a line on each.
    """

    anchor: ClassVar[Anchor] = "program"
    statistics: ClassVar[Mapping[str, str]] = {}

    def run(self, root: Any, context: PassContext) -> Outcome:
        """Changes `root`, a PyMIL program or function as `anchor` says, in place."""
        raise NotImplementedError
