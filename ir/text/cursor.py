"""The lexer: a position in a text, and the few shapes that tokens of MIL text have.

Tokens are taken when they are asked for and none are kept, so that parsing needs little memory beside the text.
Keywords are words like any other: values may be called `state` or `block`.
"""

from __future__ import annotations

import re
from typing import NoReturn

from ..errors import quoted
from .source import Source

_BLANK = re.compile(r"(?:\s++|//[^\n]*+)*+")
_WORD = re.compile(r"[^\W\d][\w.$@]*+")
_STRING = re.compile(r'"(?:[^"\\\n]++|\\.)*+"')
_NUMBER = re.compile(r"[-+]?+(?:[0-9.][0-9a-zA-Z.]*+(?:(?<=[pPeE])[-+][0-9]++)?+|inf\b|nan\b)")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPE = re.compile(r"\\(?:([\\\"'ntr0abfv])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|)", re.DOTALL)
# What begins comments and names in other languages.
_FOREIGN = {
    "#": "comments begin with //", "/*": "comments begin with //", "--": "comments begin with //",
    "%": "names are written without %", "@": "names are written without @",
}  # fmt: skip
_SIMPLE_ESCAPES = {
    "n": "\n", "t": "\t", "r": "\r", "0": "\0", "a": "\a", "b": "\b", "f": "\f", "v": "\v",
}  # fmt: skip

# A level of types, literals or blocks takes up to four of the hundred levels that protobuf readers allow.
MAX_DEPTH = 20
_LONGEST_HINT = 400


def foreign_hint(text: str, position: int = 0) -> str | None:
    """A hint if a comment or a name of another language begins at `position`."""
    return next((hint for mark, hint in _FOREIGN.items() if text.startswith(mark, position)), None)


class Cursor:
    """A position in a text; what is taken is followed by no blanks or comments.

    Attributes:
        source: the text and its name.
        text: all of it.
        position: where the next token begins.
        end: where the one before ended.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.text = source.text
        self.position = self.end = 0
        self._depth = 0
        self.move_to(0)

    def refuse_surrogates(self) -> None:
        """Raises a `TextError` for half a character, which a byte that is no UTF-8 may become on the way in."""
        found = _SURROGATE.search(self.text)
        if found:
            self.fail("this is no character: the text was not UTF-8", at=found.start())

    def move_to(self, position: int) -> None:
        """Goes to the first token at or after `position`, where the one before ended."""
        self.end = position
        self.position = self.after(position)

    def after(self, position: int) -> int:
        """Where the first token at or after `position` begins."""
        found = _BLANK.match(self.text, position)
        return found.end() if found else position

    def fail(self, message: str, *, at: int | None = None, length: int = 1, hint: str | None = None) -> NoReturn:
        """Raises a `TextError` about the current position, or about `at`."""
        if hint and len(hint) > _LONGEST_HINT:
            hint = hint[:_LONGEST_HINT] + "..."
        self.source.error(self.position if at is None else at, length, message, hint)

    def miss(self, what: str, *, at: int | None = None, hint: str | None = None) -> NoReturn:
        """Raises a `TextError`: what is next is not what is expected."""
        foreign = foreign_hint(self.text, self.position)
        self.fail(f"expected {what}, found {self.found()}", at=None if foreign else at, hint=foreign or hint)

    def next_is(self, token: str) -> bool:
        """Whether a mark of punctuation is next."""
        return self.text.startswith(token, self.position)

    def accept(self, token: str) -> bool:
        """Takes a mark of punctuation if it is next."""
        if not self.text.startswith(token, self.position):
            return False
        self.move_to(self.position + len(token))
        return True

    def expect(self, token: str, where: str, hint: str | None = None) -> None:
        """Takes a mark of punctuation, which must be next."""
        if not self.accept(token):
            # What is missing at the end of a line is missing there, not where the next line begins.
            at = self.end if "\n" in self.text[self.end : self.position] else self.position
            self.miss(f"{token!r} {where}", at=at, hint=hint)

    def found(self) -> str:
        """What is next, for messages."""
        if self.position >= len(self.text):
            return "the end of the text"
        if self.text[self.position] == '"':
            return "a string"
        word = _WORD.match(self.text, self.position) or _NUMBER.match(self.text, self.position)
        return quoted(word.group() if word else self.text[self.position])

    def peek_word(self) -> str:
        """The word that is next, or the empty string."""
        found = _WORD.match(self.text, self.position)
        return found.group() if found else ""

    def word(self, what: str) -> str:
        """Takes a word.

        Args:
            what: what it would be, for the message if there is none.
        """
        return self.take(_WORD, what).group()

    def take(self, pattern: re.Pattern[str], what: str) -> re.Match[str]:
        """Takes what matches here."""
        found = pattern.match(self.text, self.position)
        if found is None:
            self.miss(what)
        self.move_to(found.end())
        return found

    def name(self, what: str) -> str:
        """Takes a word, or a quoted name: one that is no word."""
        return self.string(what) if self.next_is('"') else self.word(what)

    def number(self, what: str) -> tuple[str, int]:
        """Takes a number; gives its characters and where it began."""
        found = self.take(_NUMBER, what)
        return found.group(), found.start()

    def string(self, what: str) -> str:
        """Takes a quoted string; gives what it stands for."""
        start = self.position
        found = _STRING.match(self.text, start)
        if found is None:
            if self.next_is('"'):
                self.fail("this string does not end on its line", hint='strings end with ", line breaks are \\n')
            self.miss(what)
        self.move_to(found.end())
        body = found.group()[1:-1]
        return _ESCAPE.sub(lambda escape: self._unescape(escape, start + 1), body) if "\\" in body else body

    def _unescape(self, escape: re.Match[str], start: int) -> str:
        simple, *numeric = escape.groups()
        if simple:
            return _SIMPLE_ESCAPES.get(simple, simple)
        code = next((digits for digits in numeric if digits), None)
        if code is None or int(code, 16) > 0x10FFFF or 0xD800 <= int(code, 16) < 0xE000:
            hint = r"known are \\ \" \n \t \r \0 \xHH \uHHHH \UHHHHHHHH"
            self.fail("this escape is unknown", at=start + escape.start(), length=2, hint=hint)
        return chr(int(code, 16))

    def enter(self) -> None:
        """Begins a nested thing; text that nests endlessly must not exhaust the stack."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self.fail(f"this is nested more than {MAX_DEPTH} levels deep")

    def leave(self) -> None:
        """Ends a nested thing."""
        self._depth -= 1
