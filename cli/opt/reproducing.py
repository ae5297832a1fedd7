"""The options of `mil-opt` that leave reproducers of failures, and run them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from ..progress import working
from .settings import settings

if TYPE_CHECKING:
    from ...passes.instrumentation.reproducer import CrashReproducer
    from ...passes.proving.reproducers import Reproducer
    from .checks import Checks
    from .units import Unit


_OPTIONS = (
    click.option(
        "--crash-reproducer",
        type=click.Path(path_type=Path),
        metavar="PATH",
        help="Where to leave a reproducer if a pass fails by a defect: a .mil file, an .mlpackage, or a folder. "
        "Without it, a new file in the temporary folder.",
    ),
    click.option("--no-crash-reproducer", is_flag=True, help="Leave no reproducer."),
    click.option(
        "--run-reproducer",
        is_flag=True,
        help="INPUT is a reproducer: run the pipeline that it names, as it was run when it failed.",
    ),
)


@attrs.frozen(kw_only=True)
class ReproducerSettings:
    """What the options say; the names are theirs."""

    crash_reproducer: Path | None = None
    no_crash_reproducer: bool = False
    run_reproducer: bool = False

    def __attrs_post_init__(self) -> None:
        """Refuses what contradicts itself."""
        if self.no_crash_reproducer and self.crash_reproducer is not None:
            raise click.UsageError("give either --crash-reproducer or --no-crash-reproducer")

    @staticmethod
    def reproducer(unit: Unit) -> Reproducer:
        """What to run, as the first input says it.

        Raises:
            PackageError: the input can not be read.
            PipelineError: it is no reproducer.
        """
        from ...passes.proving.reproducers import read_reproducer, reproducer_in

        return read_reproducer(unit.path) if unit.text is None else reproducer_in(unit.text)

    def new_instrumentation(self, checks: Checks, *, force: bool, unasked: bool) -> CrashReproducer | None:
        """The instrumentation, which has to be the first of all; None if no reproducer is wanted.

        Args:
            checks: what else can fail passes, and how many rewrites are admitted.
            force: whether the reproducer may replace what stands at its place.
            unasked: whether one is left where no place was named for it.

        Raises:
            SaveError: nothing can be written to the path.
        """
        # A reproducer that fails is one already.
        unasked = unasked and not self.run_reproducer
        if self.no_crash_reproducer or (self.crash_reproducer is None and not unasked):
            return None
        from ...passes.instrumentation.reproducer import CrashReproducer

        if self.crash_reproducer is not None:
            _check(self.crash_reproducer, force=force)
        return CrashReproducer(
            self.crash_reproducer,
            checks=checks.verifiers,
            flags=checks.flags,
            rewrite_limit=checks.rewrite_limit,
            overwrite=force,
            working=working,
        )


reproducer_options = settings("reproducing", ReproducerSettings, _OPTIONS)


def _check(path: Path, *, force: bool) -> None:
    """Before anything runs: what fails only once must not end at a name."""
    from ...ir.errors import SaveError
    from ...ir.saving import check_output

    if path.is_dir() and path.suffix != ".mlpackage":
        return
    if path.suffix not in (".mil", ".mlpackage"):
        raise SaveError("a reproducer must end in .mil or .mlpackage, or be a folder that exists", where=path)
    check_output(path, overwrite=force, suffix=path.suffix)
