"""One calibration as the command runs it: samples from files, progress, a checkpoint, and what Ctrl-C leaves."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import click

from .exit_codes import DONE, INTERRUPTED
from .progress import Countable, progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..ir.model import Model
    from ..passes.analysis.calibration.statistics import CalibrationStatistics
    from ..passes.remarks import Remark
    from ..runtime.surface.features import Feature

Sample = TypeVar("Sample", bound="Mapping[str, Any] | Sequence[Mapping[str, Any]]")


def check_statistics_path(path: Path, *, overwrite: bool) -> None:
    """Refuses a path that statistics can not be written to.

    Raises:
        SaveError: it ends otherwise, exists, or its folder does not.
    """
    from ..ir.errors import SaveError
    from ..ir.saving import check_output
    from ..passes.analysis.calibration.storage import ENDINGS

    if path.suffix not in ENDINGS:
        raise SaveError(f"the output must end in {' or '.join(ENDINGS)}", where=path)
    check_output(path, overwrite=overwrite, suffix=path.suffix)


@attrs.frozen
class CalibrationRun:
    """What is to be run, and how.

    Attributes:
        model: the model.
        path: where it was read from; None for stdin.
        data: where the samples are.
        output: where the statistics go.
        settings: further arguments of `milopt.calibrate`, `observer` and `function` among them.
        workers: processes; None for this one.
        resume: go on where an interrupted run stopped.
        force: replace the output, and start anew.
        progress_shown: tell of progress where stderr is no terminal.
    """

    model: Model
    path: Path | None
    data: Path
    output: Path
    settings: Mapping[str, Any]
    workers: int | None = attrs.field(kw_only=True)
    resume: bool = attrs.field(kw_only=True)
    force: bool = attrs.field(kw_only=True)
    progress_shown: bool = attrs.field(kw_only=True)

    def run(self, remarks: list[Remark]) -> tuple[CalibrationStatistics | None, int]:
        """Runs the samples and writes the statistics.

        Args:
            remarks: takes what there is to say of samples and values.

        Returns:
            The statistics, and the exit code. Interrupted, those of the samples that were done; None for no sample.
        """
        from ..ir.errors import MiloptError

        self._prepare_checkpoint()
        samples = self._samples()
        try:
            statistics = self._calibrate(samples, remarks)
        except KeyboardInterrupt as interruption:
            return self._interrupted(interruption, len(samples), remarks), INTERRUPTED
        except MiloptError:
            _tell_inputs(remarks)  # they may well be the reason
            raise
        self._write(statistics, remarks)
        return statistics, DONE

    @property
    def checkpoint(self) -> Path:
        """Where a run that does not finish leaves what it gathered, and a later one finds it."""
        return self.output.with_name(f"{self.output.name}.checkpoint")

    def _prepare_checkpoint(self) -> None:
        from ..ir.errors import SaveError

        if self.force and not self.resume:
            self.checkpoint.unlink(missing_ok=True)
        elif not self.resume and self.checkpoint.exists():
            hint = "--resume goes on where that stopped, --force starts anew"
            raise SaveError("an earlier run left it that did not finish", where=self.checkpoint, hint=hint)

    def _calibrate(self, samples: Named[Any], remarks: list[Remark]) -> CalibrationStatistics:
        from ..passes.analysis.collecting.calibrate import calibrate

        shown = progress("calibrating", len(samples), shown=self.progress_shown)
        with _pool(self.workers) as executor, shown as advance:
            return calibrate(
                self.model if executor is None or self.path is None else self.path,
                samples,
                executor=executor,
                checkpoint=self.checkpoint if self._can_resume() else None,
                on_progress=advance,
                remarks=remarks,
                **self.settings,
            )

    def _can_resume(self) -> bool:
        """Moving averages can not be resumed; who asks for it is told so."""
        from ..passes.analysis.calibration.observers import parse_observer

        return self.resume or parse_observer(self.settings["observer"]).needs != "moving averages"

    def _samples(self) -> Named[Any]:
        from ..passes.analysis.data_checks.surface import surface_of
        from ..runtime.surface.samples import samples_for

        inputs, _, _ = surface_of(self.model, self.settings["function"])
        return Named(samples_for(inputs, self.data), inputs)

    def _interrupted(
        self, interruption: KeyboardInterrupt, total: int, remarks: list[Remark]
    ) -> CalibrationStatistics | None:
        """Writes what was gathered, says so, and gives it; None if that is nothing."""
        statistics: CalibrationStatistics | None = getattr(interruption, "statistics", None)
        if statistics is not None:
            self._write(statistics, remarks)
        done = getattr(interruption, "done", 0)
        left = "nothing was written" if statistics is None else f"{self.output} holds those of these samples"
        is_kept = self.checkpoint.exists()
        again = f"; the same command with --resume goes on with sample {done}" if is_kept else ""
        click.echo(f"interrupted after {done} of {total} samples: {left}{again}", err=True)
        return statistics

    def _write(self, statistics: CalibrationStatistics, remarks: list[Remark]) -> None:
        from ..passes.analysis.calibration.half_range import audit

        statistics.save(self.output, overwrite=self.force or self.resume)
        remarks.extend(audit(self.model.program, statistics))


def _tell_inputs(remarks: list[Remark]) -> None:
    """Says what is wrong with inputs; not of the samples as a whole, which were not all seen."""
    from .calibration_tables import show_remarks

    show_remarks(each for each in remarks if each.op_type == "input" and each.op != "samples")


class Named(Countable[Sample]):
    """Samples without the arrays that are no inputs of the model, such as labels; each of these is noted once.

    Where an input is missing they stay, because one of them may be it under a wrong name.

    Args:
        samples: mappings, or sequences of them.
        inputs: what the model takes.
    """

    def __init__(self, samples: Countable[Sample], inputs: Sequence[Feature]) -> None:
        self._samples = samples
        self._known = frozenset(each.name for each in inputs)
        self._needed = frozenset(each.name for each in inputs if not each.optional and each.default is None)
        self._unused: set[str] = set()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._samples)

    def __iter__(self) -> Iterator[Any]:
        """Each sample in order."""
        for sample in self._samples:
            yield [self._named(each) for each in sample] if isinstance(sample, list) else self._named(sample)

    def _named(self, sample: Any) -> dict[str, Any]:
        if not self._needed <= sample.keys():
            return dict(sample)
        for name in sorted(sample.keys() - self._known - self._unused):
            click.echo(f"note: {name!r} is no input of the model, and not used", err=True)
            self._unused.add(name)
        return {name: value for name, value in sample.items() if name in self._known}


@contextmanager
def _pool(workers: int | None) -> Iterator[Executor | None]:
    if workers is None:
        yield None
        return
    from ..passes.analysis.collecting.shards import worker_pool

    with worker_pool(workers) as pool:
        yield pool
