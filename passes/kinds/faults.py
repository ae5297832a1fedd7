"""Faults of options: which option it is, and where it stands if it came from a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...ir.errors import OptionError

if TYPE_CHECKING:
    from ..text.tree import Span


class OptionFault(OptionError):  # noqa: N818 - it is the option that is at fault
    """An option that does not exist or is missing, or a value that it does not take.

    Args:
        message: what is wrong.
        owner: what has the option, such as `pass 'raise-opset'`.
        path: the option's name; several for an option of an option, the outermost first.
        hint: what to do next.
        span: the key or the value in pipeline text.
    """

    def __init__(
        self,
        message: str,
        *,
        owner: str | None = None,
        path: tuple[str, ...] = (),
        hint: str | None = None,
        span: Span | None = None,
    ) -> None:
        option = f"option {'.'.join(path)!r}" if path else None
        super().__init__(message, where=", ".join(filter(None, (owner, option))) or None, hint=hint)
        self.path = path
        self.span = span

    def of(self, owner: str) -> OptionFault:
        """The same fault, naming what has the option."""
        return OptionFault(self.message, owner=owner, path=self.path, hint=self.hint, span=self.span)

    def inside(self, name: str, span: Span | None = None) -> OptionFault:
        """The same fault, of the value of an option.

        Args:
            name: the option.
            span: the place of the value, if the fault knows no better.
        """
        return OptionFault(self.message, path=(name, *self.path), hint=self.hint, span=self.span or span)
