"""What the flags of `instrument_options.py` mean, with an error for each that means nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, cast

from ...ir.errors import OptionError, did_you_mean
from ...passes.instrumentation.ir_printing import Moments, PassNames
from ...passes.instrumentation.ir_scope import Scope
from ...passes.instrumentation.remark_formats import RemarkFormat, format_of
from ...passes.instrumentation.remark_stream import RemarkFilter
from ...passes.remarks import REMARK_KINDS, RemarkKind

if TYPE_CHECKING:
    from ...ir.diagnostics import Location
    from ...ir.model import Model
    from ...passes.instrumentation.timing_report import TimingForm
    from ...passes.remarks import Remark
    from .instrument_flags import InstrumentFlags

_EVERY = PassNames(every=True)


def form(word: str) -> TimingForm:
    """A form of reports; click has checked the word."""
    return cast("TimingForm", word)


def moments(flags: InstrumentFlags) -> Moments | None:
    """When programs are printed; None for never.

    A flag that narrows what is printed after passes, and a folder, mean all passes if no other flag names any.

    Raises:
        OptionError: there is no pass of a name.
    """
    before = _EVERY if flags.print_ir_before_all else _passes("--print-ir-before", flags.print_ir_before)
    after = _EVERY if flags.print_ir_after_all else _passes("--print-ir-after", flags.print_ir_after)
    narrowed = flags.print_ir_after_change or flags.print_ir_diff
    nothing = after is None and before is None and not flags.print_ir_after_failure
    if after is None and (narrowed or (nothing and flags.print_ir_tree_dir is not None)):
        after = _EVERY
    if after is None and nothing:
        _refuse_idle_scope(flags)
        return None
    return Moments(
        before=before or PassNames(),
        after=after or PassNames(),
        only_changes=flags.print_ir_after_change,
        differences=flags.print_ir_diff,
        failures=flags.print_ir_after_failure,
    )


def _refuse_idle_scope(flags: InstrumentFlags) -> None:
    """A flag that says what is printed has no meaning where nothing is."""
    given = {
        "--print-ir-function": flags.print_ir_function,
        "--print-ir-op": flags.print_ir_op,
        "--print-ir-program-scope": flags.print_ir_program_scope,
    }
    idle = next((name for name, value in given.items() if value), None)
    if idle is not None:
        raise OptionError("nothing is printed", where=idle, hint="say when, such as --print-ir-after-all")


def scope(flags: InstrumentFlags) -> Scope:
    """What of programs is printed."""
    return Scope(flags.print_ir_function, flags.print_ir_op, flags.print_ir_program_scope)


def _passes(flag: str, given: Iterable[str]) -> PassNames | None:
    """The passes that a flag names; None if it was not given.

    Raises:
        OptionError: there is no such pass.
    """
    texts = [text.strip() for text in given]
    names = frozenset(_spelt(name.strip()) for text in texts for name in text.split(",") if name.strip())
    for name in sorted(names):
        _check_pass(flag, name)
    return PassNames(names, every="" in texts) if texts else None


def _spelt(name: str) -> str:
    """The name as passes have it: milopt's own may be written with underscores."""
    return name if "::" in name else name.replace("_", "-")


def _check_pass(flag: str, name: str) -> None:
    from ...passes.foreign.passes import coremltools_pass_ids
    from ...passes.registry import pass_names

    known = pass_names()
    if name not in known and name not in (every := [*known, *coremltools_pass_ids()]):
        hint = did_you_mean(name, every) or "mil-opt --list-passes lists them"
        raise OptionError(f"there is no pass {name!r}", where=flag, hint=hint)


def wants_remarks(flags: InstrumentFlags) -> bool:
    """Whether remarks are written: a flag that selects some asks for them."""
    asking = (flags.remarks, flags.remarks_filter, flags.remarks_kinds, flags.remarks_output)
    return any(value is not None for value in asking)


def remark_format(flags: InstrumentFlags) -> RemarkFormat:
    """How remarks are written."""
    if flags.remarks is not None:
        return cast("RemarkFormat", flags.remarks)
    return "text" if flags.remarks_output is None else format_of(flags.remarks_output.name)


def remark_filter(flags: InstrumentFlags) -> RemarkFilter:
    """Which remarks are written.

    Raises:
        OptionError: an unknown kind, or an expression that is none.
    """
    try:
        passes = re.compile(flags.remarks_filter or "")
    except re.error as error:
        raise OptionError(
            f"{flags.remarks_filter!r} is no regular expression: {error}", where="--remarks-filter"
        ) from None
    given = [word.strip() for word in (flags.remarks_kinds or ",".join(REMARK_KINDS)).split(",")]
    return RemarkFilter(passes, tuple(map(_kind, given)))


def _kind(word: str) -> RemarkKind:
    if word not in REMARK_KINDS:
        hint = did_you_mean(word, REMARK_KINDS) or f"the kinds are {', '.join(REMARK_KINDS)}"
        raise OptionError(f"there are no remarks of the kind {word!r}", where="--remarks-kinds", hint=hint)
    return word


def locator(model: Model) -> Callable[[Remark], Location | None]:
    """Finds the ops of remarks in the text that a model came from."""
    text = model.origin.text
    if text is None:
        return lambda _: None
    from ...ir.text.places import Places

    places = Places(text)
    return lambda remark: places.of_op(remark.op, remark.function)
