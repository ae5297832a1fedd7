"""The rewrite driver: applies patterns until none fits any more."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import attrs

from ..errors import MiloptError
from ..fast_editing import fast_editing
from ..pymil import unique_names
from ..pymil_editing import settle
from ..walking import names_in, walk
from .dead_code import remove_dead
from .edits import Edits, Remark, carry_out, take_back
from .order import Order
from .patterns import Pattern, PatternError, by_op_type
from .rewriter import Declined, Rewriter
from .worklist import Worklist

Operation: TypeAlias = Any

# Who needs more rewrites than this many for each op that the program began with, and these more, goes in circles.
_REWRITES_PER_OP = 20
_REWRITES_MORE = 200


@attrs.frozen
class Rewrites:
    """What the driver did.

    Attributes:
        changed: whether it did anything.
        counts: how often each pattern that did anything did so.
        dead: how many ops left because nobody used them any more.
    """

    changed: bool
    counts: dict[str, int]
    dead: int


def rewrite(
    root: Any,
    patterns: Iterable[Pattern],
    *,
    admit: Callable[[Pattern, Operation], bool] | None = None,
    remark: Callable[..., None] | None = None,
) -> Rewrites:
    """Applies patterns until none fits any more.

    The ops are looked at in their order, those of nested blocks after the op that owns them. At each op the pattern of
    the greatest benefit that fits is applied. The ops that it made, those that take something new and those that
    something lost a use of come next, unless their turn comes anyway. When all were looked at, they are looked at once
    more, until that changes nothing. The work is linear in the ops and the rewrites, and the same in every run.

    Args:
        root: a PyMIL program, function or block; its nested blocks belong to it.
        patterns: the order decides between those of the same benefit.
        admit: asked with the pattern and the op before each rewrite is done; no means that all stays as it is.
        remark: takes what patterns say: kind, op, code, message and keywords.

    Raises:
        PatternError: two patterns have one name, one names an op that no opset has, raised, misused its rewriter, or
            contradicts its own edits, or the rewriting does not come to an end.
    """
    with unique_names(names_in(_home(root))), fast_editing():
        return _Driver(root, patterns, admit, remark).run()


def _home(root: Any) -> Any:
    """The program or function that names must be unique in."""
    while getattr(root, "outer_op", None) is not None:
        root = root.outer_op.enclosing_block
    return root


class _Driver:
    def __init__(
        self,
        root: Any,
        patterns: Iterable[Pattern],
        admit: Callable[[Pattern, Operation], bool] | None,
        remark: Callable[..., None] | None,
    ) -> None:
        self._root, self._remark = root, remark
        self._admits = admit or (lambda *_: True)
        self._patterns = by_op_type(patterns)
        self._worklist = Worklist(self._patterns)
        self._order = Order()
        self._counts: dict[str, int] = {}
        self._total = self._dead = 0
        self._bound = _REWRITES_MORE + _REWRITES_PER_OP * sum(1 for _ in walk(root))
        self._said: set[tuple[str, str, str]] = set()

    def run(self) -> Rewrites:
        """Rewrites until nothing more matches."""
        before = -1
        while self._total != before:
            before = self._total
            self._worklist.push(walk(self._root))
            while (operation := self._worklist.pop()) is not None:
                self._visit(operation)
        if self._total:
            settle(_home(self._root))
        return Rewrites(self._total > 0, self._counts, self._dead)

    def _visit(self, operation: Operation) -> None:
        for pattern in self._patterns[operation.op_type]:
            if self._attempt(pattern, operation):
                if operation.enclosing_block is not None:
                    self._worklist.push([operation])
                return

    def _attempt(self, pattern: Pattern, operation: Operation) -> bool:
        """Tries a pattern at an op; whether it rewrote."""
        edits = Edits()
        if not self._wants(pattern, operation, edits) or not self._admits(pattern, operation):
            take_back(edits)
            return False
        self._count(pattern, operation)
        self._say(edits.remarks)
        self._do(edits, pattern, operation)
        return True

    def _wants(self, pattern: Pattern, operation: Operation, edits: Edits) -> bool:
        """Whether a pattern fits, and all its edits can be done."""
        try:
            wanted = pattern.rewrite(operation, Rewriter(operation, edits, self._order))
            _check_answer(wanted, edits, pattern, operation)
        except Declined:
            return False
        except Exception as error:
            take_back(edits)
            raise _explained(error, pattern, operation) from error
        if not wanted:
            self._say(edits.remarks)
        return wanted

    def _do(self, edits: Edits, pattern: Pattern, operation: Operation) -> None:
        """Does what was wanted, removes what nobody needs any more, and marks what is to be looked at again."""
        try:
            done = carry_out(edits, operation, pattern.name)
        except ValueError as error:
            raise _explained(error, pattern, operation) from error
        for gone in done.gone:
            self._worklist.drop(gone)
        made = [var for new in edits.made for var in new.outputs]
        freed = remove_dead([*done.freed, *made], self._forget)
        self._worklist.push(_neighbours(freed))
        self._worklist.push(each for each in dict.fromkeys(done.touched) if each.enclosing_block is not None)

    def _forget(self, operation: Operation) -> None:
        self._dead += 1
        self._worklist.drop(operation)

    def _count(self, pattern: Pattern, operation: Operation) -> None:
        self._counts[pattern.name] = self._counts.get(pattern.name, 0) + 1
        self._total += 1
        if self._total > self._bound:
            raise PatternError(
                f"there is no end to it: {self._total} rewrites so far",
                pattern=pattern,
                operation=operation,
                hint="it fits its own result, or another pattern undoes what it does",
            )

    def _say(self, remarks: Iterable[Remark]) -> None:
        for each in remarks:
            key = (each.kind, each.operation.name, each.code)
            if self._remark is not None and key not in self._said:
                self._said.add(key)
                self._remark(each.kind, each.operation, each.code, each.message, **each.more)


def _check_answer(wanted: object, edits: Edits, pattern: Pattern, operation: Operation) -> None:
    """Refuses answers that contradict the edits. New ops alone are no edit: a pattern may make them to learn types."""
    if wanted is None:
        message, hint = "it returned None", "return True where it rewrote, else False"
    elif wanted and not edits:
        message, hint = "it says that it rewrote, and edited nothing", "return False where it does not fit"
    elif edits and not wanted:
        message, hint = "it edited, and says that it did not rewrite", "return True, or decide before the first edit"
    else:
        return
    raise PatternError(message, pattern=pattern, operation=operation, hint=hint)


def _neighbours(freed: Iterable[Any]) -> list[Operation]:
    """The ops to look at again when values lost a use: who makes them, and who is now alone with them."""
    found: dict[Operation, None] = {}
    for var in freed:
        users = dict.fromkeys(var.child_ops[:2])
        found |= dict.fromkeys([] if var.op is None else [var.op])
        found |= users if len(users) == 1 and len(var.child_ops) <= 2 else {}
    return [*found]


def _explained(error: Exception, pattern: Pattern, operation: Operation) -> PatternError:
    """The error as a user should read it: it names the pattern and the op."""
    if isinstance(error, PatternError):
        return error
    if isinstance(error, MiloptError):
        message = f"{error.where}: {error.message}" if error.where else error.message
        return PatternError(message, pattern=pattern, operation=operation, hint=error.hint)
    said = f": {error}" if str(error) else ""
    return PatternError(
        f"failed with {type(error).__name__}{said}",
        pattern=pattern,
        operation=operation,
        hint="this is a defect of the pattern: please report it",
    )
