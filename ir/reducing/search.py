"""The search for a smaller program that is still interesting: delta debugging.

The edits that a reducer lists are tried all at once, then by halves, by quarters, down to single ones; what was
accepted stays. When no reducer finds a single edit that helps, the search ends: the result is minimal in that no op,
output or input can go alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs
import numpy as np

from ..collecting import collector_paused
from ..errors import MiloptError, ProgramError
from ..quiet import without_warnings
from ..text.printer import print_program
from ..verifier import verify
from .edits import Edit
from .rebuilding import rebuild
from .reducers import LAST_REDUCER, REDUCERS, Reducer
from .sizes import Size, size_of


@attrs.frozen
class Progress:
    """How far a search is, told after each test.

    Attributes:
        doing: what is tried, in words.
        tests: how many programs were tested.
        size: of the smallest interesting one.
    """

    doing: str
    tests: int
    size: Size


@attrs.frozen(kw_only=True)
class Reduction:
    """What a search found.

    Attributes:
        program: the smallest interesting program, PyMIL.
        before: the size of the first one.
        after: its own size.
        tests: how many programs were tested.
        interrupted: Ctrl-C ended the search; there may be smaller programs.
    """

    program: Any
    before: Size
    after: Size
    tests: int
    interrupted: bool


def reduce_program(
    program: Any,
    is_interesting: Callable[[Any], bool],
    *,
    progress: Callable[[Progress], object] | None = None,
) -> Reduction:
    """The smallest program that is found by making another one smaller while it stays interesting.

    Each program that is tested is well-formed, unless the first one is not; none is tested twice. The search is the
    same in every run. No op of the result can be cut out, bypassed or replaced by one of its blocks alone.

    Args:
        program: PyMIL; it is not changed.
        is_interesting: takes a program, which it must not change, and says whether it still shows what matters. An
            error that it raises ends the search.
        progress: is called after each test.

    Returns:
        What was found. Ctrl-C ends the search with the smallest program so far.

    Raises:
        ProgramError: the program itself is not interesting.
    """
    search = _Search(program, is_interesting, progress or (lambda _: None))
    interrupted = False
    try:
        search.run()
    except KeyboardInterrupt:
        interrupted = True
    return Reduction(
        program=search.best,
        before=size_of(program),
        after=search.size,
        tests=search.tests,
        interrupted=interrupted,
    )


class _Search:
    """A search.

    Attributes:
        best: the smallest interesting program so far.
        size: its size.
        tests: how many programs were tested.
    """

    def __init__(
        self, program: Any, is_interesting: Callable[[Any], bool], progress: Callable[[Progress], object]
    ) -> None:
        self._is_interesting, self._progress = is_interesting, progress
        self._must_verify = not verify(program)
        self.best = rebuild(program, ())
        self.size = size_of(self.best)
        self.tests = 1
        self._tested = {_fingerprint(self.best)}
        if not is_interesting(self.best):
            hint = "what makes a program interesting must hold for the first one, a copy of what was given"
            raise ProgramError("there is nothing to reduce: the program is not interesting", hint=hint)

    def run(self) -> None:
        """Makes the program smaller until nothing helps."""
        while sum(map(self._helps, REDUCERS)):  # all of them in each round
            pass
        self._helps(LAST_REDUCER)

    def _helps(self, reducer: Reducer) -> bool:
        """Does as many of a reducer's edits as can be; whether there were any."""
        base, accepted = self.best, list[Edit]()
        rest = list(reducer.edits(base))
        length = len(rest)
        while rest and length:
            refused = list[Edit]()
            for part in _parts(rest, length):
                if self._accepts(base, [*accepted, *part], reducer.does):
                    accepted += part
                else:
                    refused += part
            rest, length = refused, length // 2
        return bool(accepted)

    def _accepts(self, base: Any, edits: Sequence[Edit], doing: str) -> bool:
        """Tests a program that edits make of another; if it is smaller and interesting, it is the best from now on."""
        candidate = self._candidate(base, edits)
        if candidate is None:
            return False
        self.tests += 1
        found = bool(self._is_interesting(candidate))
        if found:
            self.best, self.size = candidate, size_of(candidate)
        self._progress(Progress(doing, self.tests, self.size))
        return found

    def _candidate(self, base: Any, edits: Sequence[Edit]) -> Any:
        """What edits make of a program; None if it is not worth a test."""
        try:
            with collector_paused(), np.errstate(all="ignore"), without_warnings():
                candidate = rebuild(base, edits)
                if size_of(candidate) >= self.size or (self._must_verify and verify(candidate)):
                    return None
                fingerprint = _fingerprint(candidate)
        except MiloptError:
            return None
        if fingerprint in self._tested:
            return None
        self._tested.add(fingerprint)
        return candidate


def _fingerprint(program: Any) -> bytes:
    """What programs of the same text have in common, and no others."""
    return hashlib.sha256(print_program(program).encode()).digest()


def _parts(edits: Sequence[Edit], length: int) -> Iterator[Sequence[Edit]]:
    return (edits[start : start + length] for start in range(0, len(edits), length))
