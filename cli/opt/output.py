"""Where `mil-opt` writes programs to, and in which form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from ...ir.errors import SaveError
from .. import options
from .settings import settings

if TYPE_CHECKING:
    from ...ir.model import Model
    from ...ir.text.printer import Weights
    from ...ir.weights.store import MissingWeights

STDOUT = "-"


@attrs.frozen(kw_only=True)
class Output:
    """What the options say; the names are theirs."""

    output: str = STDOUT
    force: bool = False
    weights: Weights | None = None
    missing_weights: MissingWeights = "error"
    allow_missing_weights: bool = False

    @property
    def reading(self) -> MissingWeights:
        """What becomes of missing weights when programs are read."""
        return "zeros" if self.allow_missing_weights else self.missing_weights

    def check(self) -> None:
        """Before anything runs: minutes of work must not end at a name.

        Raises:
            SaveError: nothing can be written there.
        """
        from ...ir.saving import check_output

        if self.output == STDOUT:
            return
        path = Path(self.output)
        if path.suffix not in (".mil", ".mlpackage"):
            raise SaveError("the output must end in .mil or .mlpackage, or be -", where=self.output)
        check_output(path, overwrite=self.force, suffix=path.suffix)

    def write(self, models: Sequence[Model]) -> None:
        """Writes the programs of models.

        Raises:
            SaveError: it can not be done; nothing is written then.
        """
        from ...ir.text.printer import print_program
        from ...ir.text.writing import joined, write_program_text

        programs = [stage.program for model in models for stage in model.stages]
        unchecked = self.allow_missing_weights
        if self.output == STDOUT:
            texts = (print_program(program, weights=self.weights or "elided") for program in programs)
            click.echo(joined(texts), nl=False)
        elif self.output.endswith(".mil"):
            self._tell_what_is_lost(models)
            path = Path(self.output)
            write_program_text(
                path, programs, weights=self.weights, overwrite=self.force, allow_missing_weights=unchecked
            )
        elif len(models) == 1:
            models[0].save(self.output, overwrite=self.force, allow_missing_weights=unchecked)
        else:
            message = f"{len(models)} parts do not fit into one package"
            raise SaveError(message, where=self.output, hint="write a .mil file")

    def _tell_what_is_lost(self, models: Sequence[Model]) -> None:
        """Text holds programs alone."""
        from ...ir.descriptions.describing import tells_everything

        lost = "images, bounds of shapes or optional inputs of the description are not in it"
        for model in models:
            if not model.origin.is_bare and not all(tells_everything(stage.specification) for stage in model.stages):
                click.echo(f"note: {self.output} holds the program alone; {lost}", err=True)


output_options = settings(
    "output",
    Output,
    (
        click.option(
            "-o",
            "--output",
            default=STDOUT,
            show_default=True,
            help="An .mlpackage, a .mil file, or - for text to stdout.",
        ),
        options.force,
        click.option(
            "--weights",
            type=click.Choice(["elided", "inline"]),
            help="Large constants in text: as digests, or element by element. Without it, stdout gets digests, and a "
            ".mil file gets a weight file beside it.",
        ),
        options.missing_weights,
        options.allow_missing_weights,
    ),
)
