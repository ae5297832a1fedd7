"""The options of `mil-opt` that check what programs compute, and how what was found is told."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from ...ir.errors import RunError
from ..option_types import Integer
from ..progress import working
from .settings import settings

if TYPE_CHECKING:
    from ...passes.instrumentation.numeric_check import NumericCheck, PassFidelity
    from ...passes.proving.reference import Reference, Source
    from ...runtime.types import Precision

_RANDOM = "random"


def _decibels(_: click.Context, __: click.Parameter, value: float | None) -> float | None:
    if value is not None and value != value:  # noqa: PLR0124 - NaN
        raise click.BadParameter("it is a number of decibels")
    return value


def _samples(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value == "":
        raise click.BadParameter("it names no samples; write random")
    word, equals, count = (value or "").partition("=")
    if word == _RANDOM and equals and not (count.isdecimal() and int(count)):
        raise click.BadParameter(f"random={count} is no number of samples; write random=8")
    return value


_OPTIONS = (
    click.option(
        "--check-numerics",
        metavar="SAMPLES",
        callback=_samples,
        help="Run the program after each pass, and tell how far its outputs are from what they were. SAMPLES is an "
        ".npz with an array for each input, whose first axis counts the samples; a folder of one .npz for each "
        "sample; or 'random', 'random=N' for N random samples.",
    ),
    click.option(
        "--min-sqnr",
        type=float,
        metavar="DB",
        callback=_decibels,
        help="Fail at the first pass after which an output has a lower SQNR, in decibels, than this. Without "
        "--check-numerics, random samples are run.",
    ),
    click.option(
        "--check-precision",
        type=click.Choice(["float32", "float16"]),
        default="float32",
        show_default=True,
        help="How to run it: float16 rounds every fp16 value as the device stores it.",
    ),
    click.option("--check-function", metavar="NAME", help="The only function to run; without it, every function."),
    click.option("--check-seed", type=Integer(min=0), default=0, show_default=True, help="The seed of random samples."),
    click.option(
        "--bisect",
        is_flag=True,
        help="Find the first pass, and in it the first single rewrite, that moves an output below --min-sqnr; without "
        "--min-sqnr, after which a pass fails or the program is not valid. Nothing is written.",
    ),
)


@attrs.frozen(kw_only=True)
class NumericSettings:
    """What the options say; the names are theirs."""

    check_numerics: str | None = None
    min_sqnr: float | None = None
    check_precision: Precision = "float32"
    check_function: str | None = None
    check_seed: int = 0
    bisect: bool = False

    def __attrs_post_init__(self) -> None:
        """Refuses what contradicts itself."""
        if self.bisect and self.check_numerics is not None and self.min_sqnr is None:
            raise click.UsageError("--bisect with --check-numerics needs --min-sqnr: how far off is too far?")
        if not self.is_on and (self.check_function is not None or self.check_precision != "float32" or self.check_seed):
            needs = "--check-function, --check-precision and --check-seed need --check-numerics or --min-sqnr"
            raise click.UsageError(needs)

    @property
    def is_on(self) -> bool:
        """Whether anything is to be run."""
        return self.check_numerics is not None or self.min_sqnr is not None

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags that say the same of what is run, and of what is near enough."""
        told = {
            "check-numerics": self.check_numerics,
            "min-sqnr": None if self.min_sqnr is None else f"{self.min_sqnr:.17g}",
            "check-precision": None if self.check_precision == "float32" else self.check_precision,
            "check-function": self.check_function,
            "check-seed": self.check_seed or None,
        }
        return tuple(f"--{name}={value}" for name, value in told.items() if value is not None)

    def source(self) -> Source:
        """The samples.

        Raises:
            RunError: they can not be read.
        """
        from ...passes.proving.reference import Random

        word, _, count = (self.check_numerics or _RANDOM).partition("=")
        if word == _RANDOM:
            return Random(int(count), self.check_seed) if count else Random(seed=self.check_seed)
        from ...runtime.samples import read_samples

        path = Path(self.check_numerics or "")
        if path.is_dir() and not any(path.glob("*.npz")):
            raise RunError("the folder has no .npz files", where=path, hint="programs take arrays, and no images")
        return read_samples(path)

    def new_check(self) -> NumericCheck | None:
        """The instrumentation, which has to stand outside of the verifier; None if nothing is to be run."""
        from ...passes.instrumentation.numeric_check import NumericCheck

        if not self.is_on or self.bisect:
            return None
        return NumericCheck(
            self.source(),
            min_sqnr=self.min_sqnr,
            function=self.check_function,
            precision=self.check_precision,
            working=working,
        )

    def reference(self, program: Any) -> Reference:
        """What a program gives for the samples."""
        from ...passes.proving.reference import Reference

        return Reference(program, self.source(), function=self.check_function, precision=self.check_precision)


numeric_options = settings("numerics", NumericSettings, _OPTIONS)


def show_numerics(check: NumericCheck) -> None:
    """Prints to stderr what was found; `check.as_json()` is the same for machines."""
    if check.measured:
        _show(check.measured)
    elif check.completed:
        click.echo("no pass changed the program: its outputs are what they were", err=True)


def _show(measured: list[PassFidelity]) -> None:
    from rich.console import Console
    from rich.table import Table

    several = len({each.program for each in measured}) > 1
    table = Table("after", "function", "output", title="outputs against the program before the passes")
    table.title_justify = "left"
    for column in ("SQNR", "largest error", "not finite"):
        table.add_column(column, justify="right")
    for each in measured:
        for row in _rows(each, several=several):
            table.add_row(*row)
    width = None if sys.stderr.isatty() else 160
    Console(file=sys.stderr, width=width, highlight=False, markup=False, emoji=False).print(table)


def _rows(found: PassFidelity, *, several: bool) -> list[tuple[str, ...]]:
    """One for each output; the pass stands in the first alone."""
    from ...passes.proving.fidelity import decibels

    place = found.path.removeprefix("program/") + (f" (program {found.program})" if several else "")
    return [
        (
            "" if index else place,
            each.function,
            f"{each.output} {each.problem}".rstrip(),
            decibels(each.sqnr_db),
            f"{each.max_abs:.4g}",
            str(each.not_finite or ""),
        )
        for index, each in enumerate(found.distances)
    ]
