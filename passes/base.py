"""What a pass is: a frozen record whose fields are its options and whose `run` changes a program."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import attrs

from ..ir.errors import OptionError, did_you_mean
from .options import format_value
from .remarks import Remark, RemarkKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from .analyses import Analysis, AnalysisManager

Anchor = Literal["program", "function"]


@attrs.frozen
class Outcome:
    """What a pass reports when it is done.

    Attributes:
        changed: whether the program is another one now.
        preserved: the analyses that still hold although it is; all do when nothing changed.
    """

    changed: bool
    preserved: frozenset[type[Analysis]] = frozenset()


UNCHANGED = Outcome(changed=False)


@attrs.define
class PassContext:
    """What a pass may use while it runs.

    Attributes:
        pass_name: the running pass's.
        program: the whole program, also for passes that are anchored on a function.
        analyses: facts about the program, cached.
        remarks: everything said so far, by all passes.
    """

    pass_name: str
    program: Any
    analyses: AnalysisManager
    remarks: list[Remark]

    def remark(self, kind: RemarkKind, operation: Any, code: str, message: str, **more: Any) -> None:
        """Says something about an op; see `Remark`."""
        from ..ir.walking import function_of

        home = function_of(operation)
        function = next((name for name, f in self.program.functions.items() if f is home), "?")
        self.remarks.append(
            Remark(
                kind=kind,
                pass_name=self.pass_name,
                function=function,
                op=operation.name,
                op_type=operation.op_type,
                code=code,
                message=message,
                **more,
            )
        )


@attrs.frozen(kw_only=True)
class Pass:
    """The base of every pass.

    A subclass is a frozen, keyword-only attrs class in a file of its own. Its name is the class's in kebab case,
    its options are its fields (see `option`), its docstring states its rules, refusals included.
    """

    anchor: ClassVar[Anchor] = "program"

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
        known = [field.name for field in attrs.fields(cls)]
        for name in options:
            if name.replace("-", "_") not in known:
                spelled = [name.replace("_", "-") for name in known]
                raise OptionError(
                    f"has no option {name!r}",
                    where=f"pass {cls.pass_name()!r}",
                    hint=did_you_mean(name, spelled) or f"it has {', '.join(spelled) or 'none'}",
                )
        spellings = Counter(name.replace("_", "-") for name in options)
        twice = next((name for name, count in spellings.items() if count > 1), None)
        if twice is not None:
            raise OptionError(f"the option {twice!r} is given twice", where=f"pass {cls.pass_name()!r}")
        for field in attrs.fields(cls):
            if field.default is attrs.NOTHING and field.name not in {name.replace("-", "_") for name in options}:
                raise OptionError(
                    f"needs the option {field.name.replace('_', '-')!r}", where=f"pass {cls.pass_name()!r}"
                )
        try:
            return cls(**{name.replace("-", "_"): value for name, value in options.items()})
        except OptionError as error:
            raise OptionError(
                error.message, where=f"pass {cls.pass_name()!r}, {error.where}", hint=error.hint
            ) from None

    def run(self, root: Any, context: PassContext) -> Outcome:
        """Changes `root`, a PyMIL program or function as `anchor` says, in place."""
        raise NotImplementedError

    def __str__(self) -> str:
        """The pass as pipeline text: its name and the options that are not their defaults."""
        changed = [
            f"{field.name.replace('_', '-')}={format_value(getattr(self, field.name))}"
            for field in attrs.fields(type(self))
            if getattr(self, field.name) != field.default
        ]
        return self.pass_name() + (f"{{{' '.join(changed)}}}" if changed else "")
