"""What passes and named pipelines have in common: a name from the class, and fields that are options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import attrs

from .kinds import records
from .kinds.faults import OptionFault


@attrs.frozen(kw_only=True)
class Configured:
    """The base of what pipeline text names and configures.

    A subclass is a frozen, keyword-only attrs class. Its name is the class's in kebab case, its options are its fields
    (see `option`).

    Attributes:
        noun: what it is, for messages.
        targets: the deployment targets that it works for, in words; empty if it does for all.
    """

    noun: ClassVar[str] = "pass"
    targets: ClassVar[str] = ""

    @classmethod
    def pass_name(cls) -> str:
        """The name in pipeline text: `QuantizeWeights` is `quantize-weights`."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__).lower()

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """The pass with these options; names may be written with dashes or underscores.

        Raises:
            OptionError: an option that the pass does not have, or a value that it does not take.
        """
        try:
            made: Self = records.make(cls, options)
        except OptionFault as fault:
            raise fault.of(f"{cls.noun} {cls.pass_name()!r}") from None
        return made

    def __str__(self) -> str:
        """Its pipeline text: the name and the options that are not their defaults."""
        return self.pass_name() + records.text_of(self)
