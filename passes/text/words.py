"""The words of pipeline text: reading and writing them."""

from __future__ import annotations

import re

from ...ir.errors import quoted
from ...ir.text.cursor import Cursor
from ...ir.text.formatting import format_string
from .tree import Span, Word

# Blanks, marks and quotes end a word, and so does a comment.
_BARE = re.compile(r'(?:[^\s(){}\[\],="/]|/(?!/))++')


def format_word(text: str) -> str:
    """A word as pipeline text, quoted if it must be."""
    return text if _BARE.fullmatch(text) and text.isprintable() else format_string(text)


class WordCursor(Cursor):
    """A position in pipeline text, whose bare words may hold more than those of MIL text."""

    def found(self) -> str:
        """What is next, for messages."""
        word = _BARE.match(self.text, self.position)
        return quoted(word.group()) if word else super().found()

    def bare_word(self, what: str) -> Word:
        """Takes a bare word.

        Args:
            what: what it would be, for the message if there is none.
        """
        found = self.take(_BARE, what)
        return Word(found.group(), Span(self.source, *found.span()))

    def is_call(self, position: int) -> bool:
        """Whether a bare word and a parenthesis stand at a position."""
        found = _BARE.match(self.text, position)
        return found is not None and self.text.startswith("(", self.after(found.end()))

    def any_word(self, what: str) -> Word:
        """Takes a bare word or a quoted string."""
        if not self.next_is('"'):
            return self.bare_word(what)
        start = self.position
        return Word(self.string(what), Span(self.source, start, self.end))

    def since(self, start: int) -> Span:
        """What was taken since `start`, without the blanks behind it."""
        return Span(self.source, start, self.end)
