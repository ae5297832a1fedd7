"""`python -m benchmarks.manager`: what the pass manager and its default instrumentations cost beside the passes."""

from __future__ import annotations

import gc
import statistics
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import click

from . import reporting

_THEIRS = "program(coremltools-default)"
_OURS = "program(raise-opset{target=iOS18}, quantize-weights{min-elements=16})"
_ALL_OPS_TO_OPS = 2.45  # a layer's constants count as ops of a program, and not here


def measure(ops: int, rounds: int) -> dict[str, Any]:
    """The whole benchmark, as a record of plain values.

    Args:
        ops: of the program, constants not counted.
        rounds: how often each is run, in turns; medians count.
    """
    from milopt.ir.walking import walk

    from .programs import layered_program

    program = layered_program(int(ops * _ALL_OPS_TO_OPS))
    runs = []
    for number in range(rounds):
        reporting.progress(f"round {number + 1} of {rounds}")
        runs.append(_round(program))
    return {
        "environment": reporting.environment(),
        "ops": sum(operation.op_type != "const" for operation in walk(program)),
        "rounds": rounds,
        **{name: statistics.median(run[name] for run in runs) for name in runs[0]},
    }


def _round(program: Any) -> dict[str, float]:
    """CPU seconds of everything once; overheads are shares of the passes' own time in the same round."""
    from milopt.ir.fast_editing import fast_editing

    found = {"coremltools": _coremltools(program), "coremltools_fast": _coremltools(program, fast_editing())}
    found["manager"], _ = _managed(program, _THEIRS)
    found["ours"], found["ours_passes"] = _managed(program, _OURS)
    found["overhead"] = found["manager"] / found["coremltools"] - 1
    found["overhead_fast"] = found["manager"] / found["coremltools_fast"] - 1
    found["overhead_ours"] = found["ours"] / found["ours_passes"] - 1
    return found


def _coremltools(program: Any, around: AbstractContextManager[Any] | None = None) -> float:
    """Seconds that the passes of coremltools' default pipeline take, one after the other, with nothing around them."""
    from milopt import parse_pipeline
    from milopt.passes.foreign.passes import configured_pass

    passes = [configured_pass(each.id, dict(each.options)) for each in parse_pipeline(_THEIRS).passes()]
    copy = _fresh_copy(program)
    with around or nullcontext():
        start = time.process_time()
        for graph_pass in passes:
            graph_pass(copy)
        return time.process_time() - start


def _fresh_copy(program: Any) -> Any:
    """A copy to run on, in a memory that holds no other: what collecting garbage costs depends on it."""
    from milopt.ir.copying import copy_program

    copy = copy_program(program)
    gc.collect()
    return copy


def _managed(program: Any, text: str) -> tuple[float, float]:
    """Seconds that our manager takes with its default instrumentations, and those of them inside passes."""
    from milopt import parse_pipeline
    from milopt.passes.instrumentation.timing import Timing
    from milopt.passes.instrumentation.verify_each import VerifyEach
    from milopt.passes.manager import PassManager

    copy, clock = _fresh_copy(program), Timing()
    manager = PassManager(parse_pipeline(text), (VerifyEach(), clock))
    start = time.process_time()
    manager.run(copy, in_place=True)
    return time.process_time() - start, sum(each.seconds for each in clock.times)


def print_record(record: dict[str, Any]) -> None:
    """Prints what `measure` gave as text."""
    print(f"{reporting.in_words(record['environment'])}; {record['ops']:,} ops, median of {record['rounds']} rounds\n")
    rows = [
        ("coremltools' default passes alone", f"{record['coremltools']:.3f} s", ""),
        ("the same, in milopt's manager", f"{record['manager']:.3f} s", f"{record['overhead']:+.1%}"),
        ("coremltools' default passes alone, edits made fast", f"{record['coremltools_fast']:.3f} s", ""),
        ("the same, in milopt's manager", f"{record['manager']:.3f} s", f"{record['overhead_fast']:+.1%}"),
        ("raise-opset, canonicalize, quantize-weights alone", f"{record['ours_passes']:.3f} s", ""),
        ("the same, in milopt's manager", f"{record['ours']:.3f} s", f"{record['overhead_ours']:+.1%}"),
    ]
    reporting.print_table(("", "seconds", "overhead"), rows)


@click.command()
@click.option("--ops", default=5_000, show_default=True, help="Ops of the program, constants not counted.")
@click.option("--rounds", default=5, show_default=True, help="How often each is run.")
@reporting.json_option
def main(*, ops: int, rounds: int, as_json: bool) -> None:
    """Time pipelines in milopt's pass manager, verifying after each pass, against the passes alone."""
    reporting.show(measure(ops, rounds), print_record, as_json=as_json)


if __name__ == "__main__":
    main()
