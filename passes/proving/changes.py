"""Whether a program is another one than it was: not every pass says, and some run others that have said it already."""

from __future__ import annotations

from typing import Any


class Changes:
    """Remembers what a program looked like.

    Args:
        program: as it is now.
    """

    def __init__(self, program: Any) -> None:
        from ...ir.structure import snapshot

        self._seen = snapshot(program)

    def since_last(self, program: Any) -> bool:
        """Whether the program has changed since this was asked last."""
        from ...ir.structure import snapshot

        before, self._seen = self._seen, snapshot(program)
        return before != self._seen
