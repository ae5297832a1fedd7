"""Typed options: the same conversion for Python, pipeline text and `coremltools.PassPipeline`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from ..ir.diagnostics import TextError
from ..ir.errors import MiloptError
from .kinds.base import kind_of
from .kinds.faults import OptionFault
from .kinds.records import dashed
from .kinds.scalars import Kind
from .text.tree import span_of


@attrs.frozen
class Option:
    """What is known about an option; the metadata of its field.

    Attributes:
        kind: what values it takes.
        default: its value if none is given; `attrs.NOTHING` if one must be.
        help: one line about it.
        choices: the words that it takes, if not all.
        check: raises a `MiloptError` for values that are not allowed for another reason.
    """

    kind: Kind
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    check: Callable[[Any], object] | None = None

    def convert(self, value: Any, field: Any) -> Any:
        """The value of a field from what was given for it.

        Raises:
            OptionFault: it is none.
        """
        name = dashed(field.name)
        try:
            result = self.kind.convert(value)
            if self.check is not None:
                self.check(result)
        except OptionFault as fault:
            raise fault.inside(name, span_of(value)) from None
        except TextError:
            raise  # it has a place in a text already
        except MiloptError as error:
            raise OptionFault(error.message, path=(name,), hint=error.hint, span=span_of(value)) from None
        return result

    def field(self) -> Any:
        """A field of an attrs class that is this option."""
        converter = attrs.Converter(self.convert, takes_field=True)
        return attrs.field(default=self.default, converter=converter, metadata={"option": self})


def option(  # noqa: PLR0913 - they are all that can be said about one
    default: Any,
    *,
    help: str,  # noqa: A002 - it is the word
    of: type[Any] | None = None,
    choices: Sequence[str] = (),
    minimum: float | None = None,
    check: Callable[[Any], object] | None = None,
) -> Any:
    """A field of a pass: its type is that of its default, and what is given for it is converted.

    Args:
        default: a bool, int, float or string; a tuple of these; a frozen attrs record of options; or one of these
            types, for an option that must be given.
        help: one line, shown by `milopt passes`.
        of: the type of the items, for a tuple that is empty or must be given.
        choices: the strings that are allowed.
        minimum: the least allowed number.
        check: raises a `MiloptError` for values that are not allowed for another reason.
    """
    kind = kind_of(default, of, choices=tuple(choices), minimum=minimum)
    return Option(kind, attrs.NOTHING if isinstance(default, type) else default, help, tuple(choices), check).field()


def options_of(cls: type[Any]) -> dict[str, Option]:
    """The options of a class by their names in text."""
    return {dashed(field.name): field.metadata["option"] for field in attrs.fields(cls) if "option" in field.metadata}
